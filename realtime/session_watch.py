"""Ended sessions are found by asking, should nobody have said so.

Whoever ends a session tells every node over the bus, and the log says it too. But sessions also
expire, are deleted, and end in parts of the log that a node never gets to read. So each node asks
the database now and then which of the sessions that have sockets here have ended.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import structlog

from models import sessions
from models.database import Database
from realtime.sockets import Sockets
from realtime.tasks import heed_cancellation

log = structlog.get_logger(__name__)

CHECK_INTERVAL = 5.0  # seconds; the longest that a session's sockets outlive it
CHECK_TIMEOUT = 10.0


class SessionWatch:
    """Looks after the sessions of one node's sockets."""

    def __init__(self, db: Database, sockets: Sockets, ended: Callable[[UUID], None]) -> None:
        """Call `ended` for each session that was found to have ended."""
        self._db = db
        self._sockets = sockets
        self._ended = ended

    async def run(self) -> None:
        """Ask at intervals until cancelled; a database that fails is asked again."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            try:
                async with asyncio.timeout(CHECK_TIMEOUT):
                    await self.check()
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                log.warning("sessions_unchecked", error=str(error) or type(error).__name__)

    async def check(self) -> None:
        """Ask once, in one statement."""
        held = self._sockets.session_ids()
        if not held:
            return
        async with self._db.reading() as connection:
            live = await sessions.live_among(connection, held, datetime.now(UTC))
        for session_id in held - live:
            self._ended(session_id)
