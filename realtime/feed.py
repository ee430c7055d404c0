"""What one subscriber is told: what they missed, then what happens, without gap or repetition.

The change-over is the delicate part. A replay reads the log from the cursor up to some position.
Then the subscription goes live at a boundary of the tailer, from which on everything reaches its
mailbox; the boundary is later than the replay's last position, so the part between the two is
replayed as well, exactly up to the boundary, before the mailbox is opened.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from uuid import UUID

from models.catch_up import Missed
from models.turns import Turns
from realtime.cursor import Cursor
from realtime.events import (
    CursorAdvanced,
    Delivery,
    Event,
    ResyncReason,
    ResyncRequired,
    Told,
)
from realtime.hub import EventSubscription, Hub
from realtime.log import Log, Lost
from realtime.tailer import Tailer

PAGE = 500  # events loaded at a time while catching up; who stops reading stops the loading
IDLE = 60.0  # seconds without an event after which a fresh cursor is worth sending
# Rounds of catching up with what happened during the last one, before going live all the same.
MAX_ROUNDS = 10
# Replays that read at the same moment, well below the connections that there are: after a restart
# everybody comes at once, and those who are there already want to go on.
READING = 8
MAY_WAIT = 5000  # replays that wait for their first reading; beyond that, clients come back later
TURN_TIMEOUT = 300.0  # seconds; to wait for one is no error


class Feeds:
    """Makes feeds; one per node."""

    def __init__(self, log: Log, tailer: Tailer, hub: Hub) -> None:
        self.log = log
        self.tailer = tailer
        self.hub = hub
        self.turns = Turns(READING, waiting=MAY_WAIT, timeout=TURN_TIMEOUT)

    @asynccontextmanager
    async def open(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, after: Cursor | None
    ) -> AsyncIterator["Feed"]:
        """Yield the feed of a person's chats, or of some of them, after a cursor or from now on."""
        async with self.hub.joining(user_id, chat_ids) as subscription:
            yield Feed(self, subscription, after)

    async def present(self) -> Cursor:
        """Return the cursor after everything that is committed by now."""
        return await self.log.present()


class Feed:
    """One subscription's events, in order."""

    def __init__(self, feeds: Feeds, subscription: EventSubscription, after: Cursor | None) -> None:
        self._log = feeds.log
        self._tailer = feeds.tailer
        self._hub = feeds.hub
        self._turns = feeds.turns
        self._subscription = subscription
        self._after = after

    async def deliveries(self) -> AsyncGenerator[Delivery, None]:
        """Yield events until the subscription is given up.

        Ends with `ResyncRequired` when what follows the cursor is not known any more. Raises
        `NotFound` when one of the chats is not the person's, `SlowConsumer`, and `Overloaded`.
        """
        try:
            if self._after is None:
                await self._hub.go_live(self._subscription)
            else:
                async for delivery in self._missed(self._after):
                    yield delivery
            while True:
                yield await self._next()
        except Lost as lost:
            yield Delivery(ResyncRequired(lost.reason), await self._log.present())

    async def _next(self) -> Delivery:
        mailbox = self._subscription.mailbox
        while True:
            try:
                async with asyncio.timeout(IDLE):
                    return await mailbox.get()
            except TimeoutError:
                # In the same moment an event may have come, and the tailer's place is behind it.
                if mailbox.empty:
                    return Delivery(CursorAdvanced(), self._tailer.place)

    async def _missed(self, after: Cursor) -> AsyncGenerator[Delivery, None]:
        """Yield everything after a cursor, and leave the subscription live where that ends."""
        async with self._turns.turn():
            await self._log.check(after)
        since = Cursor(after.epoch, after.start)
        if after.end:  # a batch that was cut off is finished first, exactly as it was
            until = Cursor(after.epoch, after.end)
            async for delivery in self._between(since, until, after_id=after.last_id):
                yield delivery
            since = until
        for _ in range(MAX_ROUNDS):
            async with self._turns.turn(newcomer=False):
                missed = await self._log.missed(
                    self._subscription.user_id, self._subscription.wanted, since=since
                )
            until = Cursor(after.epoch, missed.until)
            few = sum(each.last - each.first + 1 for each in missed.ranges) < PAGE
            async for delivery in self._batch(missed, until):
                yield delivery
            since = until
            if few:
                break
        boundary = await self._hub.go_live(self._subscription)
        if boundary.epoch != after.epoch:
            raise Lost(ResyncReason.LOG_REPLACED)
        async for delivery in self._between(since, boundary):
            yield delivery

    async def _between(
        self, since: Cursor, until: Cursor, *, after_id: int = 0
    ) -> AsyncGenerator[Delivery, None]:
        """Yield the person's part of the log between two places, from an event on."""
        async with self._turns.turn(newcomer=False):
            missed = await self._log.missed_between(
                self._subscription.user_id,
                self._subscription.wanted,
                since=since,
                until=until,
                after_id=after_id,
            )
        async for delivery in self._batch(missed, until, last_id=after_id):
            yield delivery

    async def _batch(
        self, missed: Missed, until: Cursor, *, last_id: int = 0
    ) -> AsyncGenerator[Delivery, None]:
        """Yield what was missed; only the last of it, known as such, may bear the later cursor."""
        waiting: Told | None = None
        async with aclosing(self._told(missed)) as told:
            async for each in told:
                if waiting is not None:
                    inside = Cursor(until.epoch, missed.since, until.start, last_id)
                    yield Delivery(waiting, inside)
                waiting = each
                if isinstance(each, Event):
                    last_id = each.id
        if waiting is not None:
            yield Delivery(waiting, until)

    async def _told(self, missed: Missed) -> AsyncGenerator[Told, None]:
        """Yield events page by page, then receipts."""
        while missed.left:
            # Only for the reading: whoever takes what was read slowly keeps nobody waiting.
            async with self._turns.turn(newcomer=False):
                loaded = await self._log.page(missed, PAGE)
            for event in loaded:
                yield event
        async with self._turns.turn(newcomer=False):
            receipts = await self._log.receipts(missed, self._subscription.wanted)
        for receipt in receipts:
            yield receipt
