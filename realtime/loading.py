"""Making events of the log's rows: all that a batch refers to is loaded in a few statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from models import chats, members, messages, reactions, sessions, users
from models.chats import Chat
from models.database import Connection
from models.events import EventKind, LoggedEvent
from models.members import Member
from models.messages import Message, MessageKey
from models.reactions import ReactionGroup
from models.receipts import Receipt
from models.sessions import Session
from models.users import User
from realtime.events import (
    ChatChanged,
    ChatCreated,
    Event,
    HistoryCleared,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MessageDeleted,
    MessageEdited,
    MessageExpired,
    MessageHidden,
    MessagePinned,
    MessageSent,
    MessageUnpinned,
    ProfileChanged,
    ReactionsChanged,
    ReceiptsAdvanced,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
)

log = structlog.get_logger(__name__)

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
# These say which message it is, and nothing of it.
_NAMING_MESSAGE = {
    EventKind.MESSAGE_DELETED: MessageDeleted,
    EventKind.MESSAGE_EXPIRED: MessageExpired,
    EventKind.MESSAGE_PINNED: MessagePinned,
    EventKind.MESSAGE_UNPINNED: MessageUnpinned,
}
_OF_OWN_HISTORY = {
    EventKind.MESSAGE_HIDDEN: MessageHidden,
    EventKind.HISTORY_CLEARED: HistoryCleared,
}


# Its place in the log, when it happened, who did it, and whom it is told.
PersonalPart = tuple[int, datetime, User | None, UUID]


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
        # Of what has expired none are told, whether they are there still or not.
        reactions=await reactions.groups(
            connection,
            [key for key, message in message_rows.items() if message.deleted_at is None],
        ),
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
    if kind in _NAMING_MESSAGE:
        return _NAMING_MESSAGE[kind](*seen, message_seq=logged.message_seq)
    key = (chat_id, logged.message_seq)
    message = rows.messages.get(key)
    if message is None:
        return MessageDeleted(*seen, message_seq=logged.message_seq)
    return _ABOUT_MESSAGE[kind](
        *seen,
        message=message,
        sender=rows.people[message.sender_id],
        reactions=rows.reactions.get(key, ()),
    )


def _personal(
    kind: EventKind, logged: LoggedEvent, happened: tuple[int, datetime, User | None], rows: Rows
) -> Event:
    """Return an event that is addressed to one person; raises `LookupError`."""
    if logged.user_id is None or logged.subject_id is None:
        raise LookupError(f"event {logged.id} is about nothing")
    if kind in _OF_OWN_HISTORY:
        if logged.message_seq is None:
            raise LookupError(f"event {logged.id} is about a message and names none")
        return _OF_OWN_HISTORY[kind](
            *happened, logged.user_id, chat_id=logged.subject_id, message_seq=logged.message_seq
        )
    return _PERSONAL[kind](logged.subject_id, (*happened, logged.user_id), rows)


# How a personal event is made of its subject, what all of them have, and what was loaded.
_PERSONAL: dict[EventKind, Callable[[UUID, PersonalPart, Rows], Event]] = {
    EventKind.SESSION_STARTED: lambda session_id, part, rows: SessionStarted(
        *part, session=rows.sessions.get(session_id), user=rows.people[part[3]]
    ),
    EventKind.SESSION_ENDED: lambda session_id, part, _: SessionEnded(*part, session_id=session_id),
    EventKind.PROFILE_CHANGED: lambda _, part, rows: ProfileChanged(
        *part, user=rows.people[part[3]]
    ),
    EventKind.SETTINGS_CHANGED: lambda _, part, __: SettingsChanged(*part),
}


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
