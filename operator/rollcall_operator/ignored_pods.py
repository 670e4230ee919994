"""Pods that are never a workload's, and why."""

from collections import Counter
from collections.abc import Mapping

from rollcall.domain.ownership import Ignored


class IgnoredPods:
    """By uid. Of most of them nothing else is kept, so that they are forgotten here alone."""

    def __init__(self) -> None:
        self._why: dict[str, Ignored] = {}
        self._versions: dict[str, int] = {}
        """Of those, the ones of which nothing else is kept."""

    def __contains__(self, uid: str) -> bool:
        return uid in self._why

    def saw(self, uid: str, why: Ignored, *, version: int) -> None:
        """A pod is ignored for what it is itself."""
        self._why[uid] = why
        self._versions[uid] = version

    def take(self, uid: str, why: Ignored | None) -> None:
        """A pod is ignored for what owns it, or no longer is."""
        if why is None:
            self._why.pop(uid, None)
        else:
            self._why[uid] = why

    def forget(self, uid: str) -> None:
        """A pod is gone, or is no longer ignored for what it is itself."""
        if self._versions.pop(uid, None) is not None:
            self._why.pop(uid, None)

    def keep_only(self, uids: frozenset[str], *, version: int) -> None:
        """Forget what a complete list at ``version`` did not hold."""
        for uid, seen in tuple(self._versions.items()):
            if uid not in uids and seen <= version:
                self.forget(uid)

    def count(self) -> Mapping[str, int]:
        """How many there are by reason; every reason is there."""
        found = Counter(why.value for why in self._why.values())
        return {why.value: found[why.value] for why in Ignored}
