"""The mutations about reactions to messages."""

from typing import Annotated

import strawberry

from models.reactions import MAX_KINDS
from resolvers import reactions as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import decode_message
from schema.messages import Message


@strawberry.input(description="A reaction to a message.")
class AddReactionInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")
    emoji: str = strawberry.field(
        description=f"One emoji, or a word: 1 to {use_cases.MAX_EMOJI} characters without space. "
        f"A message takes {MAX_KINDS} different ones."
    )


@strawberry.type(description="The message with the viewer's reaction.")
class AddReactionPayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A reaction to take back.")
class RemoveReactionInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")
    emoji: str = strawberry.field(description="The reaction.")


@strawberry.type(description="The message without that reaction of the viewer.")
class RemoveReactionPayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


_REACTION = strawberry.argument(description="The reaction.")


@refusals_into(AddReactionPayload)
async def add_reaction(
    info: Info, input: Annotated[AddReactionInput, _REACTION]
) -> AddReactionPayload:
    """Resolve `Mutation.addReaction`."""
    return AddReactionPayload(message=await _react(info, input, wanted=True))


@refusals_into(RemoveReactionPayload)
async def remove_reaction(
    info: Info, input: Annotated[RemoveReactionInput, _REACTION]
) -> RemoveReactionPayload:
    """Resolve `Mutation.removeReaction`."""
    return RemoveReactionPayload(message=await _react(info, input, wanted=False))


async def _react(
    info: Info, input: AddReactionInput | RemoveReactionInput, *, wanted: bool
) -> Message:
    row = await use_cases.react(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
        emoji=input.emoji,
        wanted=wanted,
    )
    return Message.of(row)
