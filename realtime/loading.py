"""Making events of the log's rows: all that a batch refers to is loaded in a few statements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from models import (
    blocks,
    chats,
    link_previews,
    members,
    mentions,
    messages,
    polls,
    reactions,
    sessions,
    settings,
    users,
)
from models.chats import Chat, ChatKind
from models.database import Connection
from models.events import EventKind, LoggedEvent
from models.link_previews import LinkPreview
from models.members import Member
from models.messages import Message, MessageKey, MessageKind
from models.polls import NO_VOTES, Tally
from models.reactions import ReactionGroup
from models.receipts import Receipt
from models.sessions import Session
from models.users import User
from realtime.events import (
    BlocksChanged,
    ChatChanged,
    ChatCreated,
    DraftChanged,
    Event,
    FoldersChanged,
    HistoryCleared,
    JoinRequestAnswered,
    JoinRequestsChanged,
    LinkPreviewAdded,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MemberSilenced,
    MessageDeleted,
    MessageEdited,
    MessageExpired,
    MessageHidden,
    MessagePinned,
    MessageSent,
    MessageUnpinned,
    PollChanged,
    ProfileChanged,
    ReactionsChanged,
    ReceiptsAdvanced,
    ScheduledMessagesChanged,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
    ThreadChanged,
    ViewerMembershipChanged,
    WebhookDisabled,
)

log = structlog.get_logger(__name__)

_ABOUT_MEMBER = {
    EventKind.MEMBER_JOINED: MemberJoined,
    EventKind.MEMBER_LEFT: MemberLeft,
    EventKind.MEMBER_ROLE_CHANGED: MemberRoleChanged,
    EventKind.MEMBER_SILENCED: MemberSilenced,
}
_ABOUT_MESSAGE: dict[EventKind, Callable[..., Event]] = {
    EventKind.MESSAGE_SENT: MessageSent,
    EventKind.MESSAGE_EDITED: MessageEdited,
    EventKind.REACTIONS_CHANGED: ReactionsChanged,
    EventKind.POLL_CHANGED: PollChanged,
    EventKind.LINK_PREVIEW_ADDED: LinkPreviewAdded,
}
# A message that has no content any more.
_ABOUT_NOTHING_LEFT: dict[EventKind, Callable[..., Event]] = {
    EventKind.MESSAGE_DELETED: MessageDeleted,
    EventKind.MESSAGE_EXPIRED: MessageExpired,
}
# These say which message it is, and nothing of it.
_NAMING_MESSAGE: dict[EventKind, Callable[..., Event]] = {
    EventKind.MESSAGE_PINNED: MessagePinned,
    EventKind.MESSAGE_UNPINNED: MessageUnpinned,
}
_OF_OWN_HISTORY: dict[EventKind, Callable[..., Event]] = {
    EventKind.MESSAGE_HIDDEN: MessageHidden,
    EventKind.HISTORY_CLEARED: HistoryCleared,
}

# Of a deleted or expired message is told which thread it was in.
_WITH_MESSAGE = {*_ABOUT_MESSAGE, *_ABOUT_NOTHING_LEFT}


# Its place in the log, when it happened, who did it, the chat, and the number in that.
SeenPart = tuple[int, datetime, User | None, Chat, int]
# … and whom it is told.
PersonalPart = tuple[int, datetime, User | None, UUID]


@dataclass(frozen=True, slots=True)
class Rows:
    """What the events of a batch refer to, loaded together."""

    chats: dict[UUID, Chat]
    messages: dict[MessageKey, Message]
    reactions: dict[MessageKey, list[ReactionGroup]]
    link_previews: dict[MessageKey, LinkPreview]
    people: dict[UUID, User]
    stays: Sequence[Member]
    founder_ids: dict[UUID, list[UUID]]
    sessions: dict[UUID, Session]
    mentions: dict[MessageKey, list[UUID]] = field(default_factory=dict)
    # Who hides how far they have read, of those whose settings changed.
    hiding: set[UUID] = field(default_factory=set)
    tallies: dict[MessageKey, Tally] = field(default_factory=dict)  # of the polls


async def load(connection: Connection, logged: Sequence[LoggedEvent]) -> list[Event]:
    """Return the events of a batch in their order, all they refer to loaded in a few statements."""
    message_rows = await messages.by_keys(
        connection,
        {
            (event.chat_id, event.message_seq)
            for event in logged
            if event.kind in _WITH_MESSAGE and event.chat_id and event.message_seq
        },
    )
    people = {
        user_id for event in logged for user_id in (event.user_id, event.actor_id, event.subject_id)
    }
    people |= {message.sender_id for message in message_rows.values()}
    people |= {message.subject_id for message in message_rows.values()}
    # Most messages name nobody, which their text tells.
    naming = {key for key, message in message_rows.items() if "@" in message.text}
    mentioned = await mentions.of(connection, naming) if naming else {}
    people |= {user_id for named in mentioned.values() for user_id in named}
    there = {key for key, message in message_rows.items() if message.deleted_at is None}
    changed = {
        event.user_id
        for event in logged
        if event.kind == EventKind.SETTINGS_CHANGED and event.user_id
    }
    rows = Rows(
        chats=await chats.by_ids(connection, {event.chat_id for event in logged if event.chat_id}),
        messages=message_rows,
        # Of what has expired none are told, whether they are there still or not.
        reactions=await reactions.groups(connection, there),
        link_previews=await link_previews.of_messages(
            connection, {key: message_rows[key] for key in there}
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
        mentions=mentioned,
        hiding=await settings.hiding(connection, changed) if changed else set(),
        tallies=await polls.tallies(
            connection,
            {key for key, message in message_rows.items() if message.kind == MessageKind.POLL},
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
    return _about_message(kind, logged, seen, rows)


def _about_message(kind: EventKind, logged: LoggedEvent, seen: SeenPart, rows: Rows) -> Event:
    """Return an event about a message; one whose message is gone is its deletion."""
    if logged.message_seq is None:
        raise LookupError(f"event {logged.id} is about a message and names none")
    if kind in _NAMING_MESSAGE:
        return _NAMING_MESSAGE[kind](*seen, message_seq=logged.message_seq)
    key = (seen[3].id, logged.message_seq)
    message = rows.messages.get(key)
    if message is None or kind in _ABOUT_NOTHING_LEFT:
        gone = _ABOUT_NOTHING_LEFT.get(kind, MessageDeleted)
        root_seq = message.thread_root_seq if message else None
        return gone(*seen, message_seq=logged.message_seq, thread_root_seq=root_seq)
    return _ABOUT_MESSAGE[kind](
        *seen,
        message=message,
        sender=rows.people[message.sender_id],
        reactions=rows.reactions.get(key, ()),
        subject=rows.people.get(message.subject_id) if message.subject_id else None,
        mentioned=[rows.people[user_id] for user_id in rows.mentions.get(key, ())],
        tally=rows.tallies.get(key, NO_VOTES),
        link_preview=rows.link_previews.get(key),
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
    if kind is EventKind.SCHEDULED_MESSAGES_CHANGED:
        return ScheduledMessagesChanged(*happened, logged.user_id, chat_id=logged.subject_id)
    if kind is EventKind.THREAD_CHANGED and logged.message_seq is not None:
        return ThreadChanged(
            *happened, logged.user_id, chat_id=logged.subject_id, root_seq=logged.message_seq
        )
    if kind is EventKind.DRAFT_CHANGED:
        return DraftChanged(
            *happened,
            logged.user_id,
            chat_id=logged.subject_id,
            thread_root_seq=logged.message_seq,
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
    EventKind.BLOCKS_CHANGED: lambda user_id, part, rows: BlocksChanged(
        *part, user=rows.people[user_id]
    ),
    EventKind.JOIN_REQUESTS_CHANGED: lambda chat_id, part, _: JoinRequestsChanged(
        *part, chat_id=chat_id
    ),
    EventKind.JOIN_REQUEST_APPROVED: lambda request_id, part, _: JoinRequestAnswered(
        *part, request_id=request_id, approved=True
    ),
    EventKind.JOIN_REQUEST_DECLINED: lambda request_id, part, _: JoinRequestAnswered(
        *part, request_id=request_id, approved=False
    ),
    EventKind.FOLDERS_CHANGED: lambda _, part, __: FoldersChanged(*part),
    EventKind.VIEWER_MEMBERSHIP_CHANGED: lambda chat_id, part, _: ViewerMembershipChanged(
        *part, chat_id=chat_id
    ),
    EventKind.SETTINGS_CHANGED: lambda user_id, part, rows: SettingsChanged(
        *part, hides_receipts=user_id in rows.hiding
    ),
    EventKind.WEBHOOK_DISABLED: lambda webhook_id, part, _: WebhookDisabled(
        *part, webhook_id=webhook_id
    ),
}


def _stay(logged: LoggedEvent, seq: int, stays: Sequence[Member]) -> Member:
    """Return the stay during which something happened to a member; raises `LookupError`."""
    for stay in stays:
        theirs = (stay.chat_id, stay.user_id) == (logged.chat_id, logged.subject_id)
        if theirs and stay.joined_seq <= seq and (stay.left_seq is None or seq <= stay.left_seq):
            return stay
    raise LookupError(f"event {logged.id} belongs to no stay")


async def load_receipts(connection: Connection, moved: Sequence[Receipt]) -> list[ReceiptsAdvanced]:
    """Return receipts with whom they are about, in their order; hidden ones are their owner's."""
    if not moved:
        return []
    chats_ = await chats.by_ids(connection, {receipt.chat_id for receipt in moved})
    whose = {receipt.user_id for receipt in moved}
    people = await users.by_ids(connection, whose)
    hiding = await settings.hiding(connection, whose)
    divided = await blocks.divided(
        connection, [chat.id for chat in chats_.values() if chat.kind == ChatKind.DIRECT]
    )
    return [
        ReceiptsAdvanced(
            chats_[receipt.chat_id],
            people[receipt.user_id],
            receipt.delivered_seq,
            receipt.read_seq,
            receipt.moved_at,
            hidden=receipt.user_id in hiding or receipt.chat_id in divided,
        )
        for receipt in moved
        if receipt.chat_id in chats_
    ]
