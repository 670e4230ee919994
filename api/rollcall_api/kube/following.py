"""Follows the database's announcements and feeds the history that watches are answered from.

Nothing is lost with a connection: whoever listens again compares what is live with what was known, and what differs
becomes a change as if it had been announced. The same happens where versions move on and nothing is heard of it, as
behind a pooler that passes no notifications on.
"""

import asyncio
import random
from collections.abc import Iterable

import structlog

from rollcall.errors import StoreError
from rollcall.settings import DatabaseSettings
from rollcall.store.announcing import Announcement, Listener, listening
from rollcall_api.kube.history import History, TraceLostError
from rollcall_api.kube.reading import ObjectReader

log = structlog.stdlib.get_logger(__name__)

QUIET_SECONDS = 5.0
"""After so long without an announcement the counter is looked at."""

_RETRY_SECONDS = (0.5, 5.0)


class Following:
    """The history of one cluster, kept up to date while :meth:`run` runs."""

    def __init__(
        self, reader: ObjectReader, database: DatabaseSettings, *, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        self.history: History | None = None
        """Another one where the old one cannot go on: its watches end, and their clients list anew."""
        self._reader = reader
        self._database = database
        self._quiet_seconds = quiet_seconds
        self._began = asyncio.Event()
        self._moved = asyncio.Event()
        self.ended = False
        """Whether watches are to end."""

    def end(self) -> None:
        """Let every watch end."""
        self.ended = True
        self._tell()

    async def run(self) -> None:
        """Follow until cancelled; an outage of the database is waited out."""
        delay = _RETRY_SECONDS[0]
        while True:
            try:
                async with listening(self._database, self._reader.cluster_id, "rollcall-api-watch") as listener:
                    await self._catch_up()
                    delay = _RETRY_SECONDS[0]
                    await self._follow(listener)
            except StoreError as error:
                log.warning("changes_not_heard", error=str(error))
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - no secret
            delay = min(delay * 2, _RETRY_SECONDS[1])

    async def began(self) -> History:
        """The history, once what is live is known."""
        await self._began.wait()
        assert self.history is not None  # noqa: S101 - what has begun has one
        return self.history

    async def moved(self, history: History, version: int, seconds: float) -> None:
        """Wait until a history knows more than up to a version, is over, or so long has passed."""
        try:
            async with asyncio.timeout(seconds):
                while history is self.history and history.version <= version and not self.ended:
                    await self._moved.wait()
        except TimeoutError:
            return

    async def _follow(self, listener: Listener) -> None:
        unheard = 0
        while True:
            heard = await listener.heard(self._quiet_seconds)
            if heard:
                unheard = 0
                await self._take(heard)
                continue
            version, known = await self._reader.version(), (await self.began()).version
            if unheard > known or version < known:
                # Counted a while ago, and still not heard of; or of another time of the database.
                log.warning("announcements_missed", version=version)
                await self._catch_up()
            unheard = version

    async def _take(self, heard: Iterable[Announcement]) -> None:
        uids: dict[str, None] = {}
        upto = 0
        for announcement in heard:
            if announcement.uids is None:
                await self._catch_up()
                return
            uids.update(dict.fromkeys(announcement.uids))
            upto = max(upto, announcement.version)
        history = await self.began()
        try:
            history.take(upto, uids, await self._reader.by_uid(uids))
        except TraceLostError:
            await self._catch_up(anew=True)
        self._tell()

    async def _catch_up(self, *, anew: bool = False) -> None:
        version, live = await self._reader.facts()
        history = self.history
        # A counter that is behind what is known is of a database that was restored.
        if history is None or anew or version < history.version:
            if history is not None:
                log.warning("history_begun_anew", version=version, known=history.version)
            self.history = History(version, live)
            self._began.set()
        elif differing := history.differing(live):
            try:
                history.take(version, differing, await self._reader.by_uid(differing))
            except TraceLostError:
                await self._catch_up(anew=True)
        else:
            history.take(version, (), ())
        self._tell()

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
