"""The subscription to events, and how each of them becomes a type of the schema."""

from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Any

import strawberry

from models.drafts import THE_CHAT
from realtime import events
from realtime.cursor import scope_of
from resolvers.services import utc_now
from schema.chats import Chat
from schema.context import Info
from schema.cursor import Cursor
from schema.event_types import (
    BlocksChanged,
    ChatChanged,
    ChatCreated,
    CursorAdvanced,
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
    ResyncReason,
    ResyncRequired,
    ScheduledMessagesChanged,
    SessionEnded,
    SessionStarted,
    SettingsChanged,
    ThreadChanged,
    ViewerMembershipChanged,
    WebhookDisabled,
)
from schema.ids import Kind, decode, encode, encode_message, encode_thread
from schema.members import Membership
from schema.messages import Message
from schema.sessions import Session
from schema.sources import source
from schema.users import User


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
            subject=User.of(event.subject) if event.subject else None,
            mentions=[User.of(user) for user in event.mentioned],
            tally=event.tally,
            link_preview=event.link_preview,
        ),
        **common,
    )


def _naming_message(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    return lambda event, common: type_(
        message_id=strawberry.ID(encode_message((event.chat.id, event.message_seq))),
        message_seq=event.message_seq,
        **common,
    )


def _without_message(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    def show(event: Any, common: dict[str, Any]) -> Event:
        thread_id = None
        if event.thread_root_seq is not None:
            thread_id = strawberry.ID(encode_thread((event.chat.id, event.thread_root_seq)))
        return _naming_message(type_)(event, {**common, "thread_id": thread_id})

    return show


def _pinned(event: events.MessagePinned, common: dict[str, Any]) -> Event:
    key = (event.chat.id, event.message_seq)
    return MessagePinned(
        message_id=strawberry.ID(encode_message(key)),
        message_seq=event.message_seq,
        key=key,
        **common,
    )


_IN_CHAT: dict[type[events.ChatEvent], Callable[[Any, dict[str, Any]], Event]] = {
    events.ChatCreated: lambda _, common: ChatCreated(**common),
    events.ChatChanged: lambda _, common: ChatChanged(**common),
    events.MemberJoined: _with_membership(MemberJoined),
    events.MemberLeft: _with_membership(MemberLeft),
    events.MemberRoleChanged: _with_membership(MemberRoleChanged),
    events.MemberSilenced: _with_membership(MemberSilenced),
    events.MessageSent: _with_message(MessageSent),
    events.MessageEdited: _with_message(MessageEdited),
    events.MessageDeleted: _without_message(MessageDeleted),
    events.MessageExpired: _without_message(MessageExpired),
    events.ReactionsChanged: _with_message(ReactionsChanged),
    events.MessagePinned: _pinned,
    events.MessageUnpinned: _naming_message(MessageUnpinned),
    events.PollChanged: _with_message(PollChanged),
    events.LinkPreviewAdded: _with_message(LinkPreviewAdded),
}


def _started(event: events.SessionStarted, common: dict[str, Any]) -> Event:
    session = Session.of(event.session, User.of(event.user)) if event.session else None
    return SessionStarted(session=session, **common)


def _ended(event: events.SessionEnded, common: dict[str, Any]) -> Event:
    session_id = strawberry.ID(encode(Kind.SESSION, event.session_id))
    return SessionEnded(session_id=session_id, **common)


def _kept(event: events.ViewerMembershipChanged, common: dict[str, Any]) -> Event:
    del common["chat"]  # asked for by the viewer: they may have left it
    return ViewerMembershipChanged(chat_id=event.chat_id, **common)


def _hidden(event: events.MessageHidden, common: dict[str, Any]) -> Event:
    return MessageHidden(
        message_id=strawberry.ID(encode_message((event.chat_id, event.message_seq))),
        message_seq=event.message_seq,
        **common,
    )


def _scheduled(event: events.ScheduledMessagesChanged, common: dict[str, Any]) -> Event:
    chat_id = strawberry.ID(encode(Kind.CHAT, event.chat_id))
    return ScheduledMessagesChanged(chat_id=chat_id, of_chat=event.chat_id, **common)


def _drafted(event: events.DraftChanged, common: dict[str, Any]) -> Event:
    root_seq = event.thread_root_seq
    thread_id = None if root_seq is None else encode_thread((event.chat_id, root_seq))
    return DraftChanged(
        chat_id=strawberry.ID(encode(Kind.CHAT, event.chat_id)),
        thread_id=strawberry.ID(thread_id) if thread_id else None,
        place=(event.chat_id, root_seq or THE_CHAT),
        **common,
    )


def _cleared(event: events.HistoryCleared, common: dict[str, Any]) -> Event:
    chat_id = strawberry.ID(encode(Kind.CHAT, event.chat_id))
    return HistoryCleared(chat_id=chat_id, cleared_seq=event.message_seq, **common)


_PERSONAL: dict[type[events.PersonalEvent], Callable[[Any, dict[str, Any]], Event]] = {
    events.SessionStarted: _started,
    events.SessionEnded: _ended,
    events.ProfileChanged: lambda event, common: ProfileChanged(user=User.of(event.user), **common),
    events.MessageHidden: _hidden,
    events.HistoryCleared: _cleared,
    events.SettingsChanged: lambda _, common: SettingsChanged(**common),
    events.BlocksChanged: lambda event, common: BlocksChanged(user=User.of(event.user), **common),
    events.JoinRequestsChanged: lambda event, common: JoinRequestsChanged(
        chat_id=strawberry.ID(encode(Kind.CHAT, event.chat_id)), **common
    ),
    events.JoinRequestAnswered: lambda event, common: JoinRequestAnswered(
        request_id=strawberry.ID(encode(Kind.JOIN_REQUEST, event.request_id)),
        approved=event.approved,
        **common,
    ),
    events.FoldersChanged: lambda _, common: FoldersChanged(**common),
    events.ViewerMembershipChanged: _kept,
    events.ScheduledMessagesChanged: _scheduled,
    events.DraftChanged: _drafted,
    events.ThreadChanged: lambda event, common: ThreadChanged(
        thread_id=strawberry.ID(encode_thread((event.chat_id, event.root_seq))),
        root=(event.chat_id, event.root_seq),
        **common,
    ),
    events.WebhookDisabled: lambda event, common: WebhookDisabled(
        webhook_id=strawberry.ID(encode(Kind.WEBHOOK, event.webhook_id)), **common
    ),
}


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
        case events.PersonalEvent() as personal:
            common = {**nowhere, "occurred_at": personal.occurred_at}
            return _PERSONAL[type(personal)](personal, common)
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


AFTER = strawberry.argument(
    description="Where to go on: the `cursor` of the last event, or `viewer.cursor` as fetched "
    "with the state to be kept up to date. Everything since arrives once and in order, then what "
    "happens. Absent: from now on."
)


def subscribe_events(
    info: Info,
    after: Annotated[Cursor | None, AFTER] = None,
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
