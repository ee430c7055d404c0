"""Events as they are delivered: what happened, with the present state of what it happened to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog

from models import chats, members, messages, reactions, sessions, users
from models.chats import Chat
from models.database import Connection
from models.events import EventKind, LoggedEvent
from models.members import Member
from models.messages import Message, MessageKey
from models.reactions import ReactionGroup
from models.receipts import SHOWN_UP_TO, Receipt
from models.sessions import Session
from models.users import User
from realtime.cursor import Cursor
from realtime.groups import Renderings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something durable that happened; `id` is its place in the log."""

    id: int
    occurred_at: datetime
    actor: User | None


@dataclass(frozen=True, slots=True)
class ChatEvent(Event):
    """Something that happened in a chat: its event number `seq`."""

    chat: Chat
    seq: int


@dataclass(frozen=True, slots=True)
class PersonalEvent(Event):
    """Something that concerns one person alone."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ChatCreated(ChatEvent):
    """A chat came to be, with these people in it."""

    founder_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class MemberJoined(ChatEvent):
    """Somebody is in the chat from this event on."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberLeft(ChatEvent):
    """Somebody left or was removed; this is the last event of the chat that they see."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberRoleChanged(ChatEvent):
    """Somebody has another role in the chat."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MessageEvent(ChatEvent):
    """Something that happened to a message, which is there."""

    message: Message
    sender: User
    reactions: Sequence[ReactionGroup]


@dataclass(frozen=True, slots=True)
class ReactionsChanged(MessageEvent):
    """Somebody reacted to a message, or took that back."""


@dataclass(frozen=True, slots=True)
class MessageSent(MessageEvent):
    """A message was sent."""


@dataclass(frozen=True, slots=True)
class MessageEdited(MessageEvent):
    """A message has another text now."""


@dataclass(frozen=True, slots=True)
class MessageDeleted(ChatEvent):
    """A message has no content any more."""

    message_seq: int


@dataclass(frozen=True, slots=True)
class ChatChanged(ChatEvent):
    """A chat has another title or description."""


@dataclass(frozen=True, slots=True)
class SessionStarted(PersonalEvent):
    """Somebody signed in on a device; `session` is None when that is forgotten already."""

    session: Session | None
    user: User


@dataclass(frozen=True, slots=True)
class SessionEnded(PersonalEvent):
    """Somebody signed out, or was signed out, on a device."""

    session_id: UUID


@dataclass(frozen=True, slots=True)
class ProfileChanged(PersonalEvent):
    """Somebody has another profile, or another handle; told to their own devices."""

    user: User


@dataclass(frozen=True, slots=True)
class SettingsChanged(PersonalEvent):
    """Somebody has other settings."""


@dataclass(frozen=True, slots=True)
class ReceiptsAdvanced:
    """Somebody got further in a chat, in receiving or in reading; the latest of it wins."""

    chat: Chat
    user: User
    delivered_seq: int
    read_seq: int
    occurred_at: datetime

    @property
    def shown(self) -> bool:
        """Whether the chat is small enough for others to hear of it."""
        return self.chat.member_count <= SHOWN_UP_TO


# What a batch of the log consists of: events, then receipts.
Told = Event | ReceiptsAdvanced


@dataclass(frozen=True, slots=True)
class CursorAdvanced:
    """Nothing happened for a while: here is a fresh cursor."""


class ResyncReason(StrEnum):
    """Why what was missed cannot be told."""

    EXPIRED = "expired"
    LOG_REPLACED = "log_replaced"


@dataclass(frozen=True, slots=True)
class ResyncRequired:
    """What was missed is not in the log any more: fetch afresh, then subscribe anew."""

    reason: ResyncReason


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event with the cursor that resumes right after it, the same for everybody who gets it."""

    event: Told | CursorAdvanced | ResyncRequired
    cursor: Cursor
    # What groups of subscribers have made of it: see `realtime/groups.py`.
    renderings: Renderings = field(default_factory=dict, init=False, compare=False, repr=False)


_ABOUT_MEMBER = {
    EventKind.MEMBER_JOINED: MemberJoined,
    EventKind.MEMBER_LEFT: MemberLeft,
    EventKind.MEMBER_ROLE_CHANGED: MemberRoleChanged,
}
_ABOUT_MESSAGE = {
    EventKind.MESSAGE_SENT: MessageSent,
    EventKind.MESSAGE_EDITED: MessageEdited,
    EventKind.REACTIONS_CHANGED: ReactionsChanged,
}


@dataclass(frozen=True, slots=True)
class Rows:
    """What the events of a batch refer to, loaded together."""

    chats: dict[UUID, Chat]
    messages: dict[MessageKey, Message]
    reactions: dict[MessageKey, list[ReactionGroup]]
    people: dict[UUID, User]
    stays: Sequence[Member]
    founder_ids: dict[UUID, list[UUID]]
    sessions: dict[UUID, Session]


async def load(connection: Connection, logged: Sequence[LoggedEvent]) -> list[Event]:
    """Return the events of a batch in their order, all they refer to loaded in a few statements."""
    message_rows = await messages.by_keys(
        connection,
        {
            (event.chat_id, event.message_seq)
            for event in logged
            if event.kind in _ABOUT_MESSAGE and event.chat_id and event.message_seq
        },
    )
    people = {
        user_id for event in logged for user_id in (event.user_id, event.actor_id, event.subject_id)
    }
    people |= {message.sender_id for message in message_rows.values()}
    rows = Rows(
        chats=await chats.by_ids(connection, {event.chat_id for event in logged if event.chat_id}),
        messages=message_rows,
        reactions=await reactions.groups(connection, message_rows),
        people=await users.by_ids(connection, {user_id for user_id in people if user_id}),
        stays=await members.stays(
            connection,
            {
                (event.chat_id, event.subject_id)
                for event in logged
                if event.kind in _ABOUT_MEMBER and event.chat_id and event.subject_id
            },
        ),
        founder_ids=await members.founders(
            connection,
            {
                event.chat_id
                for event in logged
                if event.kind == EventKind.CHAT_CREATED and event.chat_id
            },
        ),
        sessions=await sessions.by_ids(
            connection,
            {
                event.subject_id
                for event in logged
                if event.kind == EventKind.SESSION_STARTED and event.subject_id
            },
        ),
    )
    return assembled(logged, rows)


def assembled(logged: Sequence[LoggedEvent], rows: Rows) -> list[Event]:
    """Return events with what they refer to, without those that concern nobody any more."""
    loaded: list[Event] = []
    for each in logged:
        try:
            event = _assemble(each, rows)
        except LookupError:
            # Contradictory data must not keep everybody from everything that follows.
            log.exception("event_unreadable", event=each.id)
        else:
            loaded += [event] if event else []
    return loaded


def _assemble(logged: LoggedEvent, rows: Rows) -> Event | None:
    """Return an event with what it refers to; None when its chat is gone for everybody."""
    kind = EventKind(logged.kind)
    actor = rows.people.get(logged.actor_id) if logged.actor_id else None
    happened = (logged.id, logged.created_at, actor)
    if logged.place is None:
        return _personal(kind, logged, happened, rows)
    chat_id, seq = logged.place
    chat = rows.chats.get(chat_id)
    if chat is None:
        return None
    seen = (*happened, chat, seq)
    if kind is EventKind.CHAT_CREATED:
        return ChatCreated(*seen, founder_ids=rows.founder_ids[chat_id])
    if kind is EventKind.CHAT_CHANGED:
        return ChatChanged(*seen)
    if kind in _ABOUT_MEMBER:
        stay = _stay(logged, seq, rows.stays)
        return _ABOUT_MEMBER[kind](*seen, membership=stay, user=rows.people[stay.user_id])
    if logged.message_seq is None:
        raise LookupError(f"event {logged.id} is about a message and names none")
    key = (chat_id, logged.message_seq)
    message = rows.messages.get(key)
    if kind is EventKind.MESSAGE_DELETED or message is None:  # or expired meanwhile
        return MessageDeleted(*seen, message_seq=logged.message_seq)
    return _ABOUT_MESSAGE[kind](
        *seen,
        message=message,
        sender=rows.people[message.sender_id],
        reactions=rows.reactions[key],
    )


def _personal(
    kind: EventKind, logged: LoggedEvent, happened: tuple[int, datetime, User | None], rows: Rows
) -> Event:
    """Return an event that is addressed to one person; raises `LookupError`."""
    if logged.user_id is None or logged.subject_id is None:
        raise LookupError(f"event {logged.id} is about nothing")
    if kind is EventKind.SESSION_STARTED:
        session = rows.sessions.get(logged.subject_id)
        user = rows.people[logged.user_id]
        return SessionStarted(*happened, logged.user_id, session=session, user=user)
    if kind is EventKind.PROFILE_CHANGED:
        return ProfileChanged(*happened, logged.user_id, user=rows.people[logged.user_id])
    if kind is EventKind.SETTINGS_CHANGED:
        return SettingsChanged(*happened, logged.user_id)
    return SessionEnded(*happened, logged.user_id, session_id=logged.subject_id)


def _stay(logged: LoggedEvent, seq: int, stays: Sequence[Member]) -> Member:
    """Return the stay during which something happened to a member; raises `LookupError`."""
    for stay in stays:
        theirs = (stay.chat_id, stay.user_id) == (logged.chat_id, logged.subject_id)
        if theirs and stay.joined_seq <= seq and (stay.left_seq is None or seq <= stay.left_seq):
            return stay
    raise LookupError(f"event {logged.id} belongs to no stay")


async def load_receipts(connection: Connection, moved: Sequence[Receipt]) -> list[ReceiptsAdvanced]:
    """Return receipts with whom they are about, in their order."""
    if not moved:
        return []
    chats_ = await chats.by_ids(connection, {receipt.chat_id for receipt in moved})
    people = await users.by_ids(connection, {receipt.user_id for receipt in moved})
    return [
        ReceiptsAdvanced(
            chats_[receipt.chat_id],
            people[receipt.user_id],
            receipt.delivered_seq,
            receipt.read_seq,
            receipt.moved_at,
        )
        for receipt in moved
        if receipt.chat_id in chats_
    ]


def deliveries(told: Sequence[Told], start: Cursor, end: Cursor) -> list[Delivery]:
    """Return a whole batch between two places; the last of it has the later place as its cursor.

    Whoever is cut off before that gets the receipts of the batch again: the latest wins.
    """
    batch = []
    last_id = 0
    for number, each in enumerate(told, start=1):
        if isinstance(each, Event):
            last_id = each.id
        inside = Cursor(end.epoch, start.start, end.start, last_id)
        batch.append(Delivery(each, end if number == len(told) else inside))
    return batch
