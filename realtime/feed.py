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
from realtime.cursor import Cursor
from realtime.events import (
    CursorAdvanced,
    Delivery,
    Event,
    ResyncReason,
    ResyncRequired,
    Told,
)
from realtime.hub import EventSubscription, Hub, LogReplaced
from realtime.log import Log
from realtime.tailer import Tailer

PAGE = 500  # events loaded at a time while catching up; who stops reading stops the loading
IDLE = 60.0  # seconds without an event after which a fresh cursor is worth sending
# Rounds of catching up with what happened during the last one, before going live all the same.
MAX_ROUNDS = 10


class Feeds:
    """Makes feeds; one per node."""

    def __init__(self, log: Log, tailer: Tailer, hub: Hub) -> None:
        self.log = log
        self.tailer = tailer
        self.hub = hub

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
        except _Lost as lost:
            yield Delivery(ResyncRequired(lost.reason), await self._log.present())

    async def _next(self) -> Delivery:
        try:
            async with asyncio.timeout(IDLE):
                return await self._subscription.mailbox.get()
        except TimeoutError:
            # The mailbox is empty, so everything up to the tailer's place has been told.
            return Delivery(CursorAdvanced(), self._tailer.place)
        except LogReplaced:
            raise _Lost(ResyncReason.LOG_REPLACED) from None

    async def _missed(self, after: Cursor) -> AsyncGenerator[Delivery, None]:
        """Yield everything after a cursor, and leave the subscription live where that ends."""
        await self._check(after)
        since = after.start
        if after.end:  # a batch that was cut off is finished first, exactly as it was
            until = Cursor(after.epoch, after.end)
            async for delivery in self._between(since, until, after_id=after.last_id):
                yield delivery
            since = after.end
        for _ in range(MAX_ROUNDS):
            missed = await self._log.missed(
                self._subscription.user_id, self._subscription.wanted, since=since
            )
            few = sum(each.last - each.first + 1 for each in missed.ranges) < PAGE
            async for delivery in self._batch(missed, Cursor(after.epoch, missed.until)):
                yield delivery
            since = missed.until
            if few:
                break
        boundary = await self._hub.go_live(self._subscription)
        if boundary.epoch != after.epoch:
            raise _Lost(ResyncReason.LOG_REPLACED)
        async for delivery in self._between(since, boundary):
            yield delivery

    async def _check(self, after: Cursor) -> None:
        """Raise `_Lost` when what follows a cursor cannot be told."""
        extent = await self._log.extent()
        if after.epoch != extent.epoch:
            raise _Lost(ResyncReason.LOG_REPLACED)
        if int(after.start.split(":")[0]) < extent.oldest:
            raise _Lost(ResyncReason.EXPIRED)

    async def _between(
        self, since: str, until: Cursor, *, after_id: int = 0
    ) -> AsyncGenerator[Delivery, None]:
        """Yield the person's part of the log between two positions, from an event on."""
        missed = await self._log.missed_between(
            self._subscription.user_id,
            self._subscription.wanted,
            since=since,
            until=until.start,
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
            loaded = await self._log.page(missed, PAGE)
            if loaded is None:
                raise _Lost(ResyncReason.EXPIRED)  # pruned under our hands
            for event in loaded:
                yield event
        for receipt in await self._log.receipts(missed, self._subscription.wanted):
            yield receipt


class _Lost(Exception):
    """What was missed cannot be told."""

    def __init__(self, reason: ResyncReason) -> None:
        super().__init__(reason)
        self.reason = reason
