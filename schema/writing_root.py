"""What can be done with polls, drafts, and messages for later: a part of `Mutation`."""

import strawberry

from schema import polling as poll_fields


@strawberry.type
class WritingMutations:
    vote_poll: poll_fields.VotePollPayload = strawberry.mutation(
        resolver=poll_fields.vote_poll, description="Vote in a poll, or take that back."
    )
    close_poll: poll_fields.ClosePollPayload = strawberry.mutation(
        resolver=poll_fields.close_poll,
        description="Let nobody vote in a poll any more. Its sender may, and who may delete "
        "others' messages.",
    )
