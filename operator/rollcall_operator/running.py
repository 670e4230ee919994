"""The operator's life: start in order, watch, take the lead, write; end cleanly or say why not."""

import asyncio
import contextlib
import functools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
import structlog

from rollcall.cluster_access import Access, find_access
from rollcall.domain.facts import KindKey
from rollcall.errors import ClusterError, RollcallError, SettingsError
from rollcall.settings import Settings
from rollcall_operator.cluster_state import ClusterState, EventType
from rollcall_operator.endpoints import Probes, serve
from rollcall_operator.event_watch import EventWatch
from rollcall_operator.leader import Leadership
from rollcall_operator.life import WatchLife, watch_seconds
from rollcall_operator.measures import Measures
from rollcall_operator.namespaces import Namespaces, UnreadError
from rollcall_operator.owners import OwnerReader
from rollcall_operator.places import ClusterIdentity, read_identity
from rollcall_operator.reach import Reach
from rollcall_operator.standings import MustRestartError, Standings, patiently
from rollcall_operator.stopping import Stopping
from rollcall_operator.surroundings import NAMESPACE
from rollcall_operator.sweep import Sweeper
from rollcall_operator.teaching import Lessons, Teacher
from rollcall_operator.watched import watched_kinds
from rollcall_operator.watches import Part, Watches
from rollcall_operator.writing import Writing

_OWNERS_SECONDS = 0.2
_WATCHDOG_SECONDS = 2.0

_READY = "ok"
_STANDBY = "standing by for the Lease"
"""It counts as ready: a rolling update waits for the new pod to be ready before it ends the old one, which leads."""

log = structlog.get_logger(__name__)


def now() -> datetime:
    """The shell's clock."""
    return datetime.now(UTC)


class Operator:
    """One operator on one cluster; :meth:`run` is its whole life."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.measures = Measures()
        self.state = ClusterState(settings.cluster.domain(), all_namespaces=settings.cluster.all_namespaces)
        self.life = WatchLife(now)
        self.leadership = Leadership()
        self._reach = Reach(settings.operator.namespaces)
        self.stopping = Stopping()
        self._writing = Writing(settings, self.state, self.life, self.measures, stopping=self.stopping, clock=now)
        self._kinds = watched_kinds()
        self._stage = "starting"
        self._identity = ClusterIdentity(id="", name=settings.cluster.name)

    async def run(self) -> None:
        """Run until it is asked to stop, as SIGTERM and SIGINT do; then write what is waiting.

        Raises:
            RollcallError: it could not start, a watch died, or the lead was lost; a sentence.
        """
        self.stopping.take_signals()
        operator = self.settings.operator
        access = self._access()
        probes = Probes(
            self.state,
            self.life,
            self.measures,
            self._unready_because,
            stage=lambda: self._stage,
            database_ok=lambda: self._writing.database_ok,
        )
        runner, port = await serve(probes, host=operator.host, port=operator.port)
        log.info("operator_started", server=access.server, host=operator.host, port=port)
        try:
            # A database that is away is waited for, but a wrong schema is told at once.
            await self._writing.check_schema()
            async with access.session() as session:
                await self._live(access, session)
        finally:
            await self._writing.close()
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
        operator = self.settings.operator
        again = operator.discovery_interval_seconds
        teacher = Teacher(
            session,
            access.server,
            namespace=operator.kinds_namespace or operator.lease_namespace,
            interval_seconds=again,
            measures=self.measures,
        )
        if await self.stopping.unless(self._learn(teacher, session, access.server)) is None:
            return
        namespaces = Namespaces(
            session,
            access.server,
            self._reach.namespaces,
            door=self._door,
            unread=self.state.take_unread,
            life=self.life,
            clock=now,
        )
        sweeper = Sweeper(
            self.state,
            session,
            access.server,
            self._kinds,
            clock=now,
            reach=self._reach,
            gone=lambda: namespaces.gone,
        )
        standings = Standings(self._kinds, sweeper, self.life, reach=self._reach, clock=now)
        if not self._reach.is_whole:
            await self.stopping.unless(_begin(namespaces))
        lists = await self.stopping.unless(standings.begin())
        if lists is None:
            return
        watches = tuple(self._watches(access, standings, namespaces))
        for one in watches:
            one.follow(sweeper.served.values())
        async with asyncio.TaskGroup() as group:
            background = [
                *(group.create_task(one.run()) for one in watches),
                *([] if self._reach.is_whole else [group.create_task(namespaces.run())]),
                group.create_task(self._read_owners(session, access.server, standings)),
                group.create_task(standings.look_for_ever(watches, again)),
                group.create_task(self._learn_for_ever(teacher)),
                group.create_task(self._watchdog()),
                group.create_task(self._end_when_lost()),
            ]
            try:
                self._stage = "waiting for the first lists"
                await standings.first_lists(self.state, lists, self.stopping)
                await self._take_lead(access)
                if not self.stopping.asked.is_set():
                    self._stage = "reading what the database remembers"
                    events = [
                        EventWatch(session, access.server, refused_seconds=again, namespace=namespace)
                        for namespace in self._reach.parts(namespaced=True)
                    ]
                    await self._writing.run(self._identity, sweeper, events, began=self._began)
            finally:
                self.stopping.asked.set()
                for task in background:
                    task.cancel()
                await self.leadership.resign()

    def _began(self) -> None:
        self._stage = _READY

    async def _learn(self, teacher: Teacher, session: aiohttp.ClientSession, server: str) -> Lessons:
        """Find out which cluster this is and which kinds there are, before anything is watched."""
        cluster = self.settings.cluster

        async def learn() -> Lessons:
            self._identity = await read_identity(session, server, id=cluster.id, name=cluster.name)
            return await teacher.begin()

        lessons = await patiently(learn)
        self.state.know(lessons.teaching.catalogue)
        kinds = watched_kinds(lessons.teaching.catalogue, lessons.plurals)
        # Named namespaces are read one by one instead.
        self._kinds = kinds if self._reach.is_whole else tuple(kind for kind in kinds if kind.key != NAMESPACE)
        return lessons

    async def _learn_for_ever(self, teacher: Teacher) -> None:
        raise MustRestartError(await teacher.until_changed())

    def _watches(self, access: Access, standings: Standings, namespaces: Namespaces) -> Iterator[Watches]:
        """Those of the whole cluster; or those of each namespace, and of what lies in none where that is allowed."""
        for part in (None, *self._reach.namespaces):
            kinds = standings.allowed_in(part)
            if kinds:
                yield Watches(
                    kinds,
                    self._door,
                    server=access.server,
                    new_session=lambda: access.session(self.life.trace()),
                    watch_seconds=watch_seconds(self.settings.operator.watch_limit_seconds),
                    # Kopf would stop watching before the last changes are written.
                    on_start=self.stopping.take_signals,
                    part=self._part(part, namespaces),
                )

    def _part(self, namespace: str | None, namespaces: Namespaces) -> Part:
        if namespace is None:
            return Part(is_whole=self._reach.is_whole)
        within_reach = functools.partial(namespaces.within_reach, namespace)
        return Part(namespace=namespace, is_whole=False, within_reach=within_reach)

    def _door(self, key: KindKey, event: EventType, obj: Mapping[str, Any]) -> None:
        self.life.note(key, self._reach.part_of(obj))
        self.measures.events.labels(key.group, key.kind).inc()
        self.state.observe(key, event, obj, at=now())

    async def _take_lead(self, access: Access) -> None:
        self._stage = _STANDBY
        operator = self.settings.operator
        if operator.leader_election:
            self.leadership.campaign(access, namespace=operator.lease_namespace, name=operator.lease_name)
        else:
            self.leadership.assume()
        while not (self.leadership.leading.is_set() or self.stopping.asked.is_set()):
            # The leader records these; what it misses, the first sweep finds.
            self.state.ended.clear()
            self.state.gone_pods.clear()
            await asyncio.sleep(0.2)
        self.measures.is_leader.set(1)

    async def _read_owners(self, session: aiohttp.ClientSession, server: str, standings: Standings) -> None:
        reader = OwnerReader(self.state, session, server, watched=standings.is_listed, clock=now)
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

    def _unready_because(self) -> str | None:
        if not self._writing.database_ok:
            return "the database is away; changes are kept until it is back"
        if self._stage not in (_READY, _STANDBY):
            return self._stage
        stale = self.life.dead(self.settings.operator.watch_limit_seconds / 2)
        if stale:
            return f"no sign of life from the watch of {', '.join(sorted(key.kind for key in stale))}"
        return None


async def _begin(namespaces: Namespaces) -> None:
    # One that stays unread is told in the log; the rest can be seen.
    with contextlib.suppress(UnreadError):
        await patiently(namespaces.begin)


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
