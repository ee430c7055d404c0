"""What one subscriber is told of a single thread: a part of what a chat's feed tells."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from uuid import UUID

from realtime.events import (
    CursorAdvanced,
    Delivery,
    MemberLeft,
    MessageDeleted,
    MessageEvent,
    MessageExpired,
    ResyncRequired,
)
from realtime.feed import EventFeed
from realtime.mailbox import Mailbox

# Events of the chat that are left out, after which a fresh cursor is told: whoever resumes from
# the last one goes through them all.
SKIPPED = 200


class Sieve:
    """Lets through what concerns a thread, and now and then a cursor in place of what does not."""

    __slots__ = ("_root_seq", "_skipped", "_user_id")

    def __init__(self, user_id: UUID, root_seq: int) -> None:
        self._user_id = user_id
        self._root_seq = root_seq
        self._skipped = 0

    def __call__(self, delivery: Delivery) -> Delivery | None:
        """Return what is told in place of a delivery, if anything."""
        if self._concerns(delivery):
            self._skipped = 0
            return delivery
        self._skipped += 1
        if self._skipped < SKIPPED:
            return None
        self._skipped = 0
        return Delivery(CursorAdvanced(), delivery.cursor)

    def _concerns(self, delivery: Delivery) -> bool:
        match delivery.event:
            case MessageEvent(message=message):
                return self._root_seq in (message.seq, message.thread_root_seq)
            case MessageDeleted() | MessageExpired() as event:
                return self._root_seq in (event.message_seq, event.thread_root_seq)
            case MemberLeft(membership=membership):
                return membership.user_id == self._user_id  # for them, the end of it
            case CursorAdvanced() | ResyncRequired():
                return True
            case _:
                return False


class ThreadMailbox(Mailbox[Delivery]):
    """A mailbox into which only that comes which concerns a thread."""

    __slots__ = ("_sieve",)

    def __init__(self, sieve: Sieve) -> None:
        super().__init__()
        self._sieve = sieve

    def put(self, item: Delivery, text: int = 0) -> None:
        """See `Mailbox.put`."""
        told = self._sieve(item)
        if told is not None:
            super().put(told, text)


class ThreadFeed:
    """One subscription's events of a thread, in order; a `Feed`."""

    __slots__ = ("_feed", "_require", "_sieve")

    def __init__(
        self, feed: EventFeed, sieve: Sieve, require: Callable[[], Awaitable[None]]
    ) -> None:
        """Take the chat's feed; `require` raises a refusal unless the thread may be read."""
        self._feed = feed
        self._sieve = sieve
        self._require = require

    @property
    def mailbox(self) -> Mailbox[Delivery]:
        """See `Feed.mailbox`."""
        return self._feed.mailbox

    def leave(self) -> None:
        """See `Feed.leave`."""
        self._feed.leave()

    async def missed(self) -> AsyncGenerator[Delivery, None]:
        """See `Feed.missed`."""
        await self._require()
        async with aclosing(self._feed.missed()) as missed:
            async for delivery in missed:
                told = self._sieve(delivery)
                if told is not None:
                    yield told

    async def last_word(self, reason: Exception) -> Delivery:
        """See `Feed.last_word`."""
        return await self._feed.last_word(reason)
