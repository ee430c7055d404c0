"""Webhooks that go out: what is shown of them, and the mutations about them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import webhook_deliveries
from models.events import EventKind
from resolvers import webhooks as use_cases
from resolvers.names import MAX_NAME
from resolvers.webhook_sending import KEPT
from schema import chats as chat_types
from schema.batching import batched
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]


@strawberry.enum(description="What a webhook may be told of: events of the same names.")
class WebhookEvent(Enum):
    MESSAGE_SENT = strawberry.enum_value("message_sent", description="`MessageSent`.")
    MESSAGE_EDITED = strawberry.enum_value("message_edited", description="`MessageEdited`.")
    MESSAGE_DELETED = strawberry.enum_value("message_deleted", description="`MessageDeleted`.")
    MESSAGE_EXPIRED = strawberry.enum_value("message_expired", description="`MessageExpired`.")
    MESSAGE_PINNED = strawberry.enum_value("message_pinned", description="`MessagePinned`.")
    MESSAGE_UNPINNED = strawberry.enum_value("message_unpinned", description="`MessageUnpinned`.")
    POLL_CHANGED = strawberry.enum_value("poll_changed", description="`PollChanged`.")
    REACTIONS_CHANGED = strawberry.enum_value(
        "reactions_changed", description="`ReactionsChanged`."
    )
    MEMBER_JOINED = strawberry.enum_value("member_joined", description="`MemberJoined`.")
    MEMBER_LEFT = strawberry.enum_value("member_left", description="`MemberLeft`.")
    MEMBER_ROLE_CHANGED = strawberry.enum_value(
        "member_role_changed", description="`MemberRoleChanged`."
    )
    MEMBER_SILENCED = strawberry.enum_value("member_silenced", description="`MemberSilenced`.")
    CHAT_CHANGED = strawberry.enum_value("chat_changed", description="`ChatChanged`.")


@strawberry.enum(description="Whether a webhook works.")
class WebhookState(Enum):
    ACTIVE = strawberry.enum_value("active", description="What was sent last has arrived.")
    FAILING = strawberry.enum_value(
        "failing", description="What was sent last has not arrived; it is tried again."
    )
    DISABLED = strawberry.enum_value("disabled", description="Nothing is sent any more.")


@strawberry.enum(description="What became of a delivery.")
class WebhookDeliveryState(Enum):
    WAITING = strawberry.enum_value("waiting", description="It is to be sent, or sent again.")
    DELIVERED = strawberry.enum_value("delivered", description="The receiver has accepted it.")
    DROPPED = strawberry.enum_value(
        "dropped", description="It is sent no more: the webhook is disabled, or nothing is to tell."
    )


@strawberry.type(description="One thing that a webhook tells, and what became of it.")
class WebhookDelivery:
    id: strawberry.ID = strawberry.field(
        description="What the receiver knows it by: the header `Hubbub-Delivery`."
    )
    type: str = strawberry.field(description="The `type` of what is sent, such as `MessageSent`.")
    state: WebhookDeliveryState = strawberry.field(description="What became of it.")
    occurred_at: datetime = strawberry.field(description="When that happened which it tells of.")
    attempts: int = strawberry.field(description="How often it was sent.")
    attempted_at: datetime | None = strawberry.field(description="When it was sent last.")
    status: int | None = strawberry.field(
        description="The HTTP status that was answered last; null if nothing was."
    )
    problem: str | None = strawberry.field(
        description="In a few words, why it did not arrive the last time."
    )

    @classmethod
    def of(cls, row: webhook_deliveries.Delivery) -> Self:
        """Return a delivery as those see it who manage the webhook."""
        return cls(
            id=strawberry.ID(str(row.key)),
            type=type_name(row.kind),
            state=WebhookDeliveryState(row.state),
            occurred_at=row.occurred_at,
            attempts=row.attempts,
            attempted_at=row.attempted_at,
            status=row.status,
            problem=row.problem,
        )


def type_name(kind: str) -> str:
    """Return what a kind of event is called in the schema, such as `MessageSent`."""
    return "".join(part.title() for part in kind.split("_"))


async def _chats(objects: Sequence["Webhook"], info: Info) -> "list[list[chat_types.Chat]]":
    ids = {chat_id for each in objects for chat_id in each.seen.chat_ids}
    shown = {
        chat.row.id: chat
        for chat in await chat_types.readable_chats(info.context, list(ids))
        if chat is not None
    }
    return [[shown[id_] for id_ in each.seen.chat_ids if id_ in shown] for each in objects]


async def _created_by(objects: Sequence["Webhook"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.seen.webhook.created_by for each in objects])


async def _deliveries(
    objects: Sequence["Webhook"], info: Info
) -> list[list[WebhookDelivery] | None]:
    found = await use_cases.deliveries(info.context.services, [each.seen for each in objects])
    return [
        [WebhookDelivery.of(row) for row in found[each.seen.webhook.id]]
        if each.seen.managed
        else None
        for each in objects
    ]


@strawberry.type(
    description="A URL that is told what happens in some chats. It belongs to the chats: it stays "
    "when its maker goes."
)
class Webhook:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    name: str = strawberry.field(description="What its maker calls it.")
    url: str | None = strawberry.field(
        description="Where it goes; null for who may not manage webhooks in all of its chats."
    )
    events: list[WebhookEvent] = strawberry.field(description="What it is told of.")
    state: WebhookState = strawberry.field(description="Whether it works.")
    created_at: datetime = strawberry.field(description="When it was made.")
    failing_since: datetime | None = strawberry.field(
        description="Since when nothing has arrived; null if it does."
    )
    disabled_at: datetime | None = strawberry.field(
        description="When it was disabled; null if it is not."
    )
    disabled_reason: str | None = strawberry.field(description="In a few words, why.")
    waiting: int = strawberry.field(description="How many deliveries wait to be sent.")
    chats: list[LazyChat] = batched(
        _chats, description="The chats that it is told of, those that the viewer is in."
    )
    created_by: User | None = batched(_created_by, description="Who made it.")
    deliveries: list[WebhookDelivery] | None = batched(
        _deliveries,
        description=f"What waits and the last {KEPT} that are done with, {KEPT} at most, the "
        "newest first; null for who may not manage webhooks in all of its chats.",
    )
    seen: strawberry.Private[use_cases.Seen]

    @classmethod
    def of(cls, seen: use_cases.Seen) -> Self:
        """Return a webhook as the viewer sees it."""
        row = seen.webhook
        state = WebhookState.FAILING if row.failing_since else WebhookState.ACTIVE
        return cls(
            id=strawberry.ID(encode(Kind.WEBHOOK, row.id)),
            name=row.name,
            url=seen.url,
            events=[WebhookEvent[kind.upper()] for kind in row.kinds.split()],
            state=WebhookState.DISABLED if row.disabled_at else state,
            created_at=row.created_at,
            failing_since=row.failing_since,
            disabled_at=row.disabled_at,
            disabled_reason=row.disabled_reason,
            waiting=row.waiting,
            seen=seen,
        )


async def webhooks(objects: Sequence["Chat"], info: Info) -> list[list[Webhook] | None]:
    """Resolve `Chat.webhooks`."""
    found = await use_cases.of_chats(
        info.context.services, info.context.signed_in, [chat.row for chat in objects]
    )
    return [
        [Webhook.of(seen) for seen in found[chat.row.id]] if chat.row.id in found else None
        for chat in objects
    ]


@strawberry.input(description="A URL to be told what happens.")
class CreateWebhookInput:
    name: str = strawberry.field(
        description=f"To tell it from others: up to {MAX_NAME} characters."
    )
    url: str = strawberry.field(
        description="An https address on an ordinary port, up to 2048 characters, which leads to "
        "nothing that is not public."
    )
    events: list[WebhookEvent] = strawberry.field(description="What it is told of.")
    chat_ids: list[strawberry.ID] = strawberry.field(
        description=f"In which chats: up to {use_cases.MAX_CHATS}, in all of which the viewer may "
        "manage webhooks."
    )


@strawberry.type(description="The webhook with its secret, or why there is none.")
class CreateWebhookPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    secret: str | None = strawberry.field(
        default=None,
        description="What deliveries are signed with. It is told here and never again.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="What of a webhook is to be another; what is absent stays.")
class UpdateWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")
    name: str | None = strawberry.field(default=None, description="What it is called.")
    url: str | None = strawberry.field(default=None, description="Where it goes.")
    events: list[WebhookEvent] | None = strawberry.field(
        default=None, description="What it is told of, from now on."
    )
    chat_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="All the chats that it is told of."
    )
    enabled: bool | None = strawberry.field(
        default=None,
        description="Whether it is sent to. Switched on, it is told of what happens from then on; "
        "switched off, what waits is dropped.",
    )


@strawberry.type(description="The webhook as it is now.")
class UpdateWebhookPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A webhook to delete, or to take out of one chat.")
class DeleteWebhookInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")
    chat_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="If given, it is only told nothing more of this chat, which whoever manages "
        "webhooks there may decide. The last chat gone, it is deleted.",
    )


@strawberry.type(description="The webhook is gone, or gone from the chat.")
class DeleteWebhookPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="A webhook that needs another secret.")
class RotateWebhookSecretInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")


@strawberry.type(description="The webhook with its new secret.")
class RotateWebhookSecretPayload:
    webhook: Webhook | None = strawberry.field(default=None, description="The webhook.")
    secret: str | None = strawberry.field(
        default=None,
        description="What deliveries are signed with from now on; for 24 hours with the secret "
        "before as well. It is told here and never again.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A webhook to try.")
class SendTestEventInput:
    webhook_id: strawberry.ID = strawberry.field(description="The webhook.")


@strawberry.type(description="What the receiver is going to get.")
class SendTestEventPayload:
    delivery_id: strawberry.ID | None = strawberry.field(
        default=None, description="The delivery's id, to be found in `Webhook.deliveries`."
    )
    errors: list[UserError] = errors_field()


_WEBHOOK = strawberry.argument(description="The webhook.")
_CHANGE = strawberry.argument(description="What changes.")


def _kinds(events: Sequence[WebhookEvent]) -> list[EventKind]:
    return [EventKind[event.name] for event in events]


def _keys(chat_ids: Sequence[strawberry.ID]) -> list[UUID]:
    return [decode(Kind.CHAT, chat_id, path="chatIds") for chat_id in chat_ids]


@refusals_into(CreateWebhookPayload)
async def create_webhook(
    info: Info, input: Annotated[CreateWebhookInput, _WEBHOOK]
) -> CreateWebhookPayload:
    """Resolve `Mutation.createWebhook`."""
    seen, secret = await use_cases.create(
        info.context.services,
        info.context.signed_in,
        name=input.name,
        url=input.url,
        kinds=_kinds(input.events),
        chat_ids=_keys(input.chat_ids),
        client=info.context.client,
    )
    return CreateWebhookPayload(webhook=Webhook.of(seen), secret=secret)


@refusals_into(UpdateWebhookPayload)
async def update_webhook(
    info: Info, input: Annotated[UpdateWebhookInput, _CHANGE]
) -> UpdateWebhookPayload:
    """Resolve `Mutation.updateWebhook`."""
    changes: use_cases.Changes = {}
    if input.name is not None:
        changes["name"] = input.name
    if input.url is not None:
        changes["url"] = input.url
    if input.events is not None:
        changes["kinds"] = _kinds(input.events)
    if input.chat_ids is not None:
        changes["chat_ids"] = _keys(input.chat_ids)
    if input.enabled is not None:
        changes["enabled"] = input.enabled
    seen = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        webhook_id=decode(Kind.WEBHOOK, input.webhook_id, path="webhookId"),
        changes=changes,
        client=info.context.client,
    )
    return UpdateWebhookPayload(webhook=Webhook.of(seen))


@refusals_into(DeleteWebhookPayload)
async def delete_webhook(
    info: Info, input: Annotated[DeleteWebhookInput, _WEBHOOK]
) -> DeleteWebhookPayload:
    """Resolve `Mutation.deleteWebhook`."""
    await use_cases.delete(
        info.context.services,
        info.context.signed_in,
        webhook_id=decode(Kind.WEBHOOK, input.webhook_id, path="webhookId"),
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId") if input.chat_id else None,
        client=info.context.client,
    )
    return DeleteWebhookPayload()


@refusals_into(RotateWebhookSecretPayload)
async def rotate_webhook_secret(
    info: Info, input: Annotated[RotateWebhookSecretInput, _WEBHOOK]
) -> RotateWebhookSecretPayload:
    """Resolve `Mutation.rotateWebhookSecret`."""
    seen, secret = await use_cases.rotate_secret(
        info.context.services,
        info.context.signed_in,
        webhook_id=decode(Kind.WEBHOOK, input.webhook_id, path="webhookId"),
        client=info.context.client,
    )
    return RotateWebhookSecretPayload(webhook=Webhook.of(seen), secret=secret)


@refusals_into(SendTestEventPayload)
async def send_test_event(
    info: Info, input: Annotated[SendTestEventInput, _WEBHOOK]
) -> SendTestEventPayload:
    """Resolve `Mutation.sendTestEvent`."""
    key = await use_cases.test(
        info.context.services,
        info.context.signed_in,
        webhook_id=decode(Kind.WEBHOOK, input.webhook_id, path="webhookId"),
    )
    return SendTestEventPayload(delivery_id=strawberry.ID(str(key)))
