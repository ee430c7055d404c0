"""Webhooks that come in: what is shown of them, and the mutations about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import incoming_webhooks
from models import users as user_rows
from resolvers import incoming_webhooks as use_cases
from resolvers.names import MAX_NAME
from schema import chats as chat_types
from schema.batching import batched
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]

PATH = "/hooks/"  # and the secret


async def _created_by(objects: Sequence["IncomingWebhook"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.created_by for each in objects])


@strawberry.type(description="A way into one chat for what a program has to say.")
class IncomingWebhook:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; it opens nothing.")
    bot: User = strawberry.field(description="Who sends what is posted: a bot of its own.")
    created_at: datetime = strawberry.field(description="When it was made.")
    last_used_at: datetime | None = strawberry.field(
        description="When something was posted last, to the hour or so; null if never."
    )
    created_by: User | None = batched(_created_by, description="Who made it, and owns its bot.")
    row: strawberry.Private[incoming_webhooks.IncomingWebhook]

    @classmethod
    def of(cls, row: incoming_webhooks.IncomingWebhook, bot: user_rows.User) -> Self:
        """Return one as those see it who manage the chat's webhooks; its secret is not kept."""
        return cls(
            id=strawberry.ID(encode(Kind.INCOMING_WEBHOOK, row.id)),
            bot=User.of(bot),
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            row=row,
        )


async def incoming(objects: Sequence["Chat"], info: Info) -> list[list[IncomingWebhook] | None]:
    """Resolve `Chat.incomingWebhooks`."""
    found = await use_cases.of_chats(
        info.context.services, info.context.signed_in, [chat.row for chat in objects]
    )
    return [
        [IncomingWebhook.of(*each) for each in found[chat.row.id]] if chat.row.id in found else None
        for chat in objects
    ]


@strawberry.input(description="A way into a chat for a program.")
class CreateIncomingWebhookInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    name: str = strawberry.field(
        description=f"What its bot is called, up to {MAX_NAME} characters."
    )


@strawberry.type(description="The webhook with its address, or why there is none.")
class CreateIncomingWebhookPayload:
    incoming_webhook: IncomingWebhook | None = strawberry.field(
        default=None, description="The webhook."
    )
    url: str | None = strawberry.field(
        default=None,
        description="Where to post. It is told here and never again; whoever has it can write.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="An incoming webhook to close for good.")
class RevokeIncomingWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")


@strawberry.type(description="The chat without the webhook, and without its bot.")
class RevokeIncomingWebhookPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


_WEBHOOK = strawberry.argument(description="The webhook.")


@refusals_into(CreateIncomingWebhookPayload)
async def create_incoming_webhook(
    info: Info, input: Annotated[CreateIncomingWebhookInput, _WEBHOOK]
) -> CreateIncomingWebhookPayload:
    """Resolve `Mutation.createIncomingWebhook`."""
    services = info.context.services
    row, bot, token = await use_cases.create(
        services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        name=input.name,
        client=info.context.client,
    )
    return CreateIncomingWebhookPayload(
        incoming_webhook=IncomingWebhook.of(row, bot),
        url=f"{services.outbound.public_url}{PATH}{token}",
    )


@refusals_into(RevokeIncomingWebhookPayload)
async def revoke_incoming_webhook(
    info: Info, input: Annotated[RevokeIncomingWebhookInput, _WEBHOOK]
) -> RevokeIncomingWebhookPayload:
    """Resolve `Mutation.revokeIncomingWebhook`."""
    row = await use_cases.revoke(
        info.context.services,
        info.context.signed_in,
        webhook_id=decode(Kind.INCOMING_WEBHOOK, input.webhook_id, path="webhookId"),
        client=info.context.client,
    )
    return RevokeIncomingWebhookPayload(chat=chat_types.Chat.of(row))
