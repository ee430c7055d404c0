"""Events as the schema shows them, and the subscription to them."""

from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import Annotated, Any

import strawberry

from realtime import events
from schema.chats import Chat
from schema.context import Info
from schema.ids import Kind, decode, encode_message
from schema.members import Membership
from schema.messages import Message
from schema.users import User


@strawberry.interface(description="Something durable that happened in one of the viewer's chats.")
class Event:
    chat: Chat | None = strawberry.field(description="Where it happened.")
    seq: int | None = strawberry.field(
        description="Its number among the chat's events: from 1, without gaps. Not a message's."
    )
    occurred_at: datetime = strawberry.field(description="When it happened.")
    actor: User | None = strawberry.field(
        description="Who did it; null when nobody in particular did."
    )


@strawberry.type(description="A chat with the viewer in it was started.")
class ChatCreated(Event):
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


@strawberry.type(description="A message was sent.")
class MessageSent(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has another text.")
class MessageEdited(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has no content any more.")
class MessageDeleted(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")


def _with_membership(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    return lambda event, common: type_(
        membership=Membership.of(event.membership, user=User.of(event.user)), **common
    )


def _with_message(type_: Callable[..., Event]) -> Callable[[Any, dict[str, Any]], Event]:
    return lambda event, common: type_(
        message=Message.of(event.message, sender=User.of(event.sender)), **common
    )


def _deleted(event: events.MessageDeleted, common: dict[str, Any]) -> Event:
    return MessageDeleted(
        message_id=strawberry.ID(encode_message((event.chat.id, event.message_seq))),
        message_seq=event.message_seq,
        **common,
    )


_SHOWN: dict[type[events.Event], Callable[[Any, dict[str, Any]], Event]] = {
    events.ChatCreated: lambda _, common: ChatCreated(**common),
    events.MemberJoined: _with_membership(MemberJoined),
    events.MemberLeft: _with_membership(MemberLeft),
    events.MemberRoleChanged: _with_membership(MemberRoleChanged),
    events.MessageSent: _with_message(MessageSent),
    events.MessageEdited: _with_message(MessageEdited),
    events.MessageDeleted: _deleted,
}

# Types that only an interface leads to; a schema must be told about them.
EVENT_TYPES: list[type[Event]] = [
    ChatCreated,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MessageSent,
    MessageEdited,
    MessageDeleted,
]


def shown(event: events.Event) -> Event:
    """Return an event as the schema shows it."""
    common = {
        "chat": Chat.of(event.chat),
        "seq": event.seq,
        "occurred_at": event.occurred_at,
        "actor": User.of(event.actor) if event.actor else None,
    }
    return _SHOWN[type(event)](event, common)


_CHAT_IDS = strawberry.argument(
    description="Only of these chats; an error if one is not the viewer's. All of them if absent, "
    "those joined later included."
)


async def subscribe_events(
    info: Info, chat_ids: Annotated[list[strawberry.ID] | None, _CHAT_IDS] = None
) -> AsyncGenerator[Event, None]:
    """Resolve `Subscription.events`."""
    viewer = info.context.signed_in
    keys = (
        None
        if chat_ids is None
        else [decode(Kind.CHAT, chat_id, path="chatIds") for chat_id in chat_ids]
    )
    async with info.context.services.node.hub.events(viewer.user_id, keys) as mailbox:
        while True:
            yield shown(await mailbox.get())
