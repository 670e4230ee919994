"""What happens next in the simulated cluster, in the order of its time."""

import heapq
from collections.abc import Callable, Iterator

Act = Iterator[float]
"""A life as a generator: what it yields are the seconds until it goes on."""


class Agenda:
    """Acts and calls by key and due time; of each key there is at most one."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """The simulated time."""
        self._heap: list[tuple[float, int, str]] = []
        self._due: dict[str, tuple[float, int, Callable[[], float | None]]] = {}
        self._entries = 0

    def __len__(self) -> int:
        """How many entries are held, broken-off ones that are not yet due included."""
        return len(self._heap)

    def begin(self, key: str, act: Act, *, after: float = 0.0) -> None:
        """Play an act to its end; one of the same key is broken off."""
        self._put(key, after, lambda: next(act, None))

    def call(self, key: str, after: float, function: Callable[[], None]) -> None:
        """Call once, at the latest after so many seconds: an earlier call of the same key stands."""
        due = self._due.get(key)
        if due is None or due[0] > self.seconds + after:
            self._put(key, after, function)

    def end(self, key: str) -> None:
        """Break off; nothing happens where there is none."""
        self._due.pop(key, None)

    def play_until(self, seconds: float) -> None:
        """Let happen what is due, in its order."""
        while self._heap and self._heap[0][0] <= seconds:
            due, entry, key = heapq.heappop(self._heap)
            current = self._due.get(key)
            if current is None or current[1] != entry:
                continue
            self.seconds = due
            # Out of the book first: what is called may put itself, or another of its key, in again.
            del self._due[key]
            wait = current[2]()
            if wait is not None and key not in self._due:
                self._put(key, wait, current[2])
        self.seconds = seconds

    def _put(self, key: str, after: float, function: Callable[[], float | None]) -> None:
        self._entries += 1
        due = self.seconds + after
        self._due[key] = (due, self._entries, function)
        heapq.heappush(self._heap, (due, self._entries, key))
