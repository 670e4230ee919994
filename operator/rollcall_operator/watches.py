"""kopf, made an observer: handlers that hand each event to one door and do nothing else.

Registered on a registry of its own. Nothing is ever written to an object: no diff base, no progress, no posting, no
finalizers (only ``on.event`` handlers are registered, and they return ``None``).

One watch that kopf gives up ends all of its watches: an ERROR line that is not 410, a 410 or 404 on opening, a line
that is no JSON, errors for longer than its retries. :class:`Watches` then starts kopf anew, which lists everything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import aiohttp
import kopf
import structlog

from rollcall.domain.facts import KindKey
from rollcall_operator.cluster_state import EventType
from rollcall_operator.discovery import ServedKind

Door = Callable[[KindKey, EventType, Mapping[str, Any]], None]

CHUNK = 500
"""Objects in one page of an initial list."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
"""Before kopf is started again; the pause doubles each time."""

CALM_SECONDS = 60.0
"""Watches that held for so long start with the first pause again."""

LOGIN_PAUSE_SECONDS = 2.0
"""Between two logins: an API server that refuses our token is not to be asked in a rush."""

CANCEL_SECONDS = 3.0
"""How long kopf may take to clean up before it is told again to end."""

GIVE_UP_SECONDS = 9.0
"""After so long it is left to itself, and a new one is started: without any watch the view would only grow old."""

_KOPF = Path(kopf.__file__).parent

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedKind:
    """A kind to watch: the key, and the plural by which the API serves it."""

    key: KindKey
    plural: str


DEFINITION = WatchedKind(
    key=KindKey(group="apiextensions.k8s.io", kind="CustomResourceDefinition"), plural="customresourcedefinitions"
)
"""kopf watches them by itself, to notice a kind that is installed later; of a refusal it tells after minutes only."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """No diff base, and no deep copy of every object to make one from."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""


class _NoProgress(kopf.ProgressStorage):
    """No progress, and no deep copy to clear it from."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing was kept."""

    def touch(self, **_: Any) -> None:
        """Nothing is kept."""

    def clear(self, *, essence: Any) -> Any:
        return essence


def observer_settings(watch_seconds: int) -> kopf.OperatorSettings:
    """Kopf's settings for reading only, in pages, with watches that are reopened every so many seconds."""
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False
    settings.watching.chunk_size = CHUNK
    settings.watching.server_timeout = watch_seconds
    # A server that accepts and says nothing: its watch should have ended by now.
    settings.watching.inactivity_timeout = watch_seconds + 10
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 60
    # A dead API server is waited for: the watchdog decides when that has lasted too long.
    settings.networking.error_backoffs = (1, 1, 2, 3, 5, 8, 13, 21, 30, 30, 30, 30, 30, 30, 30)
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.execution.max_workers = 1
    # It would kill the process so long after one of kopf's starts has ended.
    settings.process.ultimate_exiting_timeout = None
    return settings


def build_registry(
    kinds: Iterable[WatchedKind], door: Door, login: Callable[..., Any], *, versions: Mapping[KindKey, str]
) -> kopf.OperatorRegistry:
    """A registry with one handler a kind, and our credentials as the only login."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry, id="rollcall", errors=kopf.ErrorsMode.TEMPORARY)(login)
    for kind in kinds:
        # A group of "" is the core API. Without a version it is the one that the group prefers, and no other.
        version = versions.get(kind.key)
        place = (kind.key.group, kind.plural) if version is None else (kind.key.group, version, kind.plural)
        kopf.on.event(*place, registry=registry, id="observe")(_handler(kind.key, door))
    return registry


class Watches:
    """All watches, for as long as the operator lives."""

    def __init__(
        self,
        kinds: Iterable[WatchedKind],
        door: Door,
        *,
        server: str,
        new_session: Callable[[], aiohttp.ClientSession],
        watch_seconds: int,
        on_start: Callable[[], None],
    ) -> None:
        self._kinds = tuple(kinds)
        self._door = door
        self._server = server
        self._new_session = new_session
        self._watch_seconds = watch_seconds
        self._on_start = on_start
        """Called whenever kopf has started: it takes the process's signals for itself."""
        self._versions: dict[KindKey, str] = {}
        """Of kinds that are not served in the version their group prefers."""
        self._moved = asyncio.Event()

    def follow(self, served: Iterable[ServedKind]) -> None:
        """Watch kinds where they are served; kopf by itself looks only into the version that a group prefers.

        What is not served keeps its place: it may be an API server that is just starting.
        """
        for kind in served:
            version = None if kind.is_preferred else kind.version
            if version != self._versions.get(kind.key):
                self._moved.set()
                if version is None:
                    del self._versions[kind.key]
                else:
                    self._versions[kind.key] = version

    async def run(self) -> NoReturn:
        """Watch until cancelled; whether a watch is alive is for the watchdog to say."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = loop.time()
            self._moved.clear()
            error = await self._watch()
            if self._moved.is_set():
                log.info("watches_moved", versions={key.kind: version for key, version in self._versions.items()})
                continue
            if loop.time() - started > CALM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.warning("watches_failed", error=_described(error), pause_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _watch(self) -> BaseException | None:
        """Watch until kopf gives up; returns why."""
        async with self._login() as login:
            # Its root tasks, not `kopf.operator`: that one ends by cancelling every task of the loop, ours too.
            tasks = await kopf.spawn_tasks(
                registry=build_registry(self._kinds, self._door, login, versions=self._versions),
                settings=observer_settings(self._watch_seconds),
                standalone=True,
                # Left out, kopf asks for the user's name, and an image's user by number has none. Nobody reads it.
                identity="rollcall-operator",  # type: ignore[arg-type]  # a type kopf keeps to itself
                clusterwide=True,
            )
            self._on_start()
            moved = asyncio.create_task(self._moved.wait())
            try:
                await asyncio.wait([*tasks, moved], return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
                await _end(tasks)
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        return errors[0] if errors else None

    @contextlib.asynccontextmanager
    async def _login(self) -> AsyncIterator[Callable[..., Any]]:
        """Kopf's login: a new session each time, because kopf closes the one that was answered 401."""
        sessions: list[aiohttp.ClientSession] = []

        async def login(**_: Any) -> kopf.AiohttpSession:
            if sessions:
                await asyncio.sleep(LOGIN_PAUSE_SECONDS)
            sessions[:] = [session for session in sessions if not session.closed]
            sessions.append(self._new_session())
            return kopf.AiohttpSession(server=self._server, aiohttp_session=sessions[-1], default_namespace="default")

        try:
            yield login
        finally:
            for session in sessions:
                await session.close()


async def _end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel kopf's tasks and wait for them, however often we are cancelled: it cleans up meanwhile."""
    ending = asyncio.create_task(_cancel(tasks))
    while not ending.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(ending)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    waiting = set(tasks)
    loop = asyncio.get_running_loop()
    until = loop.time() + GIVE_UP_SECONDS
    while waiting:
        for task in waiting:
            task.cancel()
        # A watch that is failing just now swallows this; it is then told again.
        _, waiting = await asyncio.wait(waiting, timeout=CANCEL_SECONDS)
        # A discovery that failed leaves requests behind that are tried again for minutes.
        waiting = waiting or {task for task in asyncio.all_tasks() if _is_of_kopf(task)}
        if waiting and loop.time() > until:
            # Where a connection closes while another watch fails, kopf may wait for a lock that nobody gives back.
            log.warning("watches_abandoned", tasks=len(waiting))
            return


def _is_of_kopf(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(_KOPF)


def _described(error: BaseException | None) -> str:
    # An error of the stream repeats the Status object; nothing of it is ours to log in full.
    return "ended" if error is None else f"{type(error).__name__}: {error}"[:200]


def _handler(key: KindKey, door: Door) -> Callable[..., Any]:
    async def observe(event: Any, **_: Any) -> None:
        deleted = event.get("type") == "DELETED"
        door(key, EventType.DELETED if deleted else EventType.SEEN, event["object"])

    return observe
