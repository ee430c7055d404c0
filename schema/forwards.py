"""Messages passed on to other chats, and where they come from."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import messages
from resolvers import forwarding as use_cases
from schema import chats as chat_types
from schema import messages as message_types
from schema.batching import batched
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message
from schema.users import User, visible_users

if TYPE_CHECKING:
    from schema.chats import Chat
    from schema.messages import Message

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]
LazyMessage = Annotated["Message", strawberry.lazy("schema.messages")]


async def _senders(objects: Sequence["ForwardOrigin"], info: Info) -> list[User | None]:
    wanted = {origin.sender_id for origin in objects if origin.sender_id is not None}
    ids = list(wanted)
    seen = dict(zip(ids, await visible_users(info.context, ids), strict=True))
    found = [seen.get(origin.sender_id) if origin.sender_id else None for origin in objects]
    return [user if user is not None and not user.is_deleted else None for user in found]


async def _chats(objects: Sequence["ForwardOrigin"], info: Info) -> "list[chat_types.Chat | None]":
    ids = [origin.chat_id for origin in objects if origin.chat_id is not None]
    readable = await chat_types.readable_chats(info.context, ids)
    seen = dict(zip(ids, readable, strict=True))
    return [seen.get(origin.chat_id) if origin.chat_id else None for origin in objects]


async def _messages(
    objects: Sequence["ForwardOrigin"], info: Info
) -> "list[message_types.Message | None]":
    return await message_types.readable_messages(
        info.context,
        [
            (origin.chat_id, origin.seq)
            if origin.chat_id is not None and origin.seq is not None
            else None
            for origin in objects
        ],
    )


@strawberry.type(
    description="Where a forwarded message was first written. When is told to everybody; by whom, "
    "and where, to those who may see that."
)
class ForwardOrigin:
    sent_at: datetime = strawberry.field(description="When it was first sent.")
    sender: User | None = batched(
        _senders,
        description="Who wrote it; null if the viewer may not see them, or the account is gone.",
    )
    chat: LazyChat | None = batched(
        _chats, description="The chat it was written in; null if the viewer is not in it."
    )
    message: LazyMessage | None = batched(
        _messages, description="The message itself; null if it is not there for the viewer."
    )
    sender_id: strawberry.Private[UUID | None]
    chat_id: strawberry.Private[UUID | None]
    seq: strawberry.Private[int | None]

    @classmethod
    def of(cls, row: messages.Message) -> Self | None:
        """Return where a message was forwarded from; None if it was not."""
        if row.forward_sent_at is None:
            return None
        return cls(
            sent_at=row.forward_sent_at,
            sender_id=row.forward_sender_id,
            chat_id=row.forward_chat_id,
            seq=row.forward_seq,
        )


@strawberry.input(description="Messages to pass on.")
class ForwardMessagesInput:
    message_ids: list[strawberry.ID] = strawberry.field(
        description="The messages, in the order in which they are to stand: "
        f"{use_cases.MAX_FORWARDED} at most."
    )
    to_chat_id: strawberry.ID = strawberry.field(description="Where to.")
    client_message_ids: list[UUID] = strawberry.field(
        description="A fresh random UUID for each of them, in the same order. Repeat them to "
        "retry: each message is stored once."
    )


@strawberry.type(description="The messages as stored: they will not be lost from here on.")
class ForwardMessagesPayload:
    messages: list[LazyMessage] | None = strawberry.field(
        default=None, description="The new messages, in the order of the input."
    )
    errors: list[UserError] = errors_field()


_FORWARDING = strawberry.argument(description="The messages.")


@refusals_into(ForwardMessagesPayload)
async def forward_messages(
    info: Info, input: Annotated[ForwardMessagesInput, _FORWARDING]
) -> ForwardMessagesPayload:
    """Resolve `Mutation.forwardMessages`."""
    rows = await use_cases.forward(
        info.context.services,
        info.context.signed_in,
        keys=[decode_message(id_, path="messageIds") for id_ in input.message_ids],
        chat_id=decode(Kind.CHAT, input.to_chat_id, path="toChatId"),
        client_message_ids=input.client_message_ids,
    )
    return ForwardMessagesPayload(messages=[message_types.Message.of(row) for row in rows])
