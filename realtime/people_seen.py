"""When people were last connected: written down when they go, and every few minutes until then.

Written before the lease says that they are gone, so that whoever reads that they are not connected
can read since when. What is written in between is for the people of a node that is killed.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
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
WRITE_TIMEOUT = 30.0
# A row of somebody who stays is this old before it is written again: a node with 10,000 people
# writes 33 rows a second, in a few statements.
RESOLUTION = timedelta(minutes=5)


class PeopleSeen:
    """What one node writes of the people who are connected to it."""

    def __init__(self, db: Database, sockets: Sockets) -> None:
        self._db = db
        self._sockets = sockets

    async def run(self) -> None:
        """Write at intervals until cancelled; what could not be written is the next time."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL)
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self.write(datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                log.warning("people_unwritten", error=str(error) or type(error).__name__)

    async def write(self, now: datetime) -> None:
        """Write down who is connected now."""
        for some in _parts(list(self._sockets.held())):
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
