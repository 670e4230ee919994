"""kopf, made an observer: handlers that hand each event to one door and do nothing else.

Registered on a registry of its own. Nothing is ever written to an object: no diff base, no progress, no posting, no
finalizers (only ``on.event`` handlers are registered, and they return ``None``).

One watch that kopf gives up ends all of its watches: an ERROR line that is not 410, a 410 or 404 on opening, a line
that is no JSON, errors for longer than its retries. :class:`Watches` then starts kopf anew, which lists everything.
"""

import asyncio
import contextlib
import contextvars
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import aiohttp
import kopf
import structlog

from rollcall.domain.facts import KindKey
from rollcall_operator.cluster_state import EventType
from rollcall_operator.discovery import ServedKind
from rollcall_operator.kopf_settings import observer_settings

Door = Callable[[KindKey, EventType, Mapping[str, Any]], None]

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

_STARTED: contextvars.ContextVar[weakref.WeakSet[asyncio.Task[Any]] | None] = contextvars.ContextVar(
    "started", default=None
)
"""Where the tasks are noted that are started in this context, or in a task that is."""

Answer = TypeVar("Answer")

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


async def _at_once() -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one kopf watches of all that the operator reaches."""

    namespace: str | None = None
    """``None``: everything, or beside named namespaces what lies in none."""
    is_whole: bool = True
    """Whether it is everything."""
    within_reach: Callable[[], Awaitable[None]] = _at_once
    """Waits until anything of it may be read."""


class Watches:
    """All watches of the cluster, or those of one part of what the operator reaches; for as long as the operator lives.

    Of named namespaces each has a kopf of its own: a watch that is refused ends all that are with it, and where one
    namespace goes, with its Role, the others' watches are to stay.
    """

    def __init__(
        self,
        kinds: Iterable[WatchedKind],
        door: Door,
        *,
        server: str,
        new_session: Callable[[], aiohttp.ClientSession],
        watch_seconds: int,
        on_start: Callable[[], None],
        part: Part | None = None,
    ) -> None:
        self._part = part or Part()
        self._kinds = tuple(kinds)
        self._door = door
        self._server = server
        self._new_session = new_session
        self._watch_seconds = watch_seconds
        self._on_start = on_start
        """Called whenever kopf has started: it takes the process's signals for itself."""
        self._versions: dict[KindKey, str] = {}
        """Of kinds that are not served in the version their group prefers."""
        self._served: frozenset[KindKey] = frozenset()
        """What of this part is served; looked at where kopf may not watch for new kinds itself."""
        self._moved = asyncio.Event()
        self._started: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    def follow(self, served: Iterable[ServedKind]) -> None:
        """Watch kinds where they are served; kopf by itself looks only into the version that a group prefers.

        What is not served keeps its place: it may be an API server that is just starting.
        """
        served = tuple(served)
        there = frozenset(
            kind.key
            for kind in served
            if kind.namespaced is (self._part.namespace is not None) and kind.key in {one.key for one in self._kinds}
        )
        if not self._part.is_whole and not there <= self._served:
            self._served |= there
            self._moved.set()
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
                versions = {key.kind: version for key, version in self._versions.items()}
                log.info("watches_moved", versions=versions, **self._where)
                continue
            if loop.time() - started > CALM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.warning("watches_failed", error=_described(error), pause_seconds=pause, **self._where)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            await self._part.within_reach()

    @property
    def _where(self) -> dict[str, str]:
        return {} if self._part.namespace is None else {"namespace": self._part.namespace}

    async def _spawn(self, login: Callable[..., Any]) -> Collection[asyncio.Task[Any]]:
        settings = observer_settings(self._watch_seconds)
        kinds: Iterable[WatchedKind] = self._kinds
        if not self._part.is_whole:
            # It would list and watch namespaces and CRDs: what of them there is, is told by `follow`.
            settings.scanning.disabled = True
            kinds = [kind for kind in self._kinds if kind.key in self._served]
        # Its root tasks, not `kopf.operator`: that one ends by cancelling every task of the loop, ours too.
        return await kopf.spawn_tasks(
            registry=build_registry(kinds, self._door, login, versions=self._versions),
            settings=settings,
            standalone=True,
            # Left out, kopf asks for the user's name, and an image's user by number has none. Nobody reads it.
            identity="rollcall-operator",  # type: ignore[arg-type]  # a type kopf keeps to itself
            clusterwide=self._part.namespace is None,
            namespaces=() if self._part.namespace is None else (self._part.namespace,),
        )

    async def _watch(self) -> BaseException | None:
        """Watch until kopf gives up; returns why."""
        async with self._login() as login:
            tasks = await self._noting_tasks(self._spawn(login))
            self._on_start()
            moved = asyncio.create_task(self._moved.wait())
            try:
                await asyncio.wait([*tasks, moved], return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
                await self._end(tasks)
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

    async def _noting_tasks(self, spawning: Coroutine[Any, Any, Answer]) -> Answer:
        """Let kopf start, and note every task that comes of it, to the last: kopf itself loses sight of some."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_noted)
        context = contextvars.copy_context()
        context.run(_STARTED.set, self._started)
        return await asyncio.create_task(spawning, context=context)

    async def _end(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        """Cancel kopf's tasks and wait for them, however often we are cancelled: it cleans up meanwhile."""
        ending = asyncio.create_task(self._cancel(tasks))
        while not ending.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)

    async def _cancel(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        waiting = set(tasks)
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_UP_SECONDS
        while waiting:
            for task in waiting:
                task.cancel()
            # A watch that is failing just now swallows this; it is then told again.
            _, waiting = await asyncio.wait(waiting, timeout=CANCEL_SECONDS)
            # A discovery that failed leaves requests behind that are tried again for minutes.
            waiting = waiting or {task for task in self._started if not task.done()}
            if waiting and loop.time() > until:
                # Where a connection closes while another watch fails, kopf may wait for a lock that nobody gives back.
                log.warning("watches_abandoned", tasks=len(waiting), **self._where)
                return


def _noted(loop: asyncio.AbstractEventLoop, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
    """A task as the loop makes it, noted where its context says so."""
    task = asyncio.Task(coroutine, loop=loop, **named)
    started = _STARTED.get()
    if started is not None:
        started.add(task)
    return task


def _described(error: BaseException | None) -> str:
    # An error of the stream repeats the Status object; nothing of it is ours to log in full.
    return "ended" if error is None else f"{type(error).__name__}: {error}"[:200]


def _handler(key: KindKey, door: Door) -> Callable[..., Any]:
    async def observe(event: Any, **_: Any) -> None:
        deleted = event.get("type") == "DELETED"
        door(key, EventType.DELETED if deleted else EventType.SEEN, event["object"])

    return observe
