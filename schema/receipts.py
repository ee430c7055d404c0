"""The mutations that move the viewer's pointers in a chat."""

from typing import Annotated

import strawberry

from resolvers import receipts as use_cases
from schema.chats import Chat
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode


@strawberry.input(description="How far the viewer has read.")
class MarkReadInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    seq: int = strawberry.field(
        description="The number of the last message read. The pointer never goes back."
    )


@strawberry.type(description="The chat, with the viewer's counts as they are now.")
class MarkReadPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="How far a chat has reached a device of the viewer.")
class MarkDeliveredInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    seq: int = strawberry.field(
        description="The number of the last message received. The pointer never goes back."
    )


@strawberry.type(description="The chat, with the viewer's pointers as they are now.")
class MarkDeliveredPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


_POINTER = strawberry.argument(description="How far.")


@refusals_into(MarkReadPayload)
async def mark_read(info: Info, input: Annotated[MarkReadInput, _POINTER]) -> MarkReadPayload:
    """Resolve `Mutation.markRead`."""
    row = await use_cases.mark_read(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        seq=input.seq,
    )
    return MarkReadPayload(chat=Chat.of(row))


@refusals_into(MarkDeliveredPayload)
async def mark_delivered(
    info: Info, input: Annotated[MarkDeliveredInput, _POINTER]
) -> MarkDeliveredPayload:
    """Resolve `Mutation.markDelivered`."""
    row = await use_cases.mark_delivered(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        seq=input.seq,
    )
    return MarkDeliveredPayload(chat=Chat.of(row))
