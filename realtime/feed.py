"""What one subscriber is told: what they missed, then what happens, without gap or repetition.

The change-over is the delicate part. A replay reads the log from the cursor up to some position.
Then the subscription goes live at a boundary of the tailer, from which on everything reaches its
mailbox; the boundary is later than the replay's last position, so the part between the two is
replayed as well, exactly up to the boundary, before the mailbox is opened.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Protocol, TypeVar
from uuid import UUID

from models.catch_up import Missed
from models.turns import Turns
from realtime.cursor import Cursor
from realtime.events import Delivery, Event, ResyncReason, ResyncRequired, Told
from realtime.hub import EventSubscription, Hub
from realtime.log import Log, Lost
from realtime.mailbox import Mailbox
from realtime.tailer import Tailer

T = TypeVar("T")

PAGE = 500  # events loaded at a time while catching up; who stops reading stops the loading
# Rounds of catching up with what happened during the last one, before going live all the same.
MAX_ROUNDS = 10
# Replays that read at the same moment, well below the connections that there are: after a restart
# everybody comes at once, and those who are there already want to go on.
READING = 8
MAY_WAIT = 5000  # replays that wait for their first reading; beyond that, clients come back later
TURN_TIMEOUT = 300.0  # seconds; to wait for one is no error


class Feed(Protocol[T]):
    """What a subscription is told, wherever that comes from: what was missed, then the mailbox."""

    @property
    def mailbox(self) -> Mailbox[T]:
        """What happens from where `missed` ends."""

    def missed(self) -> AsyncGenerator[T, None]:
        """Yield what comes before the mailbox's first; raises a refusal, or what `last_word` takes.

        It may be read as slowly as one likes.
        """

    async def last_word(self, reason: Exception) -> T:
        """Return what is told last when the feed ended for a reason, or raise that."""

    def leave(self) -> None:
        """Give the subscription up."""


async def told_by(feed: Feed[T]) -> AsyncGenerator[T, None]:
    """Yield everything that a feed tells until it ends; raises why, unless it has a last word."""
    try:
        async with aclosing(feed.missed()) as missed:
            async for item in missed:
                yield item
        while True:
            yield await feed.mailbox.get()
    except Exception as reason:  # noqa: BLE001 - raised again, or told
        yield await feed.last_word(reason)


class Feeds:
    """Makes feeds; one per node."""

    def __init__(self, log: Log, tailer: Tailer, hub: Hub) -> None:
        self.log = log
        self.tailer = tailer
        self.hub = hub
        self.turns = Turns(READING, waiting=MAY_WAIT, timeout=TURN_TIMEOUT)

    def open(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        after: Cursor | None,
        mailbox: Mailbox[Delivery] | None = None,
    ) -> "EventFeed":
        """Return a person's feed, of some chats or all, after a cursor or from now on.

        `mailbox` is what takes what happens, unless it is to take everything.
        """
        return EventFeed(self, self.hub.join(user_id, chat_ids, mailbox), after)

    async def present(self) -> Cursor:
        """Return the cursor after everything that is committed by now."""
        return await self.log.present()


class EventFeed:
    """One subscription's events, in order; a `Feed`."""

    __slots__ = ("_after", "_feeds", "_subscription")

    def __init__(self, feeds: Feeds, subscription: EventSubscription, after: Cursor | None) -> None:
        self._feeds = feeds
        self._subscription = subscription
        self._after = after

    @property
    def mailbox(self) -> Mailbox[Delivery]:
        """See `Feed.mailbox`."""
        return self._subscription.mailbox

    def leave(self) -> None:
        """See `Feed.leave`."""
        self._feeds.hub.leave(self._subscription)

    async def missed(self) -> AsyncGenerator[Delivery, None]:
        """See `Feed.missed`.

        Raises `NotFound` when one of the chats is not the person's, `Overloaded`, and `Lost`.
        """
        if self._after is None:
            await self._feeds.hub.go_live(self._subscription)
            return
        async with aclosing(self._missed(self._after)) as missed:
            async for delivery in missed:
                yield delivery

    async def last_word(self, reason: Exception) -> Delivery:
        """Return `ResyncRequired` if what follows is not known any more; see `Feed.last_word`."""
        if isinstance(reason, Lost):
            return Delivery(ResyncRequired(reason.reason), await self._feeds.log.present())
        raise reason

    async def _missed(self, after: Cursor) -> AsyncGenerator[Delivery, None]:
        """Yield everything after a cursor, and leave the subscription live where that ends."""
        async with self._feeds.turns.turn():
            await self._feeds.log.check(after)
        since = Cursor(after.epoch, after.start)
        if after.end:  # a batch that was cut off is finished first, exactly as it was
            until = Cursor(after.epoch, after.end)
            async with aclosing(self._between(since, until, after_id=after.last_id)) as rest:
                async for delivery in rest:
                    yield delivery
            since = until
        for _ in range(MAX_ROUNDS):
            async with self._feeds.turns.turn(newcomer=False):
                missed = await self._feeds.log.missed(
                    self._subscription.user_id, self._subscription.wanted, since=since
                )
            until = Cursor(after.epoch, missed.until)
            few = sum(each.last - each.first + 1 for each in missed.ranges) < PAGE
            async with aclosing(self._batch(missed, until)) as batch:
                async for delivery in batch:
                    yield delivery
            since = until
            if few:
                break
        boundary = await self._feeds.hub.go_live(self._subscription)
        if boundary.epoch != after.epoch:
            raise Lost(ResyncReason.LOG_REPLACED)
        async with aclosing(self._between(since, boundary)) as between:
            async for delivery in between:
                yield delivery

    async def _between(
        self, since: Cursor, until: Cursor, *, after_id: int = 0
    ) -> AsyncGenerator[Delivery, None]:
        """Yield the person's part of the log between two places, from an event on."""
        async with self._feeds.turns.turn(newcomer=False):
            missed = await self._feeds.log.missed_between(
                self._subscription.user_id,
                self._subscription.wanted,
                since=since,
                until=until,
                after_id=after_id,
            )
        async with aclosing(self._batch(missed, until, last_id=after_id)) as batch:
            async for delivery in batch:
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
            async with self._feeds.turns.turn(newcomer=False):
                loaded = await self._feeds.log.page(missed, PAGE)
            for event in loaded:
                yield event
        async with self._feeds.turns.turn(newcomer=False):
            receipts = await self._feeds.log.receipts(missed, self._subscription.wanted)
        for receipt in receipts:
            yield receipt
