"""When people were last connected: written down as they come and go, and now and then meanwhile.

Written before the lease says that they are gone, so that whoever reads that they are not connected
can read since when. What is written in between is for the people of a node that is killed.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import structlog

from models import presence
from models.database import Database
from models.presence import AT_ONCE
from realtime.sockets import Sockets
from realtime.tasks import heed_cancellation

log = structlog.get_logger(__name__)

T = TypeVar("T")

WRITE_INTERVAL = 60.0  # seconds
GATHER = 1.0  # seconds in which people come who are written together
WRITE_TIMEOUT = 30.0
# A row of somebody who stays is this old before it is written again: a node with 10,000 people
# writes 33 rows a second, in a few statements.
RESOLUTION = timedelta(minutes=5)


class PeopleSeen:
    """What one node writes of the people who are connected to it."""

    def __init__(self, db: Database, sockets: Sockets) -> None:
        self._db = db
        self._sockets = sockets
        self._came: set[UUID] = set()
        self._news = asyncio.Event()

    def came(self, user_ids: Collection[UUID]) -> None:
        """People may have come: they are written down soon, unless they were a moment ago."""
        self._came.update(user_ids)
        self._news.set()

    async def run(self) -> None:
        """Write until cancelled; what could not be written is the next time."""
        loop = asyncio.get_running_loop()
        everybody_at = loop.time() + WRITE_INTERVAL
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(everybody_at):
                    await self._news.wait()
            await asyncio.sleep(GATHER)
            self._news.clear()
            came, self._came = self._came, set()
            if loop.time() >= everybody_at:
                everybody_at = loop.time() + WRITE_INTERVAL
                came = set(self._sockets.held())
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self.write(came, datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                log.warning("people_unwritten", error=str(error) or type(error).__name__)

    async def write(self, people: Collection[UUID], now: datetime) -> None:
        """Write down which of these people are connected now."""
        for some in _parts([each for each in people if self._sockets.held_by(each)]):
            async with self._db.writing() as connection:
                await presence.mark_seen(
                    connection, some, now, away=False, unless_since=now - RESOLUTION
                )

    async def gone(self, people: Mapping[UUID, frozenset[UUID]]) -> None:
        """Write down who is not connected here any more, each with the sessions they had here."""
        now = datetime.now(UTC)
        for some in _parts(list(people)):
            async with self._db.writing() as connection:
                unused = await presence.away_of(connection, some)
                away = [each for each in some if people[each] and people[each] <= unused]
                there = [each for each in some if each not in away]
                for user_ids, were_away in ((there, False), (away, True)):
                    await presence.mark_seen(
                        connection, user_ids, now, away=were_away, unless_since=now
                    )


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
