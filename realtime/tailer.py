"""One reader of the event log per node: doorbell or not, nothing committed stays unseen."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from realtime.cursor import Cursor
from realtime.events import Delivery, Told, deliveries
from realtime.log import Log, Lost
from realtime.tasks import heed_cancellation

log = structlog.get_logger(__name__)

POLL_INTERVAL = 1.0  # seconds; what a lost doorbell costs at most
READ_TIMEOUT = 30.0
RETRY_AFTER = 0.5


class Tailer:
    """Read what becomes visible in the log and hand it on, in order and once."""

    def __init__(self, source: Log) -> None:
        self._log = source
        self._listeners: list[Callable[[Sequence[Delivery]], Awaitable[None] | None]] = []
        self._read_listeners: list[Callable[[], None]] = []
        self._lost_listeners: list[Callable[[Lost], None]] = []
        self._at_boundary: list[Callable[[], None]] = []
        self._doorbell = asyncio.Event()
        self._place: Cursor | None = None
        self._working = False

    @property
    def started(self) -> bool:
        """Whether it has a place."""
        return self._place is not None

    @property
    def place(self) -> Cursor:
        """Up to where everything has been delivered."""
        if self._place is None:
            raise RuntimeError("start the tailer first")
        return self._place

    def on_batch(self, listener: Callable[[Sequence[Delivery]], Awaitable[None] | None]) -> None:
        """Hand every batch to a function, which must neither block nor fail."""
        self._listeners.append(listener)

    def on_read(self, listener: Callable[[], None]) -> None:
        """Call a function after each read, when everything up to the place has been delivered."""
        self._read_listeners.append(listener)

    def on_lost(self, listener: Callable[[Lost], None]) -> None:
        """Call a function when what followed the place cannot be told, and the place is another."""
        self._lost_listeners.append(listener)

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
        self._place = await self._log.present()
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
                await self.read()
                self._working = True
            except Exception:
                heed_cancellation()
                self._working = False
                log.exception("tail_failed")
                await asyncio.sleep(RETRY_AFTER)

    async def read(self) -> None:
        """Deliver what became visible since the last read."""
        actions, self._at_boundary = self._at_boundary, []
        try:
            await self._hand_on(*await self._news(self.place))
        except BaseException:
            self._at_boundary[:0] = actions
            raise
        for action in (*actions, *self._read_listeners):
            action()

    async def _hand_on(self, batch: Sequence[Delivery], place: Cursor) -> None:
        try:
            for listener in self._listeners if batch else ():
                if (delivering := listener(batch)) is not None:
                    await delivering
        finally:
            # Whatever happens, a batch is never handed on twice.
            self._place = place

    async def _news(self, place: Cursor) -> tuple[Sequence[Delivery], Cursor]:
        """Return what became visible since a place, and the place after it."""
        async with asyncio.timeout(READ_TIMEOUT):
            try:
                news = await self._log.since(place)
            except Lost as lost:
                log.warning("log_lost", reason=lost.reason.value)
                present = await self._log.present()
                for notify in self._lost_listeners:
                    notify(lost)
                return [], present
        end = Cursor(place.epoch, news.position)
        told: list[Told] = [*news.events, *news.receipts]
        return deliveries(told, place, end), end
