"""One reader of the event log per node: doorbell or not, nothing committed stays unseen."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from models import events as log_table
from models.database import Database
from realtime.events import Event, load

log = structlog.get_logger(__name__)

POLL_INTERVAL = 1.0  # seconds; what a lost doorbell costs at most
LOAD_AT_ONCE = 500  # events whose chats, messages and people are loaded together
READ_TIMEOUT = 30.0
RETRY_AFTER = 0.5


class Tailer:
    """Read what becomes visible in the log and hand it on, in order and once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._at_boundary: list[Callable[[], None]] = []
        self._doorbell = asyncio.Event()
        self._position: str | None = None
        self._working = False

    def on_batch(self, listener: Callable[[Sequence[Event]], None]) -> None:
        """Hand every batch to a function, which must not block."""
        self._listeners.append(listener)

    def at_boundary(self, action: Callable[[], None]) -> None:
        """Call a function once everything that is committed by now has been delivered.

        It is called between two batches, so that what it changes holds from the next one on.
        """
        self._at_boundary.append(action)
        self.ring()

    def ring(self) -> None:
        """Say that there may be news."""
        self._doorbell.set()

    def healthy(self) -> bool:
        """Whether the last read of the log succeeded."""
        return self._working

    async def start(self) -> None:
        """Take the position from which to deliver: the present."""
        async with self._db.reading() as connection:
            self._position = await log_table.position(connection)
        self._working = True

    async def run(self) -> None:
        """Deliver until cancelled; a database that fails is asked again from the same position."""
        while True:
            try:
                async with asyncio.timeout(POLL_INTERVAL):
                    await self._doorbell.wait()
            except TimeoutError:
                pass
            self._doorbell.clear()
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    await self.read()
                self._working = True
            except Exception:
                self._working = False
                log.exception("tail_failed")
                await asyncio.sleep(RETRY_AFTER)

    async def read(self) -> None:
        """Deliver what became visible since the last read."""
        if self._position is None:
            raise RuntimeError("start the tailer before reading")
        actions, self._at_boundary = self._at_boundary, []
        try:
            await self._read(self._position)
        except BaseException:
            self._at_boundary[:0] = actions
            raise
        for action in actions:
            action()

    async def _read(self, position: str) -> None:
        async with self._db.reading() as connection:
            batch = await log_table.since(connection, position)
            loaded: list[Event] = []
            for start in range(0, len(batch.events), LOAD_AT_ONCE):
                loaded += await load(connection, batch.events[start : start + LOAD_AT_ONCE])
        # Nothing awaits between delivery and the new position: a batch is never handed on twice.
        self._position = batch.position
        if loaded:
            for listener in self._listeners:
                listener(loaded)
