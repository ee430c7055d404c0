"""One reader of the event log per node: doorbell or not, nothing committed stays unseen."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from models import events as log_table
from models import log_state
from models.database import Database
from realtime.cursor import Cursor
from realtime.events import Delivery, Event, deliveries, load

log = structlog.get_logger(__name__)

POLL_INTERVAL = 1.0  # seconds; what a lost doorbell costs at most
LOAD_AT_ONCE = 500  # events whose chats, messages and people are loaded together
READ_TIMEOUT = 30.0
RETRY_AFTER = 0.5


class Tailer:
    """Read what becomes visible in the log and hand it on, in order and once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._listeners: list[Callable[[Sequence[Delivery]], None]] = []
        self._replaced_listeners: list[Callable[[], None]] = []
        self._at_boundary: list[Callable[[], None]] = []
        self._doorbell = asyncio.Event()
        self._place: Cursor | None = None
        self._working = False

    @property
    def place(self) -> Cursor:
        """Up to where everything has been delivered."""
        if self._place is None:
            raise RuntimeError("start the tailer first")
        return self._place

    def on_batch(self, listener: Callable[[Sequence[Delivery]], None]) -> None:
        """Hand every batch to a function, which must not block."""
        self._listeners.append(listener)

    def on_replaced(self, listener: Callable[[], None]) -> None:
        """Call a function when the database has become another one, with a log of its own."""
        self._replaced_listeners.append(listener)

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
        """Take the place from which to deliver: the present."""
        self._place = await present(self._db)
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
        actions, self._at_boundary = self._at_boundary, []
        try:
            if not self._working:
                await self._look_again()
            await self._read(self.place)
        except BaseException:
            self._at_boundary[:0] = actions
            raise
        for action in actions:
            action()

    async def _read(self, place: Cursor) -> None:
        async with self._db.reading() as connection:
            batch = await log_table.since(connection, place.start)
            loaded: list[Event] = []
            for start in range(0, len(batch.events), LOAD_AT_ONCE):
                loaded += await load(connection, batch.events[start : start + LOAD_AT_ONCE])
        if loaded:
            await settle(self._db, batch.position)
        # Nothing awaits between delivery and the new place: a batch is never handed on twice.
        self._place = Cursor(place.epoch, batch.position)
        if loaded:
            batch_deliveries = deliveries(loaded, place.epoch, place.start, batch.position)
            for listener in self._listeners:
                listener(batch_deliveries)

    async def _look_again(self) -> None:
        """After a failure, see whether this is still the same log."""
        now = await present(self._db)
        if now.epoch != self.place.epoch:
            log.warning("log_replaced")
            self._place = now
            for listener in self._replaced_listeners:
                listener()


async def present(db: Database) -> Cursor:
    """Return the place in the log after everything that is committed by now."""
    async with db.reading() as connection:
        state = await log_state.read(connection)
        position = await log_table.position(connection)
    await settle(db, position)
    return Cursor(state.epoch, position)


async def settle(db: Database, position: str) -> None:
    """Make sure that a position stays true, before any client gets it."""
    async with db.reading() as connection:
        if await log_table.settled(connection, position):
            return
    async with db.writing() as connection:
        await log_state.touch(connection)
