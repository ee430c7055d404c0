"""Share commits: what arrives while one is in flight goes into the next, all of it together.

A commit costs the same for one row and for a hundred, so the busier it is, the cheaper each row
gets; and who is alone waits for nobody. There are two lanes, each with one commit in flight at a
time: an item whose place (its chat) is held by somebody else leaves the fast lane for the slow one,
and so does everything that comes to this place meanwhile, so that it holds up no other.

    submit ─→ fast lane ─→ commit ─→ answers
                 │ place is held
                 └─→ slow lane ─→ commit ─→ answers

What a batch meets, and what is done about it:

    the database is lost    the same batch again, with growing pauses: items bear keys, so that what
                            was committed after all comes back as a duplicate
    any other error         once more whole (a race has become a visible duplicate), then its
                            halves, down to the one item that cannot be stored and fails alone
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import structlog

from models.errors import Overloaded, Unreachable
from realtime.tasks import end

log = structlog.get_logger(__name__)

BATCH = 256  # items; beyond it a commit costs by the row, and latency grows for nothing
QUEUE = 4096  # items; about 0.4 s of work, and with the longest texts 160 MB
PATIENCE = 15.0  # seconds that an item may wait for a database or a place
FIRST_PAUSE = 0.02  # seconds before a lost database is tried again …
LONGEST_PAUSE = 1.0  # … doubling up to this
CLOSING_TIMEOUT = 5.0  # seconds for what is queued when the program ends


class Item(Protocol):
    """What can be committed together with others."""

    @property
    def key(self) -> Hashable:
        """No two items of a batch share it."""

    @property
    def content(self) -> Hashable:
        """Two items with the same key and content are the same, and get the same result."""

    @property
    def place(self) -> Hashable:
        """What is locked to commit it."""


ItemT = TypeVar("ItemT", bound=Item)
ResultT = TypeVar("ResultT")

# Takes a batch and returns a result for each item after COMMIT, or None for an item whose place is
# held by somebody else. Raises `Unreachable` when it cannot say whether the batch is committed.
Commit = Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT | None]]]


class _Entry(Generic[ItemT, ResultT]):
    """An item in a queue or in flight, and everybody who waits for its result."""

    __slots__ = ("answers", "deferred", "gives_up_at", "item", "next")

    def __init__(self, item: ItemT, answer: asyncio.Future[ResultT], gives_up_at: float) -> None:
        self.item = item
        self.answers = [answer]
        self.gives_up_at = gives_up_at
        self.deferred = False
        # Items with the same key and other content: their turn comes when this one is settled.
        self.next: list[_Entry[ItemT, ResultT]] = []


class _Lane(Generic[ItemT, ResultT]):
    """A queue and the way its batches are committed."""

    def __init__(self, name: str, commit: Commit[ItemT, ResultT]) -> None:
        self.name = name
        self.commit = commit
        self.queue: deque[_Entry[ItemT, ResultT]] = deque()
        self.filled = asyncio.Event()

    def put(self, entry: _Entry[ItemT, ResultT]) -> None:
        self.queue.append(entry)
        self.filled.set()


class GroupCommit(Generic[ItemT, ResultT]):
    """Commit items in batches; see the module's page of theory."""

    def __init__(
        self,
        *,
        fast: Commit[ItemT, ResultT],
        slow: Commit[ItemT, ResultT],
        committed: Callable[[Sequence[ResultT]], None],
    ) -> None:
        """Take a commit function for each lane; `committed` is told the results of every commit."""
        self._fast = _Lane("fast", fast)
        self._slow = _Lane("slow", slow)
        self._committed = committed
        self._pending: dict[Hashable, _Entry[ItemT, ResultT]] = {}
        self._held: Counter[Hashable] = Counter()  # places, by their items in the slow lane
        self._waiting = 0
        self._settled = asyncio.Event()  # nobody waits
        self._open = False

    async def submit(self, item: ItemT) -> ResultT:
        """Return the item's result after its COMMIT; raises `Overloaded` when the queue is full.

        Whoever is cancelled while waiting no longer hears of it; the item is committed or not.
        """
        if not self._open or self._waiting >= QUEUE:
            raise Overloaded
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ResultT] = loop.create_future()
        self._waiting += 1
        self._settled.clear()
        self._accept(_Entry(item, answer, loop.time() + PATIENCE))
        return await answer

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take items inside the block. At its end what is queued is committed, or `Overloaded`."""
        self._settled.set()
        self._open = True
        lanes = [
            asyncio.create_task(self._run(lane), name=f"{lane.name} lane")
            for lane in (self._fast, self._slow)
        ]
        try:
            yield
            self._open = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_TIMEOUT):
                    await self._settled.wait()
        finally:
            self._open = False
            await end(lanes)
            # What was in flight may be committed or not, as a whole; the key makes a retry safe.
            while self._pending:
                for entry in list(self._pending.values()):
                    self._fail(entry, Overloaded())

    def _accept(self, entry: _Entry[ItemT, ResultT]) -> None:
        item = entry.item
        first = self._pending.get(item.key)
        if first is None:
            self._pending[item.key] = entry
            if item.place in self._held:
                self._defer(entry)
            else:
                self._fast.put(entry)
        elif first.item.content == item.content:
            first.answers += entry.answers
        else:
            first.next.append(entry)

    def _defer(self, entry: _Entry[ItemT, ResultT]) -> None:
        """Move an item to the slow lane, and with it what comes to its place from now on."""
        entry.deferred = True
        self._held[entry.item.place] += 1
        self._slow.put(entry)

    # --- lanes ----------------------------------------------------------------------------------

    async def _run(self, lane: _Lane[ItemT, ResultT]) -> None:
        while True:
            await lane.filled.wait()
            lane.filled.clear()
            while batch := self._next_batch(lane):
                try:
                    await self._settle(lane, batch)
                except Exception as error:
                    log.exception("lane_failed", lane=lane.name)
                    for entry in batch:
                        if self._pending.get(entry.item.key) is entry:
                            self._fail(entry, error)
                # Who has just been answered may have more: without this turn of the loop, 64
                # senders make batches of 32.
                await asyncio.sleep(0)

    def _next_batch(self, lane: _Lane[ItemT, ResultT]) -> list[_Entry[ItemT, ResultT]]:
        """Take what comes first; of the slow lane an equal share for every place that is held."""
        queue = lane.queue
        if lane is self._fast:
            return [queue.popleft() for _ in range(min(BATCH, len(queue)))]
        share = max(1, BATCH // max(1, len(self._held)))
        taken: Counter[Hashable] = Counter()
        batch: list[_Entry[ItemT, ResultT]] = []
        left: deque[_Entry[ItemT, ResultT]] = deque()
        for entry in queue:
            place = entry.item.place
            if len(batch) < BATCH and taken[place] < share:
                taken[place] += 1
                batch.append(entry)
            else:
                left.append(entry)
        lane.queue = left
        return batch

    async def _settle(
        self,
        lane: _Lane[ItemT, ResultT],
        batch: Sequence[_Entry[ItemT, ResultT]],
        *,
        again: bool = True,
    ) -> None:
        """Commit a batch and answer everybody in it."""
        try:
            results = await self._commit(lane, batch)
        except Unreachable as error:
            for entry in batch:
                self._fail(entry, error)
        except Exception as error:  # noqa: BLE001 - whose sender gets it, once it stands alone
            # Not the error itself: a driver quotes the values that it could not store.
            log.warning("batch_failed", size=len(batch), again=again, error=type(error).__name__)
            if again:
                await self._settle(lane, batch, again=False)
            elif len(batch) == 1:
                self._fail(batch[0], error)
            else:
                half = len(batch) // 2
                await self._settle(lane, batch[:half], again=False)
                await self._settle(lane, batch[half:], again=False)
        else:
            self._committed([result for result in results if result is not None])
            for entry, result in zip(batch, results, strict=True):
                if result is not None:
                    self._answer(entry, result)
            if None in results:
                self._wait_for_places(
                    [entry for entry, result in zip(batch, results, strict=True) if result is None]
                )

    async def _commit(
        self, lane: _Lane[ItemT, ResultT], batch: Sequence[_Entry[ItemT, ResultT]]
    ) -> Sequence[ResultT | None]:
        """Return the results of a batch; raises `Unreachable` when the first one's time is up."""
        items = [entry.item for entry in batch]
        pause = FIRST_PAUSE
        while True:
            try:
                return await lane.commit(items)
            except Unreachable as error:
                if asyncio.get_running_loop().time() + pause > batch[0].gives_up_at:
                    raise
                log.warning("database_lost", retry_in=pause, error=str(error))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    # --- answers --------------------------------------------------------------------------------

    def _wait_for_places(self, held: Sequence[_Entry[ItemT, ResultT]]) -> None:
        """Let items wait in the slow lane, each place's in the order in which they came."""
        now = asyncio.get_running_loop().time()
        waiting = []
        for entry in held:
            if now > entry.gives_up_at:
                self._fail(entry, Overloaded())
            elif entry.deferred:
                waiting.append(entry)
            else:
                self._defer(entry)
        # Out of the slow lane: back to its front.
        self._slow.queue.extendleft(reversed(waiting))
        # Into it: what came to the same places meanwhile goes along.
        queued, self._fast.queue = self._fast.queue, deque()
        for entry in queued:
            if entry.item.place in self._held:
                self._defer(entry)
            else:
                self._fast.queue.append(entry)

    def _answer(self, entry: _Entry[ItemT, ResultT], result: ResultT) -> None:
        for answer in entry.answers:
            if not answer.done():  # else nobody waits for it any more
                answer.set_result(result)
        self._forget(entry)

    def _fail(self, entry: _Entry[ItemT, ResultT], error: Exception) -> None:
        for answer in entry.answers:
            if not answer.done():
                answer.set_exception(error)
        self._forget(entry)

    def _forget(self, entry: _Entry[ItemT, ResultT]) -> None:
        del self._pending[entry.item.key]
        if entry.deferred:
            self._held[entry.item.place] -= 1
            if not self._held[entry.item.place]:
                del self._held[entry.item.place]
        self._waiting -= len(entry.answers)
        if not self._waiting:
            self._settled.set()
        for later in entry.next:
            self._accept(later)
