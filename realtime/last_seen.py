"""When a session was last seen: gathered in memory, and written down a few times an hour.

A session is seen when a request bears its token, and for as long as it has a socket. Nobody needs
to know that to the second, and a write for each request would cost more than the request.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import structlog

from models import sessions
from models.database import Database
from realtime.sockets import Sockets
from realtime.tasks import heed_cancellation

log = structlog.get_logger(__name__)

WRITE_INTERVAL = 60.0  # seconds
WRITE_TIMEOUT = 30.0
# What is written is at most this much younger than what is stored already, whichever node wrote it.
RESOLUTION = timedelta(minutes=3)
AT_ONCE = 500  # sessions in one transaction
# Sessions that were used in a minute without a socket; of more, some are noted in the next one.
MAX_NOTED = 50_000


class LastSeen:
    """What one node has seen of sessions since it last wrote that down."""

    def __init__(self, db: Database, sockets: Sockets) -> None:
        self._db = db
        self._sockets = sockets
        self._noted: set[UUID] = set()

    def note(self, session_id: UUID) -> None:
        """A request bears the session's token."""
        if len(self._noted) < MAX_NOTED:
            self._noted.add(session_id)

    async def run(self) -> None:
        """Write at intervals until cancelled; what could not be written is the next time."""
        while True:
            await asyncio.sleep(WRITE_INTERVAL)
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self.write(datetime.now(UTC))
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                log.warning("last_seen_unwritten", error=str(error) or type(error).__name__)

    async def write(self, now: datetime) -> None:
        """Write down what was seen."""
        self._noted |= self._sockets.session_ids()
        while self._noted:
            some = set(islice(self._noted, AT_ONCE))
            async with self._db.writing() as connection:
                await sessions.mark_seen(connection, some, now, unless_since=now - RESOLUTION)
            self._noted -= some
