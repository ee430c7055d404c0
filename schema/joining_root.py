"""Ways into chats: a part of `Query` and of `Mutation`."""

import strawberry

from schema import joining


@strawberry.type
class JoiningQueries:
    join_link: joining.JoinLinkPreview | None = strawberry.field(
        resolver=joining.join_link,
        description="Where a link leads to; null if it is not, or no longer, a way in for the "
        "viewer.",
    )


@strawberry.type
class JoiningMutations:
    create_join_link: joining.CreateJoinLinkPayload = strawberry.mutation(
        resolver=joining.create_join_link,
        description="Open a way into a chat for people with an account.",
    )
    revoke_join_link: joining.RevokeJoinLinkPayload = strawberry.mutation(
        resolver=joining.revoke_join_link, description="Close a link; who came by it stays."
    )
    join_chat: joining.JoinChatPayload = strawberry.mutation(
        resolver=joining.join_chat,
        description="Come into a chat by a link, or ask to be let in where the link says so.",
    )
    answer_join_request: joining.AnswerJoinRequestPayload = strawberry.mutation(
        resolver=joining.answer_join_request,
        description="Let somebody in who asks for it, or decline.",
    )
    withdraw_join_request: joining.WithdrawJoinRequestPayload = strawberry.mutation(
        resolver=joining.withdraw_join_request,
        description="Take one's own request to be let in back.",
    )
