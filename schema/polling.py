"""The mutations about polls that were sent."""

from typing import Annotated

import strawberry

from resolvers import polls as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import decode_message
from schema.messages import Message


@strawberry.input(description="The viewer's votes in a poll, in place of those they had.")
class VotePollInput:
    message_id: strawberry.ID = strawberry.field(description="The message that is the poll.")
    options: list[int] = strawberry.field(
        description="The indexes of the answers chosen: none takes a vote back, and more than one "
        "needs a poll that takes several."
    )


@strawberry.type(description="The poll with the viewer's votes.")
class VotePollPayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A poll in which nobody is to vote any more.")
class ClosePollInput:
    message_id: strawberry.ID = strawberry.field(description="The message that is the poll.")


@strawberry.type(description="The poll, closed.")
class ClosePollPayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


_VOTES = strawberry.argument(description="The votes.")
_CLOSING = strawberry.argument(description="The poll.")


@refusals_into(VotePollPayload)
async def vote_poll(info: Info, input: Annotated[VotePollInput, _VOTES]) -> VotePollPayload:
    """Resolve `Mutation.votePoll`."""
    row = await use_cases.vote(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
        options=input.options,
    )
    return VotePollPayload(message=Message.of(row))


@refusals_into(ClosePollPayload)
async def close_poll(info: Info, input: Annotated[ClosePollInput, _CLOSING]) -> ClosePollPayload:
    """Resolve `Mutation.closePoll`."""
    row = await use_cases.close(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
    )
    return ClosePollPayload(message=Message.of(row))
