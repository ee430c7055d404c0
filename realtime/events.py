"""Events as they are delivered: what happened, with the present state of what it happened to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog

from models import chats, members, messages, users
from models.chats import Chat
from models.database import Connection
from models.events import EventKind, LoggedEvent
from models.members import Member
from models.messages import Message, MessageKey
from models.users import User
from realtime.cursor import Cursor

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something durable that happened in a chat; `id` is its place in the log."""

    id: int
    chat: Chat
    seq: int
    occurred_at: datetime
    actor: User | None


@dataclass(frozen=True, slots=True)
class ChatCreated(Event):
    """A chat came to be, with these people in it."""

    founder_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class MemberJoined(Event):
    """Somebody is in the chat from this event on."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberLeft(Event):
    """Somebody left or was removed; this is the last event of the chat that they see."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberRoleChanged(Event):
    """Somebody has another role in the chat."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MessageSent(Event):
    """A message was sent."""

    message: Message
    sender: User


@dataclass(frozen=True, slots=True)
class MessageEdited(Event):
    """A message has another text now."""

    message: Message
    sender: User


@dataclass(frozen=True, slots=True)
class MessageDeleted(Event):
    """A message has no content any more."""

    message_seq: int


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

    event: Event | CursorAdvanced | ResyncRequired
    cursor: Cursor


_ABOUT_MEMBER = {
    EventKind.MEMBER_JOINED: MemberJoined,
    EventKind.MEMBER_LEFT: MemberLeft,
    EventKind.MEMBER_ROLE_CHANGED: MemberRoleChanged,
}
_ABOUT_MESSAGE = {
    EventKind.MESSAGE_SENT: MessageSent,
    EventKind.MESSAGE_EDITED: MessageEdited,
}


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the events of a batch refer to, loaded together."""

    chats: dict[UUID, Chat]
    messages: dict[MessageKey, Message]
    people: dict[UUID, User]
    stays: Sequence[Member]
    founder_ids: dict[UUID, list[UUID]]


async def load(connection: Connection, logged: Sequence[LoggedEvent]) -> list[Event]:
    """Return the events of a batch in their order, all they refer to loaded in five statements."""
    message_rows = await messages.by_keys(
        connection,
        {
            (event.chat_id, event.message_seq)
            for event in logged
            if event.kind in _ABOUT_MESSAGE and event.chat_id and event.message_seq
        },
    )
    people = {user_id for event in logged for user_id in (event.actor_id, event.subject_id)}
    people |= {message.sender_id for message in message_rows.values()}
    rows = _Rows(
        chats=await chats.by_ids(connection, {event.chat_id for event in logged if event.chat_id}),
        messages=message_rows,
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
    )
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


def _assemble(logged: LoggedEvent, rows: _Rows) -> Event | None:
    """Return an event with what it refers to; None when its chat is gone for everybody."""
    if logged.place is None:
        return None
    chat_id, seq = logged.place
    chat = rows.chats.get(chat_id)
    if chat is None:
        return None
    kind = EventKind(logged.kind)
    actor = rows.people.get(logged.actor_id) if logged.actor_id else None
    seen = (logged.id, chat, seq, logged.created_at, actor)
    if kind is EventKind.CHAT_CREATED:
        return ChatCreated(*seen, founder_ids=rows.founder_ids[chat_id])
    if kind in _ABOUT_MEMBER:
        stay = _stay(logged, seq, rows.stays)
        return _ABOUT_MEMBER[kind](*seen, membership=stay, user=rows.people[stay.user_id])
    if logged.message_seq is None:
        raise LookupError(f"event {logged.id} is about a message and names none")
    message = rows.messages.get((chat_id, logged.message_seq))
    if kind is EventKind.MESSAGE_DELETED or message is None:  # or expired meanwhile
        return MessageDeleted(*seen, message_seq=logged.message_seq)
    return _ABOUT_MESSAGE[kind](*seen, message=message, sender=rows.people[message.sender_id])


def _stay(logged: LoggedEvent, seq: int, stays: Sequence[Member]) -> Member:
    """Return the stay during which something happened to a member; raises `LookupError`."""
    for stay in stays:
        theirs = (stay.chat_id, stay.user_id) == (logged.chat_id, logged.subject_id)
        if theirs and stay.joined_seq <= seq and (stay.left_seq is None or seq <= stay.left_seq):
            return stay
    raise LookupError(f"event {logged.id} belongs to no stay")


def deliveries(loaded: Sequence[Event], epoch: str, start: str, end: str) -> list[Delivery]:
    """Return a whole batch, read between two positions, with its cursors."""
    return [Delivery(event, Cursor(epoch, start, end, event.id)) for event in loaded[:-1]] + [
        Delivery(event, Cursor(epoch, end)) for event in loaded[-1:]
    ]
