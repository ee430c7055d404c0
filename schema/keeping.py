"""How the viewer keeps chats for themselves."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.members import FOR_EVER
from resolvers import keeping as use_cases
from schema.chats import Chat
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.moments import moment


@strawberry.input(
    description="How the viewer is to keep a chat. What is absent stays; nobody else sees any of "
    "it."
)
class UpdateViewerMembershipInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    muted: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether to mute it until the viewer says otherwise; false or null ends that, "
        "and what `mutedUntil` began.",
    )
    muted_until: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description="Mute it until this moment; null ends that. Not together with `muted`.",
    )
    archived: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether it is in the archive. It leaves that with the next message in it, "
        "unless it is muted.",
    )
    pinned: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether it is among the pinned ones; a new one comes last. "
        f"{use_cases.MAX_PINNED} at most.",
    )


@strawberry.type(description="The chat, with `viewerMembership` as it is now.")
class UpdateViewerMembershipPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="The order of the pinned chats.")
class OrderPinnedChatsInput:
    chat_ids: list[strawberry.ID] = strawberry.field(
        description="Every chat that is pinned, once, the topmost first."
    )


@strawberry.type(description="The pinned chats in their order.")
class OrderPinnedChatsPayload:
    chats: list[Chat] = strawberry.field(default_factory=list, description="The chats.")
    errors: list[UserError] = errors_field()


_KEEPING = strawberry.argument(description="What changes.")
_ORDER = strawberry.argument(description="The order.")


@refusals_into(UpdateViewerMembershipPayload)
async def update_viewer_membership(
    info: Info, input: Annotated[UpdateViewerMembershipInput, _KEEPING]
) -> UpdateViewerMembershipPayload:
    """Resolve `Mutation.updateViewerMembership`."""
    row = await use_cases.keep(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        changes=_changes(input),
    )
    return UpdateViewerMembershipPayload(chat=Chat.of(row))


def _changes(input: UpdateViewerMembershipInput) -> use_cases.Keeping:
    changes: use_cases.Keeping = {}
    until: datetime | None = input.muted_until
    if input.muted is not strawberry.UNSET:
        changes["muted_until"] = FOR_EVER if input.muted else None
        if until is not strawberry.UNSET:
            raise use_cases.two_ways_to_mute()
    if until is not strawberry.UNSET:
        changes["muted_until"] = moment(until, path="mutedUntil")
    if input.archived is not strawberry.UNSET:
        changes["archived"] = bool(input.archived)
    if input.pinned is not strawberry.UNSET:
        changes["pinned"] = bool(input.pinned)
    return changes


@refusals_into(OrderPinnedChatsPayload)
async def order_pinned_chats(
    info: Info, input: Annotated[OrderPinnedChatsInput, _ORDER]
) -> OrderPinnedChatsPayload:
    """Resolve `Mutation.orderPinnedChats`."""
    rows = await use_cases.order_pinned(
        info.context.services,
        info.context.signed_in,
        chat_ids=[decode(Kind.CHAT, chat_id, path="chatIds") for chat_id in input.chat_ids],
    )
    return OrderPinnedChatsPayload(chats=[Chat.of(row) for row in rows])
