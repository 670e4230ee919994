"""The operator's life: start in order, watch, take the lead, write; end cleanly or say why not."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import aiohttp
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from rollcall.cluster_access import Access, find_access
from rollcall.domain.autoscaling import AUTOSCALING_KINDS
from rollcall.domain.exposing import EXPOSING_KINDS
from rollcall.domain.facts import KindKey
from rollcall.domain.kinds.catalogue import Catalogue, built_in
from rollcall.domain.queues import QUEUE_KINDS
from rollcall.errors import ClusterError, RollcallError, SettingsError, StoreError, StoreUnavailable
from rollcall.settings import Settings
from rollcall.store.engine import create_engine, store_errors
from rollcall.store.memory import load_remembered, load_remembered_pods
from rollcall.store.retention import drop_expired, drop_expired_events, make_partitions
from rollcall.store.schema import check_schema
from rollcall_operator.cluster_state import POD, ClusterState, EventType
from rollcall_operator.endpoints import Probes, serve
from rollcall_operator.event_log import EventLog
from rollcall_operator.event_watch import EventWatch
from rollcall_operator.flusher import Flusher
from rollcall_operator.leader import Leadership
from rollcall_operator.life import WatchLife, watch_seconds
from rollcall_operator.measures import Measures
from rollcall_operator.owners import OwnerReader
from rollcall_operator.places import ClusterIdentity, Places, read_identity
from rollcall_operator.surroundings import CLAIM, CLAIM_TEMPLATE, NAMESPACE, NODE, PRIORITY_CLASS
from rollcall_operator.sweep import Lists, Standing, Sweeper
from rollcall_operator.teaching import Lessons, Teacher
from rollcall_operator.watches import WatchedKind, Watches

TOUCH_SECONDS = 1.0
"""How often the view's freshness is written."""

_BEGIN_SECONDS = 15.0
_NEEDED = (NAMESPACE, NODE, POD)
"""Without these there is no view; any other kind that may not be listed is known by its pods alone."""

_OWNERS_SECONDS = 0.2
_WATCHDOG_SECONDS = 2.0
_RETENTION_SECONDS = 3600.0
_RELIST_SECONDS = 10.0

_READY = "ok"
_STANDBY = "standing by for the Lease"
"""It counts as ready: a rolling update waits for the new pod to be ready before it ends the old one, which leads."""

_SETTLE_SECONDS = 1.0
"""From a kind's second list to the sweep: what broke one watch mostly broke others."""

Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


def watched_kinds(
    catalogue: Catalogue | None = None, plurals: Mapping[KindKey, str] | None = None
) -> tuple[WatchedKind, ...]:
    """What is watched: nodes and namespaces first, pods, then every kind of the catalogue.

    Args:
        catalogue: the kinds; by default those that are built in.
        plurals: where the cluster serves a kind by another plural than its entry has, or it has none.
    """
    kinds = {
        NAMESPACE: WatchedKind(key=NAMESPACE, plural="namespaces"),
        NODE: WatchedKind(key=NODE, plural="nodes"),
        PRIORITY_CLASS: WatchedKind(key=PRIORITY_CLASS, plural="priorityclasses"),
        CLAIM: WatchedKind(key=CLAIM, plural="resourceclaims"),
        CLAIM_TEMPLATE: WatchedKind(key=CLAIM_TEMPLATE, plural="resourceclaimtemplates"),
        POD: WatchedKind(key=POD, plural="pods"),
        **{
            key: WatchedKind(key=key, plural=plural)
            for kinds_beside in (QUEUE_KINDS, EXPOSING_KINDS, AUTOSCALING_KINDS)
            for key, plural in kinds_beside.items()
        },
    }
    for entry in (catalogue or built_in()).watched_entries():
        plural = (plurals or {}).get(entry.key) or entry.plural
        # Without one it is not served yet; once it is, a start will know it.
        if plural:
            kinds.setdefault(entry.key, WatchedKind(key=entry.key, plural=plural))
    return tuple(kinds.values())


def now() -> datetime:
    """The shell's clock."""
    return datetime.now(UTC)


class MustRestartError(RollcallError):
    """Something that is decided at the start has changed."""


class Operator:
    """One operator on one cluster; :meth:`run` is its whole life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.measures = Measures()
        self.state = ClusterState(settings.cluster.domain(), all_namespaces=settings.cluster.all_namespaces)
        self.life = WatchLife(now)
        self.leadership = Leadership()
        self.stopped = asyncio.Event()
        self._kinds = watched_kinds()
        self._standings: dict[KindKey, Standing] = {}
        self._stage = "starting"
        self._engine: AsyncEngine = create_engine(settings.database, application_name="rollcall-operator")
        self._identity = ClusterIdentity(id="", name=settings.cluster.name)
        self._database_ok = True

    async def run(self) -> None:
        """Run until :attr:`stopped` is set, as SIGTERM and SIGINT do; then write what is waiting.

        Raises:
            RollcallError: it could not start, a watch died, or the lead was lost; a sentence.
        """
        self._take_signals()
        operator = self.settings.operator
        access = self._access()
        probes = Probes(
            self.state,
            self.life,
            self.measures,
            self._unready_because,
            stage=lambda: self._stage,
            database_ok=lambda: self._database_ok,
        )
        runner, port = await serve(probes, host=operator.host, port=operator.port)
        log.info("operator_started", server=access.server, host=operator.host, port=port)
        try:
            # A database that is away is waited for, but a wrong schema is told at once.
            try:
                await self._check_schema()
            except StoreUnavailable as error:
                self._database_ok = False
                log.warning("start_delayed", error=str(error))
            async with access.session() as session:
                await self._live(access, session)
        finally:
            await self._engine.dispose()
            await runner.cleanup()

    def _access(self) -> Access:
        context = self.settings.operator.kube_context
        try:
            return find_access(context)
        except ClusterError as error:
            if context is None:
                raise
            raise SettingsError(f"ROLLCALL_OPERATOR__KUBE_CONTEXT: {error}") from error

    async def _live(self, access: Access, session: aiohttp.ClientSession) -> None:
        teacher = Teacher(
            session,
            access.server,
            namespace=self.settings.operator.kinds_namespace or self.settings.operator.lease_namespace,
            interval_seconds=self.settings.operator.discovery_interval_seconds,
            measures=self.measures,
        )
        if await self._unless_stopped(self._learn(teacher, session, access.server)) is None:
            return
        sweeper = Sweeper(self.state, session, access.server, self._kinds, clock=now)
        lists = await self._unless_stopped(self._begin(sweeper))
        if lists is None:
            return
        watches = self._watches(access)
        watches.follow(sweeper.served.values())
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(watches.run()),
                group.create_task(self._read_owners(session, access.server)),
                group.create_task(self._look_for_ever(sweeper, watches)),
                group.create_task(self._learn_for_ever(teacher)),
                group.create_task(self._watchdog()),
                group.create_task(self._end_when_lost()),
            ]
            try:
                await self._first_lists(sweeper, lists)
                await self._take_lead(access)
                if not self.stopped.is_set():
                    again = self.settings.operator.discovery_interval_seconds
                    events = EventWatch(session, access.server, refused_seconds=again)
                    await self._write(sweeper, events)
            finally:
                self.stopped.set()
                for task in background:
                    task.cancel()
                await self.leadership.resign()

    async def _learn(self, teacher: Teacher, session: aiohttp.ClientSession, server: str) -> Lessons:
        """Find out which cluster this is and which kinds there are, before anything is watched."""
        until = now() + timedelta(seconds=_BEGIN_SECONDS)
        while True:
            try:
                cluster = self.settings.cluster
                self._identity = await read_identity(session, server, id=cluster.id, name=cluster.name)
                lessons = await teacher.begin()
            except ClusterError:
                if now() > until:
                    raise
                await asyncio.sleep(1)
            else:
                self.state.know(lessons.teaching.catalogue)
                self._kinds = watched_kinds(lessons.teaching.catalogue, lessons.plurals)
                return lessons

    async def _learn_for_ever(self, teacher: Teacher) -> None:
        raise MustRestartError(await teacher.until_changed())

    async def _begin(self, sweeper: Sweeper) -> Lists:
        """Find out what may be listed.

        Rights that were granted a moment ago are not yet known to every API server: a refusal is asked about again.
        """
        until = now() + timedelta(seconds=_BEGIN_SECONDS)
        while True:
            try:
                lists = await sweeper.list_all()
                refused = [key.kind for key in _NEEDED if lists.by_kind[key].standing is not Standing.LISTED]
                if refused:
                    raise ClusterError(
                        f"The operator may not list {', '.join(refused)}; see deploy/manifests/operator-rights.yaml."
                    )
            except ClusterError:
                if now() > until:
                    raise
                await asyncio.sleep(1)
            else:
                self._take_standings(lists.standings)
                return lists

    def _watches(self, access: Access) -> Watches:
        return Watches(
            [kind for kind in self._kinds if self._standings.get(kind.key) is not Standing.FORBIDDEN],
            self._door,
            server=access.server,
            new_session=lambda: access.session(self.life.trace()),
            watch_seconds=watch_seconds(self.settings.operator.watch_limit_seconds),
            # Kopf would stop watching before the last changes are written.
            on_start=self._take_signals,
        )

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        # Only the main thread may; elsewhere `stopped` is the one way to end.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stopped.set)

    def _door(self, key: KindKey, event: EventType, obj: Mapping[str, Any]) -> None:
        self.life.note(key)
        self.measures.events.labels(key.group, key.kind).inc()
        self.state.observe(key, event, obj, at=now())

    async def _first_lists(self, sweeper: Sweeper, lists: Lists) -> None:
        """Wait until the watches have brought all that was listed; nothing is decided on half a cluster."""
        self._stage = "waiting for the first lists"
        moved_at, missing = now(), lists.uids
        while not self.stopped.is_set() and self.state.seen is not None:
            before, missing = missing, missing - self.state.seen
            if not missing:
                self.state.seen = None
                break
            await asyncio.sleep(0.05)
            if len(missing) < len(before):
                # They are still coming, which in a large cluster takes longer than a list may be old.
                moved_at = now()
            elif now() - moved_at > timedelta(seconds=_RELIST_SECONDS):
                # What was listed may be gone by now.
                lists = await sweeper.list_all()
                moved_at, missing = now(), lists.uids
                self._take_standings(lists.standings)
        log.info("first_lists_complete", **self.state.size)

    async def _take_lead(self, access: Access) -> None:
        self._stage = _STANDBY
        operator = self.settings.operator
        if operator.leader_election:
            self.leadership.campaign(access, namespace=operator.lease_namespace, name=operator.lease_name)
        else:
            self.leadership.assume()
        while not (self.leadership.leading.is_set() or self.stopped.is_set()):
            # The leader records these; what it misses, the first sweep finds.
            self.state.ended.clear()
            self.state.gone_pods.clear()
            await asyncio.sleep(0.2)
        self.measures.is_leader.set(1)

    async def _write(self, sweeper: Sweeper, event_watch: EventWatch) -> None:
        operator = self.settings.operator
        flusher = Flusher(
            self.state,
            self._engine,
            self._identity.id,
            settings=self.settings.cluster.domain(),
            batch_size=operator.batch_size,
            clock=now,
            measures=self.measures,
        )
        domain = self.settings.cluster.domain()
        places = Places(self.state.surroundings, self._engine, self._identity, domain)
        self._stage = "reading what the database remembers"
        await self._until_stopped(self._check_schema)
        await self._until_stopped(lambda: self._remember(flusher))
        await self._until_stopped(lambda: self._sweep(sweeper))
        self._stage = _READY
        log.info("writing_started", cluster_id=self._identity.id)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._sweep_for_ever(sweeper)),
                group.create_task(self._touch_for_ever(places)),
                group.create_task(self._retain_for_ever()),
                *(group.create_task(step) for step in self._keep_events(event_watch)),
            ]
            await flusher.run(operator.flush_interval_seconds, self.stopped)
            for task in tasks:
                task.cancel()

    def _keep_events(self, watch: EventWatch) -> tuple[Coroutine[Any, Any, None], ...]:
        """What reads Kubernetes events and what writes them; nothing else waits for either."""
        if not self.settings.operator.events:
            return ()
        events = EventLog(self.state, self._engine, self._identity.id, clock=now, measures=self.measures)
        return events.run(), watch.run(events.observe, watching=self.measures.kubernetes_events_watched.set)

    async def _until_stopped(self, step: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Try a step of the start until it works: the database or the API server may be away just now."""
        pause = 0.5
        while not self.stopped.is_set():
            try:
                await self._unless_stopped(step())
            except (StoreUnavailable, ClusterError) as error:
                self._database_ok = not isinstance(error, StoreError)
                log.warning("start_delayed", error=str(error))
                await self._sleep(pause)
                pause = min(pause * 2, 30.0)
            else:
                self._database_ok = True
                return

    async def _remember(self, flusher: Flusher) -> None:
        with store_errors():
            async with self._engine.begin() as connection:
                flusher.remembered = await load_remembered(connection, self._identity.id)
                flusher.remembered_pods = await load_remembered_pods(connection, self._identity.id)
                await make_partitions(connection, now=now())
        flusher.remembered_at_start = set(flusher.remembered)
        flusher.pods_at_start = {uid for pods in flusher.remembered_pods.values() for uid in pods}
        self.state.may_be_stored = flusher.may_be_stored

    async def _sweep(self, sweeper: Sweeper) -> None:
        closed = await sweeper.sweep(self._engine, self._identity.id)
        self.measures.sweeps.labels("done").inc()
        if closed:
            log.info("late_deletions_found", number=closed)

    async def _sweep_for_ever(self, sweeper: Sweeper) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.operator.sweep_interval_seconds):
                    await self.life.relisted.wait()
                    await asyncio.sleep(_SETTLE_SECONDS)
            self.life.relisted.clear()
            try:
                await self._sweep(sweeper)
            except (StoreError, ClusterError) as error:
                self.measures.sweeps.labels("failed").inc()
                log.warning("sweep_failed", error=str(error))

    async def _look_for_ever(self, sweeper: Sweeper, watches: Watches) -> None:
        """Keep the watchdog from waiting for kinds that have gone; a standby has one too."""
        while True:
            await asyncio.sleep(self.settings.operator.discovery_interval_seconds)
            try:
                self._take_standings(await sweeper.standings())
                watches.follow(sweeper.served.values())
            except ClusterError as error:
                log.warning("discovery_failed", error=str(error))

    def _take_standings(self, standings: Mapping[KindKey, Standing]) -> None:
        for kind in self._kinds:
            standing = standings[kind.key]
            if standing is Standing.LISTED and self._standings.get(kind.key) is Standing.FORBIDDEN:
                raise MustRestartError(
                    f"{kind.key.kind} may now be listed; the operator must be started again to watch it."
                )
            if standing is Standing.LISTED:
                self.life.expect(kind.key, kind.plural)
            elif standing is not Standing.FAILED:
                self.life.release(kind.key)
            self._standings[kind.key] = standing

    async def _read_owners(self, session: aiohttp.ClientSession, server: str) -> None:
        reader = OwnerReader(
            self.state,
            session,
            server,
            watched=lambda key: self._standings.get(key) is Standing.LISTED,
            clock=now,
        )
        while True:
            try:
                await reader.read_missing()
            except ClusterError as error:
                log.warning("owner_read_failed", error=str(error))
            await asyncio.sleep(_OWNERS_SECONDS)

    async def _watchdog(self) -> None:
        limit = self.settings.operator.watch_limit_seconds
        while True:
            await asyncio.sleep(_WATCHDOG_SECONDS)
            dead = self.life.dead(limit)
            if dead:
                names = ", ".join(sorted(key.kind for key in dead))
                raise ClusterError(f"No sign of life from the watch of {names} for {limit:g} s; the operator ends.")

    async def _end_when_lost(self) -> None:
        await self.leadership.lost.wait()
        raise ClusterError("The Lease was lost; another operator may be writing, so this one ends.")

    async def _touch_for_ever(self, places: Places) -> None:
        while True:
            oldest = self.life.oldest()
            try:
                if oldest is not None:
                    await places.write(oldest)
                self._database_ok = True
            except StoreUnavailable:
                self._database_ok = False
            except StoreError as error:
                log.warning("touch_failed", error=str(error))
            await asyncio.sleep(TOUCH_SECONDS)

    async def _retain_for_ever(self) -> None:
        while True:
            operator = self.settings.operator
            before = now() - timedelta(days=operator.retention_days)
            events_before = now() - timedelta(days=operator.event_retention_days)
            try:
                with store_errors():
                    async with self._engine.begin() as connection:
                        await make_partitions(connection, now=now())
                        dropped = await drop_expired(connection, before=before)
                        dropped += await drop_expired_events(connection, before=events_before)
                if dropped:
                    log.info("partitions_dropped", names=dropped)
            except StoreError as error:
                log.warning("retention_failed", error=str(error))
            await asyncio.sleep(_RETENTION_SECONDS)

    async def _check_schema(self) -> None:
        with store_errors():
            async with self._engine.connect() as connection:
                await check_schema(connection)

    async def _unless_stopped(self, step: Coroutine[Any, Any, Answer]) -> Answer | None:
        """The answer of a step; ``None`` where the operator was stopped first, which ends the step."""
        task, stopped = asyncio.create_task(step), asyncio.create_task(self.stopped.wait())
        try:
            await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
            return await task if task.done() else None
        finally:
            for one in (task, stopped):
                one.cancel()
            await asyncio.wait((task, stopped))

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopped.wait()

    def _unready_because(self) -> str | None:
        if not self._database_ok:
            return "the database is away; changes are kept until it is back"
        if self._stage not in (_READY, _STANDBY):
            return self._stage
        stale = self.life.dead(self.settings.operator.watch_limit_seconds / 2)
        if stale:
            return f"no sign of life from the watch of {', '.join(sorted(key.kind for key in stale))}"
        return None


def first_sentence(errors: BaseExceptionGroup[BaseException]) -> RollcallError | None:
    """The error of ours in a group of errors, ``None`` where it holds something else."""
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            found = first_sentence(error)
            if found is not None:
                return found
        elif isinstance(error, RollcallError):
            return error
    return None
