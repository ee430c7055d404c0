"""Events as the schema shows them, and the subscription to them."""

from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry

from models.receipts import SHOWN_UP_TO
from realtime import events
from realtime.cursor import scope_of
from resolvers.services import utc_now
from schema.batching import batched
from schema.chats import Chat
from schema.context import Info
from schema.cursor import Cursor
from schema.ids import Kind, decode, encode, encode_message
from schema.members import Membership
from schema.messages import Message
from schema.sessions import Session
from schema.settings import Settings, settings_of_each
from schema.sources import source
from schema.users import User


@strawberry.interface(
    description="Something that happened in one of the viewer's chats, or to the viewer."
)
class Event:
    cursor: Cursor = strawberry.field(
        description="Resumes right after this event: give it to `events(after:)`. Keep the last."
    )
    chat: Chat | None = strawberry.field(
        description="Where it happened; null for what concerns the viewer alone."
    )
    seq: int | None = strawberry.field(
        description="Its number among the chat's events: from 1, without gaps; null for what is "
        "not one of them. Not a message's."
    )
    occurred_at: datetime = strawberry.field(
        description="When it happened; for what is not an event of a chat, when it was told."
    )
    actor: User | None = strawberry.field(
        description="Who did it; null when nobody in particular did."
    )


@strawberry.type(description="A chat with the viewer in it was started.")
class ChatCreated(Event):
    pass


@strawberry.type(description="The chat has another title or description.")
class ChatChanged(Event):
    pass


@strawberry.type(description="Somebody is in the chat from now on.")
class MemberJoined(Event):
    membership: Membership = strawberry.field(description="Their place in the chat.")


@strawberry.type(description="Somebody left or was removed; for themselves, the chat's last event.")
class MemberLeft(Event):
    membership: Membership = strawberry.field(description="The place they had in the chat.")


@strawberry.type(description="Somebody may do more, or less, in the chat than before.")
class MemberRoleChanged(Event):
    membership: Membership = strawberry.field(description="Their place in the chat.")


@strawberry.type(description="A message was sent. Its sender has read everything up to it.")
class MessageSent(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has another text.")
class MessageEdited(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has no content any more.")
class MessageDeleted(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")


@strawberry.type(description="Somebody reacted to a message, or took that back.")
class ReactionsChanged(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(
    description="Somebody got further in receiving or reading. Only the latest of each person "
    "counts, and after a resume it may come again; in chats of more than "
    f"{SHOWN_UP_TO} people everybody hears only of their own."
)
class ReceiptsAdvanced(Event):
    user: User = strawberry.field(description="Who.")
    delivered_seq: int = strawberry.field(
        description="The last message that reached a device of theirs."
    )
    read_seq: int = strawberry.field(description="The last message they have read.")


@strawberry.type(description="The viewer signed in on another device.")
class SessionStarted(Event):
    session: Session | None = strawberry.field(
        description="The session; null when it is long over."
    )


@strawberry.type(description="The viewer signed out, or was signed out, on a device.")
class SessionEnded(Event):
    session_id: strawberry.ID = strawberry.field(description="The id of the session.")


@strawberry.type(
    description="The viewer has another profile, or another handle. Others are not told: they see "
    "it with whatever they fetch or are told next."
)
class ProfileChanged(Event):
    user: User = strawberry.field(description="The viewer, as they are now.")


@strawberry.type(description="The viewer has other settings.")
class SettingsChanged(Event):
    settings: Settings = batched(
        settings_of_each, description="The viewer's settings, as they are now."
    )


@strawberry.type(
    description="Nothing happened for a while: here is a fresh cursor, to resume cheaply from."
)
class CursorAdvanced(Event):
    pass


@strawberry.enum(description="Why what was missed cannot be told.")
class ResyncReason(Enum):
    EXPIRED = strawberry.enum_value(
        "expired", description="The cursor is older than what the log still holds."
    )
    LOG_REPLACED = strawberry.enum_value(
        "log_replaced", description="The database was restored or replaced since."
    )


@strawberry.type(
    description="What was missed is not known any more, and the subscription ends here: fetch "
    "afresh, then subscribe from `viewer.cursor`."
)
class ResyncRequired(Event):
    reason: ResyncReason = strawberry.field(description="Why.")


def _with_membership(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    return lambda event, common: type_(
        membership=Membership.of(event.membership, event.chat, user=User.of(event.user)), **common
    )


def _with_message(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    return lambda event, common: type_(
        message=Message.of(
            event.message,
            sender=User.of(event.sender),
            chat=common["chat"],
            reactions=event.reactions,
        ),
        **common,
    )


def _deleted(event: events.MessageDeleted, common: dict[str, Any]) -> Event:
    return MessageDeleted(
        message_id=strawberry.ID(encode_message((event.chat.id, event.message_seq))),
        message_seq=event.message_seq,
        **common,
    )


_IN_CHAT: dict[type[events.ChatEvent], Callable[[Any, dict[str, Any]], Event]] = {
    events.ChatCreated: lambda _, common: ChatCreated(**common),
    events.ChatChanged: lambda _, common: ChatChanged(**common),
    events.MemberJoined: _with_membership(MemberJoined),
    events.MemberLeft: _with_membership(MemberLeft),
    events.MemberRoleChanged: _with_membership(MemberRoleChanged),
    events.MessageSent: _with_message(MessageSent),
    events.MessageEdited: _with_message(MessageEdited),
    events.MessageDeleted: _deleted,
    events.ReactionsChanged: _with_message(ReactionsChanged),
}

# Types that only an interface leads to; a schema must be told about them.
EVENT_TYPES: list[type[Event]] = [
    ChatCreated,
    ChatChanged,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MessageSent,
    MessageEdited,
    MessageDeleted,
    ReactionsChanged,
    ReceiptsAdvanced,
    SessionStarted,
    SessionEnded,
    ProfileChanged,
    SettingsChanged,
    CursorAdvanced,
    ResyncRequired,
]


def shown(delivery: events.Delivery, cursor: Cursor) -> Event:
    """Return an event as the schema shows it."""
    nowhere: dict[str, Any] = {"cursor": cursor, "chat": None, "seq": None, "actor": None}
    match delivery.event:
        case events.ChatEvent() as event:
            common = {
                "cursor": cursor,
                "chat": Chat.of(event.chat),
                "seq": event.seq,
                "occurred_at": event.occurred_at,
                "actor": User.of(event.actor) if event.actor else None,
            }
            return _IN_CHAT[type(event)](event, common)
        case events.ReceiptsAdvanced() as receipt:
            user = User.of(receipt.user)
            return ReceiptsAdvanced(
                user=user,
                delivered_seq=receipt.delivered_seq,
                read_seq=receipt.read_seq,
                **{**nowhere, "chat": Chat.of(receipt.chat), "actor": user},
                occurred_at=receipt.occurred_at,
            )
        case events.SessionStarted() as started:
            user = User.of(started.user)
            session = Session.of(started.session, user) if started.session else None
            return SessionStarted(session=session, occurred_at=started.occurred_at, **nowhere)
        case events.SessionEnded() as ended:
            session_id = strawberry.ID(encode(Kind.SESSION, ended.session_id))
            return SessionEnded(session_id=session_id, occurred_at=ended.occurred_at, **nowhere)
        case events.ProfileChanged() as changed:
            user = User.of(changed.user)
            return ProfileChanged(user=user, occurred_at=changed.occurred_at, **nowhere)
        case events.SettingsChanged() as set_:
            return SettingsChanged(occurred_at=set_.occurred_at, **nowhere)
        case events.ResyncRequired(reason=reason):
            known = ResyncReason[reason.name]
            return ResyncRequired(reason=known, occurred_at=utc_now(), **nowhere)
        case events.CursorAdvanced():
            return CursorAdvanced(occurred_at=utc_now(), **nowhere)
        case unknown:
            raise TypeError(f"no type shows {unknown!r}")


_CHAT_IDS = strawberry.argument(
    description="Only of these chats; an error if one is not the viewer's. All of them if absent, "
    "those joined later included."
)


_AFTER = strawberry.argument(
    description="Where to go on: the `cursor` of the last event, or `viewer.cursor` as fetched "
    "with the state to be kept up to date. Everything since arrives once and in order, then what "
    "happens. Absent: from now on."
)


def subscribe_events(
    info: Info,
    after: Annotated[Cursor | None, _AFTER] = None,
    chat_ids: Annotated[list[strawberry.ID] | None, _CHAT_IDS] = None,
) -> AsyncGenerator[Event, None]:
    """Resolve `Subscription.events`."""
    viewer = info.context.signed_in
    keys = (
        None
        if chat_ids is None
        else [decode(Kind.CHAT, chat_id, path="chatIds") for chat_id in chat_ids]
    )
    services, scope = info.context.services, scope_of(keys)
    cursors = services.credentials.cursors
    last = info.context.resume_after or after
    start = cursors.decode(last, scope) if last is not None else None
    subscribed: AsyncGenerator[Event, None] = source(
        open=lambda: services.node.feeds.open(viewer.user_id, keys, start),
        show=lambda delivery, cursor: shown(delivery, Cursor(cursor or "")),
        cursor_after=lambda delivery: cursors.encode(delivery.cursor, scope),
        scope=scope,
    )
    return subscribed
