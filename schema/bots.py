"""Bots, their tokens, and the mutations of who owns them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Self

import strawberry

from models import bots, users
from models.bots import BotScope as StoredScope
from resolvers import bots as use_cases
from schema.batching import batched
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.moments import moment
from schema.users import User


@strawberry.enum(description="What a bot's token allows.")
class BotScope(Enum):
    CHATS_READ = strawberry.enum_value(
        "chats:read", description="See the chats that the bot is in, and look things up by id."
    )
    CHATS_WRITE = strawberry.enum_value(
        "chats:write", description="Start chats, change their details, leave them."
    )
    MESSAGES_READ = strawberry.enum_value(
        "messages:read", description="Read messages, and hear of what happens in the bot's chats."
    )
    MESSAGES_WRITE = strawberry.enum_value(
        "messages:write", description="Send, edit and delete messages."
    )
    REACTIONS_WRITE = strawberry.enum_value("reactions:write", description="React to messages.")
    MEMBERS_READ = strawberry.enum_value(
        "members:read", description="See who is in a chat, and find people by handle."
    )
    MEMBERS_WRITE = strawberry.enum_value(
        "members:write", description="Add and remove people, where the bot's role covers it."
    )
    PROFILE_WRITE = strawberry.enum_value(
        "profile:write", description="Change the bot's own profile."
    )


def _scopes(stored: str) -> list[BotScope]:
    return [BotScope[scope.name] for scope in StoredScope if scope.value in bots.split(stored)]


def _stored(scopes: Sequence[BotScope]) -> list[StoredScope]:
    return [StoredScope[scope.name] for scope in scopes]


@strawberry.type(description="What signs a bot in, without its secret.")
class BotToken:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; it signs nobody in.")
    name: str = strawberry.field(description="What its owner calls it.")
    scopes: list[BotScope] = strawberry.field(description="What it allows.")
    created_at: datetime = strawberry.field(description="When it was made.")
    last_used_at: datetime | None = strawberry.field(
        description="When it was used last, to the hour or so; null if never."
    )
    expires_at: datetime | None = strawberry.field(
        description="When it ends by itself; null if never."
    )

    @classmethod
    def of(cls, row: bots.BotToken) -> Self:
        """Return a token as the bot's owner sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.BOT_TOKEN, row.id)),
            name=row.name,
            scopes=_scopes(row.scopes),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
        )


async def _tokens(objects: Sequence["Bot"], info: Info) -> list[list[BotToken]]:
    found = await use_cases.tokens(
        info.context.services, info.context.signed_in, [bot.row.user_id for bot in objects]
    )
    return [[BotToken.of(row) for row in found.get(bot.row.user_id, [])] for bot in objects]


@strawberry.type(description="A program with an account of its own, as its owner sees it.")
class Bot:
    user: User = strawberry.field(description="The account, as others see it.")
    description: str | None = strawberry.field(description="What it is for.")
    scopes: list[BotScope] = strawberry.field(description="What its tokens may be given at most.")
    tokens: list[BotToken] = batched(_tokens, description="What signs it in, the oldest first.")
    row: strawberry.Private[bots.Bot]

    @classmethod
    def of(cls, bot: tuple[bots.Bot, users.User]) -> Self:
        """Return a bot as its owner sees it."""
        row, user = bot
        return cls(
            user=User.of(user), description=row.description, scopes=_scopes(row.scopes), row=row
        )


async def viewer_bots(info: Info) -> list[Bot]:
    """Resolve `Viewer.bots`."""
    found = await use_cases.of_viewer(info.context.services, info.context.signed_in)
    return [Bot.of(bot) for bot in found]


@strawberry.input(description="A bot.")
class CreateBotInput:
    handle: str = strawberry.field(
        description="3 to 32 characters a–z, 0–9, _, a letter first; case does not matter."
    )
    display_name: str = strawberry.field(description="The name to show, up to 64 characters.")
    scopes: list[BotScope] = strawberry.field(description="What its tokens may be given at most.")
    description: str | None = strawberry.field(
        default=None, description="What it is for, up to 500 characters."
    )


@strawberry.type(description="The bot, or why there is none.")
class CreateBotPayload:
    bot: Bot | None = strawberry.field(default=None, description="The bot.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A token for a bot.")
class CreateBotTokenInput:
    bot_id: strawberry.ID = strawberry.field(description="The bot: its `user`'s id.")
    name: str = strawberry.field(
        description="To tell it from others, such as “the server in the cellar”."
    )
    scopes: list[BotScope] = strawberry.field(
        description="What it allows: of what the bot has, what this use needs."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it ends by itself; never unless given."
    )


@strawberry.type(description="The token, or why there is none.")
class CreateBotTokenPayload:
    bot_token: BotToken | None = strawberry.field(
        default=None, description="What is kept of the token."
    )
    token: str | None = strawberry.field(
        default=None,
        description="For the `authorization` header and `connectionInit`, after `Bearer `. It is "
        "told here and never again.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A token to end.")
class RevokeBotTokenInput:
    token_id: strawberry.ID = strawberry.field(description="The token.")


@strawberry.type(description="The bot without the token.")
class RevokeBotTokenPayload:
    bot: Bot | None = strawberry.field(default=None, description="The bot.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A bot to close for good.")
class DeleteBotInput:
    bot_id: strawberry.ID = strawberry.field(description="The bot: its `user`'s id.")


@strawberry.type(description="The bot is gone; what it has written stays.")
class DeleteBotPayload:
    errors: list[UserError] = errors_field()


_BOT = strawberry.argument(description="The bot.")
_TOKEN = strawberry.argument(description="The token.")


@refusals_into(CreateBotPayload)
async def create_bot(info: Info, input: Annotated[CreateBotInput, _BOT]) -> CreateBotPayload:
    """Resolve `Mutation.createBot`."""
    bot = await use_cases.create(
        info.context.services,
        info.context.signed_in,
        handle=input.handle,
        display_name=input.display_name,
        scopes=_stored(input.scopes),
        description=input.description,
        client=info.context.client,
    )
    return CreateBotPayload(bot=Bot.of(bot))


@refusals_into(CreateBotTokenPayload)
async def create_bot_token(
    info: Info, input: Annotated[CreateBotTokenInput, _TOKEN]
) -> CreateBotTokenPayload:
    """Resolve `Mutation.createBotToken`."""
    row, token = await use_cases.create_token(
        info.context.services,
        info.context.signed_in,
        bot_id=decode(Kind.USER, input.bot_id, path="botId"),
        name=input.name,
        scopes=_stored(input.scopes),
        expires_at=moment(input.expires_at, path="expiresAt"),
        client=info.context.client,
    )
    return CreateBotTokenPayload(bot_token=BotToken.of(row), token=token)


@refusals_into(RevokeBotTokenPayload)
async def revoke_bot_token(
    info: Info, input: Annotated[RevokeBotTokenInput, _TOKEN]
) -> RevokeBotTokenPayload:
    """Resolve `Mutation.revokeBotToken`."""
    bot = await use_cases.revoke_token(
        info.context.services,
        info.context.signed_in,
        token_id=decode(Kind.BOT_TOKEN, input.token_id, path="tokenId"),
        client=info.context.client,
    )
    return RevokeBotTokenPayload(bot=Bot.of(bot))


@refusals_into(DeleteBotPayload)
async def delete_bot(info: Info, input: Annotated[DeleteBotInput, _BOT]) -> DeleteBotPayload:
    """Resolve `Mutation.deleteBot`."""
    await use_cases.delete(
        info.context.services,
        info.context.signed_in,
        bot_id=decode(Kind.USER, input.bot_id, path="botId"),
        client=info.context.client,
    )
    return DeleteBotPayload()
