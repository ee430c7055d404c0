"""What can be done about bots: a part of `Mutation`."""

import strawberry

from schema import bots as bot_fields


@strawberry.type
class BotMutations:
    create_bot: bot_fields.CreateBotPayload = strawberry.mutation(
        resolver=bot_fields.create_bot, description="Make an account for a program."
    )
    create_bot_token: bot_fields.CreateBotTokenPayload = strawberry.mutation(
        resolver=bot_fields.create_bot_token,
        description="Make a token that signs a bot of the viewer's in.",
    )
    revoke_bot_token: bot_fields.RevokeBotTokenPayload = strawberry.mutation(
        resolver=bot_fields.revoke_bot_token, description="End a bot's token, with its sockets."
    )
    delete_bot: bot_fields.DeleteBotPayload = strawberry.mutation(
        resolver=bot_fields.delete_bot,
        description="Close a bot for good. It leaves its groups; what it has written stays.",
    )
