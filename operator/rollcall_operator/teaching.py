"""The kinds that an admin taught: read at the start, and looked at again for changes.

What is watched is decided at the start, so a change ends the operator with a sentence; started again, it knows. What
cannot be read is never taken for nothing: at the start it is waited for or, where it is refused, told; later it leaves
all as it was.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from rollcall.cluster_access import PAGE, ApiStatusError, get_json
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.karta import KINDS
from rollcall.errors import ClusterError
from rollcall.teaching import LABEL, LABEL_VALUE, Teaching, learn, nothing_taught
from rollcall_operator.discovery import served_kinds
from rollcall_operator.measures import Measures

SETTLE_SECONDS = 5.0
"""A change counts once it is still there after so long: who edits several objects causes one restart, and an API server
that has just started and leaves kinds out causes none."""

MOST_PAGES = 20

_NOT_FOUND = 404

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What is taught, and how the cluster serves it."""

    teaching: Teaching
    plurals: Mapping[KindKey, str] = field(default_factory=dict)
    """Of the taught kinds that are served, by the cluster's own word."""
    refused: frozenset[str] = frozenset()
    """What may not be read."""

    def plural_of(self, key: KindKey) -> str:
        """By what a kind is watched; empty where that is not known yet."""
        entry = self.teaching.catalogue.entry_for(key)
        return self.plurals.get(key) or ("" if entry is None else entry.plural)


class Teacher:
    """Reads what is taught."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        server: str,
        *,
        namespace: str,
        interval_seconds: float,
        measures: Measures,
    ) -> None:
        self._session = session
        self._server = server
        self._namespace = namespace
        self._interval = interval_seconds
        self._measures = measures
        self._told: set[str] = set()
        self.lessons = Lessons(teaching=nothing_taught())
        """By what this operator goes."""

    async def begin(self) -> Lessons:
        """Read what is taught, for good.

        Raises:
            ClusterError: the API server gave no answer.
        """
        self.lessons = await self._look()
        for lesson in self.lessons.teaching.lessons:
            log.info("kind_taught", group=lesson.entry.key.group, kind=lesson.entry.key.kind, source=lesson.source)
        return self.lessons

    async def until_changed(self) -> str:
        """Wait until something else is taught, and stays so; a sentence that says what."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                if not self._has_changed(await self._look()):
                    continue
                await asyncio.sleep(SETTLE_SECONDS)
                found = await self._look()
            except ClusterError as error:
                log.warning("kinds_not_read", error=str(error))
                continue
            if self._has_changed(found):
                return f"{_difference(self.lessons, found)}; the operator must be started again to go by it."

    def _has_changed(self, found: Lessons) -> bool:
        if found.refused - self.lessons.refused:
            return False  # a right was taken away; what was taught with it holds until it is back
        if found.teaching.fingerprint != self.lessons.teaching.fingerprint:
            return True
        # A kind that is no longer served keeps its watch: it may be an API server that is just starting.
        return any(self.lessons.plural_of(key) != plural for key, plural in found.plurals.items())

    async def _look(self) -> Lessons:
        config_maps, kartas, refused = await self._config_maps(), await self._kartas(), set[str]()
        objects: list[Any] = []
        for name, found in (("ConfigMaps", config_maps), ("Kartas", kartas)):
            if found is None:
                refused.add(name)
            else:
                objects += found
        teaching = learn(objects)
        self._tell(teaching, refused)
        keys = [lesson.entry.key for lesson in teaching.lessons]
        served = await served_kinds(self._session, self._server, frozenset(key.group for key in keys)) if keys else {}
        plurals = {key: served[key].plural for key in keys if key in served}
        return Lessons(teaching=teaching, plurals=plurals, refused=frozenset(refused))

    async def _config_maps(self) -> list[Any] | None:
        path = f"/api/v1/namespaces/{self._namespace}/configmaps"
        return await self._list(path, "v1", "ConfigMap", {"labelSelector": f"{LABEL}={LABEL_VALUE}"})

    async def _kartas(self) -> list[Any] | None:
        keys = [KindKey(group=group, kind=kind) for group, kind in KINDS]
        served = await served_kinds(self._session, self._server, frozenset(key.group for key in keys))
        found: list[Any] = []
        for key in keys:
            if key not in served:
                continue
            kind = served[key]
            items = await self._list(kind.list_path(), kind.prefix.removeprefix("/apis/"), key.kind, {})
            if items is None:
                return None
            found += items
        return found

    async def _list(self, path: str, api_version: str, kind: str, params: Mapping[str, str]) -> list[Any] | None:
        """Every object of a kind, ``None`` where they may not be listed. Items of a list carry no kind."""
        found: list[Any] = []
        token = ""
        for _ in range(MOST_PAGES):
            asked = {**params, "limit": str(PAGE), **({"continue": token} if token else {})}
            try:
                page = await get_json(self._session, self._server, path, params=asked)
            except ApiStatusError as error:
                if error.is_refusal:
                    return None
                if error.status == _NOT_FOUND:
                    return found
                raise
            items = page.get("items")
            found += [
                {**item, "apiVersion": api_version, "kind": kind}
                for item in (items if isinstance(items, list) else [])
                if isinstance(item, dict)
            ]
            token = str((page.get("metadata") or {}).get("continue") or "")
            if not token:
                break
        return found

    def _tell(self, teaching: Teaching, refused: set[str]) -> None:
        """Log what is new of what is not understood, and measure it."""
        self._measures.kinds_taught.set(len(teaching.lessons))
        self._measures.kinds_refused.set(len(teaching.refusals))
        said: set[str] = set()
        for refusal in teaching.refusals:
            said.add(f"{refusal.source} {refusal.why}")
            if f"{refusal.source} {refusal.why}" not in self._told:
                log.warning("kind_refused", source=refusal.source, why=refusal.why)
        for lesson in teaching.lessons:
            for note in lesson.notes:
                said.add(f"{lesson.source} {note}")
                if f"{lesson.source} {note}" not in self._told:
                    log.warning("kind_read_in_part", source=lesson.source, note=note)
        for name in sorted(refused):
            said.add(name)
            if name not in self._told:
                log.info("kinds_forbidden", what=name, namespace=self._namespace)
        self._told = said


def _difference(before: Lessons, after: Lessons) -> str:
    """What has changed, in words."""
    old = {lesson.entry.key: lesson.body for lesson in before.teaching.lessons}
    new = {lesson.entry.key: lesson.body for lesson in after.teaching.lessons}
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if changed:
        return f"What is taught of {_names(changed)} has changed"
    moved = [key for key, plural in after.plurals.items() if before.plural_of(key) != plural]
    return f"How {_names(moved)} is served was not known before"


def _names(keys: list[KindKey]) -> str:
    names = sorted(f"{key.kind} of group {key.group}" for key in keys)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - enough
