"""The mutations that delete for the viewer alone."""

from typing import Annotated

import strawberry

from resolvers import hiding as use_cases
from schema.chats import Chat
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message
from schema.messages import Message


@strawberry.input(description="A message that the viewer does not want to see any more.")
class HideMessageInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")


@strawberry.type(description="The message as the viewer sees it from now on: as if it was deleted.")
class HideMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A chat whose history the viewer does not want to see any more.")
class ClearHistoryInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")


@strawberry.type(description="The chat, with nothing in it for the viewer.")
class ClearHistoryPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    cleared_seq: int | None = strawberry.field(
        default=None, description="The number of the last message that went."
    )
    errors: list[UserError] = errors_field()


_HIDING = strawberry.argument(description="What to hide.")


@refusals_into(HideMessagePayload)
async def hide_message(
    info: Info, input: Annotated[HideMessageInput, _HIDING]
) -> HideMessagePayload:
    """Resolve `Mutation.hideMessage`."""
    row = await use_cases.hide(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
    )
    return HideMessagePayload(message=Message.of(row))


@refusals_into(ClearHistoryPayload)
async def clear_history(
    info: Info, input: Annotated[ClearHistoryInput, _HIDING]
) -> ClearHistoryPayload:
    """Resolve `Mutation.clearHistory`."""
    row, last = await use_cases.clear_history(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
    )
    return ClearHistoryPayload(chat=Chat.of(row), cleared_seq=last)
