"""The hub: who hears what on this node.

Delivery is synchronous. Each subscriber has a mailbox, which hands on or keeps what comes; one that
does not keep up is cut off and told to come back, and nobody else notices. Membership follows the
log: an event that says that somebody joined or left changes who hears the events after it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from models.errors import NotFound, Overloaded
from models.members import Since
from realtime.cursor import Cursor
from realtime.earlier import of_earlier, without_message
from realtime.events import (
    ChatCreated,
    ChatEvent,
    CursorAdvanced,
    Delivery,
    MemberJoined,
    MemberLeft,
    MessageEvent,
    PersonalEvent,
    ReceiptsAdvanced,
    SettingsChanged,
)
from realtime.log import Log
from realtime.mailbox import Mailbox, SlowConsumer
from realtime.past_stays import veil
from realtime.tailer import Tailer
from realtime.wire import Cork

log = structlog.get_logger(__name__)

LIVE_TIMEOUT = 30.0  # seconds; the log cannot be read for so long only while the database is away
IDLE = 60.0  # seconds without an event, and up to as many more, after which a fresh cursor is sent


class EventSubscription:
    """One person's place in the hub, and the chats that they hear."""

    # There is one for every socket.
    __slots__ = (
        "hides_receipts",
        "joined",
        "left",
        "live",
        "mailbox",
        "meanwhile",
        "quiet",
        "user_id",
        "wanted",
    )

    def __init__(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        mailbox: Mailbox[Delivery] | None = None,
    ) -> None:
        self.user_id = user_id
        self.mailbox: Mailbox[Delivery] = Mailbox() if mailbox is None else mailbox
        self.wanted = None if chat_ids is None else frozenset(chat_ids)
        self.joined: set[UUID] = set()
        # What the log says about the person's chats until the subscription is live: from where on
        # they are in one, None once they left it.
        self.meanwhile: dict[UUID, Since | None] = {}
        self.live = False
        # Whether they hear of nobody else's receipts; None until that is known.
        self.hides_receipts: bool | None = None
        self.left = False  # for good
        self.quiet = False  # nothing was delivered since the last look for idle ones

    def wants(self, chat_id: UUID) -> bool:
        """Whether the subscriber asked for this chat."""
        return self.wanted is None or chat_id in self.wanted


class Hub:
    """Subscribers by chat and by person; fed by the tailer."""

    def __init__(self, source: Log, tailer: Tailer, cork: Cork) -> None:
        self._log = source
        self._tailer = tailer
        self._cork = cork
        tailer.on_batch(self.deliver)
        tailer.on_read(self._advance_idle)
        tailer.on_lost(self.end_all)
        self._by_user: dict[UUID, set[EventSubscription]] = defaultdict(set)
        # Each from an event number on.
        self._by_chat: dict[UUID, dict[EventSubscription, int]] = defaultdict(dict)
        # Those who do not see a chat's history from its start: from which message on they do.
        self._begun_later: dict[UUID, dict[EventSubscription, int]] = defaultdict(dict)
        self._left_listeners: list[Callable[[UUID, UUID], None]] = []
        self._looked_for_idle: float | None = None
        # Who leaves which chat in the batch that is delivered, and with which event.
        self._leaving: dict[tuple[UUID, UUID], int] = {}
        self.delivered = 0

    @property
    def subscribers(self) -> int:
        """How many event subscriptions are live: whatever is committed now will reach them."""
        return sum(sub.live for group in self._by_user.values() for sub in group)

    def join(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        mailbox: Mailbox[Delivery] | None = None,
    ) -> EventSubscription:
        """Return a subscription that is not live yet; `go_live` makes it so, `leave` ends it."""
        subscription = EventSubscription(user_id, chat_ids, mailbox)
        # Known before memberships are read, so that whatever changes meanwhile is noticed.
        self._by_user[user_id].add(subscription)
        return subscription

    def on_left(self, listener: Callable[[UUID, UUID], None]) -> None:
        """Call a function with the person and the chat when somebody has left one."""
        self._left_listeners.append(listener)

    async def deliver(self, batch: Sequence[Delivery]) -> None:
        """Hand events to everybody who may see them, in the order of the log."""
        self._leaving = {
            (delivery.event.chat.id, delivery.event.membership.user_id): delivery.event.seq
            for delivery in batch
            if isinstance(delivery.event, MemberLeft)
        }
        await self._cork.over(batch, self._deliver_safely)

    def _deliver_safely(self, delivery: Delivery) -> None:
        try:
            self._deliver(delivery)
        except Exception:
            # Somebody may have heard it and somebody not: all of them come back and resume.
            log.exception("delivery_failed")
            self.end_all(SlowConsumer())

    def _deliver(self, delivery: Delivery) -> None:
        match delivery.event:
            case ChatEvent() as event:
                self._deliver_to_chat(delivery, event)
            case PersonalEvent(user_id=user_id) as event:
                if isinstance(event, SettingsChanged):
                    for subscription in self._by_user.get(user_id, ()):
                        subscription.hides_receipts = event.hides_receipts
                for subscription in self._by_user.get(user_id, ()):
                    if subscription.live and subscription.wanted is None:
                        self._put(subscription, delivery)
            case ReceiptsAdvanced() as receipt:
                self._deliver_receipt(delivery, receipt)

    def _deliver_to_chat(self, delivery: Delivery, event: ChatEvent) -> None:
        chat_id = event.chat.id
        for user_id, since in _who_enters(event):
            for subscription in self._by_user.get(user_id, ()):
                self._enter(subscription, chat_id, since)
        seq, text = event.seq, _text_of(event)
        seen_by = self._who_sees_what(delivery, event)
        seen, delivered = delivery, 0
        # The one loop that is run for every event and subscriber: nothing in it hashes an id.
        for subscription, joined_seq in self._by_chat.get(chat_id, {}).items():
            if seq >= joined_seq:
                if seen_by is not None:
                    seen = seen_by(subscription)
                subscription.quiet = False
                subscription.mailbox.put(seen, text)
                delivered += 1
        self.delivered += delivered
        if isinstance(event, MemberLeft):
            self._evict(event.membership.user_id, chat_id)

    def _who_sees_what(
        self, delivery: Delivery, event: ChatEvent
    ) -> Callable[[EventSubscription], Delivery] | None:
        """Return what says how somebody may see a delivery; None if all may see it as it is."""
        message_seq, leaving = of_earlier(event), self._leaving
        begun = self._begun_later.get(event.chat.id, {}) if message_seq is not None else {}
        if not leaving and not begun:
            return None
        # Made once, so that all who get it share what is rendered of it too.
        emptied = without_message(delivery) if begun else delivery

        def seen_by(subscription: EventSubscription) -> Delivery:
            later = begun.get(subscription, 0) > (message_seq or 0)
            seen = emptied if later else delivery
            return self._seen_leaving(subscription.user_id, seen) if leaving else seen

        return seen_by

    def _seen_leaving(self, user_id: UUID, delivery: Delivery) -> Delivery:
        """Return a delivery as somebody may see it who leaves the chat in the same batch.

        The batch was loaded as it was after they had left.
        """
        event = delivery.event
        if not isinstance(event, ChatEvent):
            return delivery
        if event.seq > self._leaving.get((event.chat.id, user_id), 0):
            return delivery
        return replace(delivery, event=veil(event, user_id, None))

    def _deliver_receipt(self, delivery: Delivery, receipt: ReceiptsAdvanced) -> None:
        chat_id = receipt.chat.id
        if receipt.shown:
            for subscription in self._by_chat.get(chat_id, ()):
                if not subscription.hides_receipts or subscription.user_id == receipt.user.id:
                    self._put(subscription, delivery)
            return
        for subscription in self._by_user.get(receipt.user.id, ()):
            if chat_id in subscription.joined:
                self._put(subscription, delivery)

    def _put(self, subscription: EventSubscription, delivery: Delivery) -> None:
        subscription.quiet = False
        subscription.mailbox.put(delivery)
        self.delivered += 1

    def _advance_idle(self) -> None:
        """Give a fresh cursor to those who have heard nothing for a while, between two batches."""
        now = asyncio.get_running_loop().time()
        if self._looked_for_idle is not None and now - self._looked_for_idle < IDLE:
            return
        self._looked_for_idle = now
        advanced = Delivery(CursorAdvanced(), self._tailer.place)
        for group in self._by_user.values():
            for subscription in group:
                if subscription.live and subscription.quiet:
                    subscription.mailbox.put(advanced)
                subscription.quiet = True

    async def go_live(self, subscription: EventSubscription) -> Cursor:
        """Enter a subscriber's chats right after what is committed by now was delivered.

        Returns the place in the log from which on everything reaches the mailbox. Raises
        `NotFound` when one of the chats asked for is not theirs, and `Overloaded` while the log
        cannot be read.
        """
        memberships = await self._log.memberships(subscription.user_id)
        hides_receipts = await self._log.hides_receipts(subscription.user_id)
        if subscription.wanted is not None and not subscription.wanted <= set(memberships):
            raise NotFound("One of the chats", path=["chatIds"])
        live: asyncio.Future[Cursor] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            if live.done():
                return  # gave up meanwhile
            if subscription.left:
                live.cancel()  # … and whoever waits has not noticed
                return
            subscription.live = True
            if subscription.hides_receipts is None:  # or the log has told of a change meanwhile
                subscription.hides_receipts = hides_receipts
            for chat_id, since in {**memberships, **subscription.meanwhile}.items():
                if since is not None:
                    self._enter(subscription, chat_id, since)
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

    def _enter(self, subscription: EventSubscription, chat_id: UUID, since: Since) -> None:
        if not subscription.live:
            subscription.meanwhile[chat_id] = since
        elif subscription.wants(chat_id) and chat_id not in subscription.joined:
            subscription.joined.add(chat_id)
            self._by_chat[chat_id][subscription] = since.joined_seq
            if since.first_message_seq > 1:
                self._begun_later[chat_id][subscription] = since.first_message_seq

    def _evict(self, user_id: UUID, chat_id: UUID) -> None:
        for subscription in self._by_user.get(user_id, ()):
            if not subscription.live:
                subscription.meanwhile[chat_id] = None
            subscription.joined.discard(chat_id)
            self._forget(subscription, chat_id)
        for listener in self._left_listeners:
            listener(user_id, chat_id)

    def leave(self, subscription: EventSubscription) -> None:
        """End a subscription; what waits for it is forgotten."""
        subscription.left = True
        if (group := self._by_user.get(subscription.user_id)) is not None:
            group.discard(subscription)
            if not group:
                del self._by_user[subscription.user_id]
        for chat_id in subscription.joined:
            self._forget(subscription, chat_id)

    def _forget(self, subscription: EventSubscription, chat_id: UUID) -> None:
        for chats in (self._by_chat, self._begun_later):
            if (hearing := chats.get(chat_id)) is not None:
                hearing.pop(subscription, None)
                if not hearing:
                    del chats[chat_id]


def _who_enters(event: ChatEvent) -> Sequence[tuple[UUID, Since]]:
    """Return the people who are in the event's chat from this event on, with what they see."""
    if isinstance(event, MemberJoined):
        since = Since(event.seq, event.membership.first_message_seq)
        return [(event.membership.user_id, since)]
    if isinstance(event, ChatCreated):
        return [(user_id, Since(event.seq, 1)) for user_id in event.founder_ids]
    return ()


def _text_of(event: ChatEvent) -> int:
    """Return how many characters an event holds on to, the few that all have aside."""
    return len(event.message.text) if isinstance(event, MessageEvent) else 0
