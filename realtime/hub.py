"""The hub: who hears what on this node.

Delivery is synchronous. Each subscriber has a bounded mailbox; one that does not empty it is cut
off and told to come back, and nobody else notices. Membership follows the log: an event that says
that somebody joined or left changes who hears the events after it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from models.errors import NotFound, Overloaded
from realtime.cursor import Cursor
from realtime.events import (
    ChatCreated,
    ChatEvent,
    Delivery,
    MemberJoined,
    MemberLeft,
    MessageEvent,
    PersonalEvent,
    ReceiptsAdvanced,
)
from realtime.log import Log
from realtime.past_stays import veil
from realtime.tailer import Tailer

T = TypeVar("T")

# What may wait for one subscriber. An event there is a reference to what all share, so that many
# may: one batch of the tailer can hold a second of a whole node. But somebody who reads nothing
# keeps them alive alone, so there is a limit to what they hold as well.
MAILBOX = 2048  # events; a kilobyte each, and their text
MAILBOX_TEXT = 1_000_000  # characters of the messages among them

LIVE_TIMEOUT = 30.0  # seconds; the log cannot be read for so long only while the database is away


class SlowConsumer(Exception):
    """The subscriber's mailbox overflowed: close its socket, it may come back."""


class Mailbox(Generic[T]):
    """A bounded queue from the hub to one subscriber."""

    def __init__(self) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._text = 0  # characters that wait
        self._filled = asyncio.Event()
        self._end: Exception | None = None

    def put(self, item: T, text: int = 0) -> None:
        """Add an item with so many characters, or end the subscription when there is no room."""
        if self._end is not None:
            return
        if len(self._items) >= MAILBOX or self._text + text > MAILBOX_TEXT:
            self._items.clear()  # what is unread is lost to this socket anyway
            self.end(SlowConsumer())
            return
        self._items.append((item, text))
        self._text += text
        self._filled.set()

    def end(self, reason: Exception) -> None:
        """Let the subscriber read what is there, then raise `reason`."""
        if self._end is None:
            self._end = reason
            self._filled.set()

    @property
    def empty(self) -> bool:
        """Whether everything has been taken, and more may come."""
        return not self._items and self._end is None

    async def get(self) -> T:
        """Wait for the next item; raises the reason once the subscription has ended."""
        while not self._items:
            if self._end is not None:
                raise self._end
            self._filled.clear()
            await self._filled.wait()
        item, text = self._items.popleft()
        self._text -= text
        return item


class EventSubscription:
    """One person's place in the hub: the chats they are in, each from an event number on."""

    def __init__(self, user_id: UUID, chat_ids: Collection[UUID] | None) -> None:
        self.user_id = user_id
        self.mailbox: Mailbox[Delivery] = Mailbox()
        self.wanted = None if chat_ids is None else frozenset(chat_ids)
        self.joined: dict[UUID, int] = {}
        # What the log says about the person's chats until the subscription is live: the event
        # number from which they are in one, None once they left it.
        self.meanwhile: dict[UUID, int | None] = {}
        self.live = False

    def wants(self, chat_id: UUID) -> bool:
        """Whether the subscriber asked for this chat."""
        return self.wanted is None or chat_id in self.wanted


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody started or stopped typing."""

    chat_id: UUID
    user_id: UUID
    typing: bool
    expires_at: datetime


class Hub:
    """Subscribers by chat and by person; fed by the tailer and the bus."""

    def __init__(self, source: Log, tailer: Tailer) -> None:
        self._log = source
        self._tailer = tailer
        tailer.on_batch(self.deliver)
        tailer.on_lost(self.end_all)
        self._by_user: dict[UUID, set[EventSubscription]] = defaultdict(set)
        self._by_chat: dict[UUID, set[EventSubscription]] = defaultdict(set)
        self._typing: dict[UUID, dict[Mailbox[Typing], UUID]] = defaultdict(dict)
        # Who leaves which chat in the batch that is delivered, and with which event.
        self._leaving: dict[tuple[UUID, UUID], int] = {}
        self.delivered = 0

    @property
    def subscribers(self) -> int:
        """How many event subscriptions are live: whatever is committed now will reach them."""
        return sum(sub.live for group in self._by_user.values() for sub in group)

    # --- events -------------------------------------------------------------------------------

    @asynccontextmanager
    async def joining(
        self, user_id: UUID, chat_ids: Collection[UUID] | None
    ) -> AsyncIterator[EventSubscription]:
        """Yield a subscription that is not live yet; `go_live` makes it so."""
        subscription = EventSubscription(user_id, chat_ids)
        # Known before memberships are read, so that whatever changes meanwhile is noticed.
        self._by_user[user_id].add(subscription)
        try:
            yield subscription
        finally:
            self._remove(subscription)

    def deliver(self, batch: Sequence[Delivery]) -> None:
        """Hand events to everybody who may see them, in the order of the log."""
        self._leaving = {
            (delivery.event.chat.id, delivery.event.membership.user_id): delivery.event.seq
            for delivery in batch
            if isinstance(delivery.event, MemberLeft)
        }
        for delivery in batch:
            match delivery.event:
                case ChatEvent() as event:
                    self._deliver_to_chat(delivery, event)
                case PersonalEvent(user_id=user_id):
                    for subscription in self._by_user.get(user_id, ()):
                        if subscription.live and subscription.wanted is None:
                            self._put(subscription, delivery)
                case ReceiptsAdvanced() as receipt:
                    self._deliver_receipt(delivery, receipt)

    def _deliver_to_chat(self, delivery: Delivery, event: ChatEvent) -> None:
        chat_id = event.chat.id
        for user_id in _who_enters(event):
            for subscription in self._by_user.get(user_id, ()):
                self._enter(subscription, chat_id, event.seq)
        for subscription in self._by_chat.get(chat_id, ()):
            if event.seq >= subscription.joined[chat_id]:
                self._put(subscription, self._seen_by(subscription.user_id, delivery, event))
        if isinstance(event, MemberLeft):
            self._evict(event.membership.user_id, chat_id)

    def _seen_by(self, user_id: UUID, delivery: Delivery, event: ChatEvent) -> Delivery:
        """Return a delivery as somebody may see it who leaves the chat in the same batch.

        The batch was loaded as it was after they had left.
        """
        if not self._leaving or event.seq > self._leaving.get((event.chat.id, user_id), 0):
            return delivery
        return replace(delivery, event=veil(event, user_id, None))

    def _deliver_receipt(self, delivery: Delivery, receipt: ReceiptsAdvanced) -> None:
        chat_id = receipt.chat.id
        if receipt.shown:
            for subscription in self._by_chat.get(chat_id, ()):
                self._put(subscription, delivery)
            return
        for subscription in self._by_user.get(receipt.user.id, ()):
            if chat_id in subscription.joined:
                self._put(subscription, delivery)

    def _put(self, subscription: EventSubscription, delivery: Delivery) -> None:
        event = delivery.event
        text = len(event.message.text) if isinstance(event, MessageEvent) else 0
        subscription.mailbox.put(delivery, text)
        self.delivered += 1

    async def go_live(self, subscription: EventSubscription) -> Cursor:
        """Enter a subscriber's chats right after what is committed by now was delivered.

        Returns the place in the log from which on everything reaches the mailbox. Raises
        `NotFound` when one of the chats asked for is not theirs, and `Overloaded` while the log
        cannot be read.
        """
        memberships = await self._log.memberships(subscription.user_id)
        if subscription.wanted is not None and not subscription.wanted <= set(memberships):
            raise NotFound("One of the chats", path=["chatIds"])
        live: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            if live.done():
                return  # gave up meanwhile
            subscription.live = True
            for chat_id, joined_seq in {**memberships, **subscription.meanwhile}.items():
                if joined_seq is not None:
                    self._enter(subscription, chat_id, joined_seq)
            subscription.meanwhile.clear()
            live.set_result(self._tailer.place)

        self._tailer.at_boundary(enter)
        try:
            async with asyncio.timeout(LIVE_TIMEOUT):
                return await live
        except TimeoutError:
            raise Overloaded from None

    def end_all(self, reason: Exception) -> None:
        """End every subscription."""
        for group in list(self._by_user.values()):
            for subscription in group:
                subscription.mailbox.end(reason)

    def _enter(self, subscription: EventSubscription, chat_id: UUID, joined_seq: int) -> None:
        if not subscription.live:
            subscription.meanwhile[chat_id] = joined_seq
        elif subscription.wants(chat_id):
            subscription.joined.setdefault(chat_id, joined_seq)
            self._by_chat[chat_id].add(subscription)

    def _evict(self, user_id: UUID, chat_id: UUID) -> None:
        for subscription in self._by_user.get(user_id, ()):
            if not subscription.live:
                subscription.meanwhile[chat_id] = None
            subscription.joined.pop(chat_id, None)
            _discard(self._by_chat, chat_id, subscription)
        for mailbox, owner in list(self._typing.get(chat_id, {}).items()):
            if owner == user_id:
                mailbox.end(NotFound("The chat", path=["chatId"]))

    def _remove(self, subscription: EventSubscription) -> None:
        _discard(self._by_user, subscription.user_id, subscription)
        for chat_id in subscription.joined:
            _discard(self._by_chat, chat_id, subscription)

    # --- typing -------------------------------------------------------------------------------

    @asynccontextmanager
    async def typing(self, user_id: UUID, chat_id: UUID) -> AsyncIterator[Mailbox[Typing]]:
        """Yield a mailbox with who types in a chat; raises `NotFound` unless it is theirs."""
        mailbox: Mailbox[Typing] = Mailbox()
        self._typing[chat_id][mailbox] = user_id
        try:
            if not await self._log.is_member(user_id, chat_id):
                raise NotFound("The chat", path=["chatId"])
            yield mailbox
        finally:
            del self._typing[chat_id][mailbox]
            if not self._typing[chat_id]:
                del self._typing[chat_id]

    def deliver_typing(self, typing: Typing) -> None:
        """Tell everybody who listens in the chat, but not the one who types."""
        for mailbox, owner in self._typing.get(typing.chat_id, {}).items():
            if owner != typing.user_id:
                mailbox.put(typing)


def _who_enters(event: ChatEvent) -> Sequence[UUID]:
    """Return the people who are in the event's chat from this event on."""
    if isinstance(event, MemberJoined):
        return [event.membership.user_id]
    return event.founder_ids if isinstance(event, ChatCreated) else ()


def _discard(
    index: dict[UUID, set[EventSubscription]], key: UUID, subscription: EventSubscription
) -> None:
    """Remove from an index, and the key with its last subscriber."""
    group = index.get(key)
    if group is not None:
        group.discard(subscription)
        if not group:
            del index[key]
