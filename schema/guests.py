"""Guest links, and coming into a chat by one."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import guests
from resolvers import guests as use_cases
from schema import chats as chat_types
from schema.batching import batched
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.moments import moment
from schema.sessions import AuthPayload, payload_of
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]


async def _created_by(objects: Sequence["GuestLink"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.created_by for each in objects])


@strawberry.type(description="A way into one chat for people without an account, while it is open.")
class GuestLink:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; it lets nobody in.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(
        description="When it closes. Its guests are taken out of the chat then."
    )
    max_uses: int | None = strawberry.field(
        description="How many may come in by it; null for any number."
    )
    uses: int = strawberry.field(description="How many have come in by it.")
    created_by: User | None = batched(_created_by, description="Who made it.")
    row: strawberry.Private[guests.GuestLink]

    @classmethod
    def of(cls, row: guests.GuestLink) -> Self:
        """Return a link as those see it who may make some; the token is not kept."""
        return cls(
            id=strawberry.ID(encode(Kind.GUEST_LINK, row.id)),
            created_at=row.created_at,
            expires_at=row.expires_at,
            max_uses=row.max_uses,
            uses=row.uses,
            row=row,
        )


async def guest_links(objects: Sequence["Chat"], info: Info) -> list[list[GuestLink] | None]:
    """Resolve `Chat.guestLinks`."""
    found = await use_cases.links(
        info.context.services, info.context.signed_in, [chat.row for chat in objects]
    )
    return [
        [GuestLink.of(row) for row in found[chat.row.id]] if chat.row.id in found else None
        for chat in objects
    ]


@strawberry.input(description="A way into a group for guests.")
class CreateGuestLinkInput:
    chat_id: strawberry.ID = strawberry.field(description="The group.")
    expires_at: datetime | None = strawberry.field(
        default=None,
        description="When it closes, and its guests' stay ends; 24 hours from now unless given, "
        f"{use_cases.MAX_LINK_LIFETIME.days} days at most.",
    )
    max_uses: int | None = strawberry.field(
        default=None, description="How many may come in by it; any number unless given."
    )


@strawberry.type(description="The link with its token, or why there is none.")
class CreateGuestLinkPayload:
    guest_link: GuestLink | None = strawberry.field(default=None, description="The link.")
    token: str | None = strawberry.field(
        default=None,
        description="For `joinAsGuest`. It is told here and never again; whoever has it gets in.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A guest link to close.")
class RevokeGuestLinkInput:
    link_id: strawberry.ID = strawberry.field(description="The link.")


@strawberry.type(description="The chat without the link, and without its guests.")
class RevokeGuestLinkPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody without an account, and the link they have got.")
class JoinAsGuestInput:
    token: str = strawberry.field(description="The link's token.")
    display_name: str = strawberry.field(
        description="The name to show to the chat, up to 64 characters."
    )
    device_name: str | None = strawberry.field(
        default=None, description="For the list of sessions, such as “Ana's phone”."
    )


_LINK = strawberry.argument(description="The link.")
_REVOCATION = strawberry.argument(description="What to close.")
_JOINING = strawberry.argument(description="Who comes, and by which link.")


@refusals_into(CreateGuestLinkPayload)
async def create_guest_link(
    info: Info, input: Annotated[CreateGuestLinkInput, _LINK]
) -> CreateGuestLinkPayload:
    """Resolve `Mutation.createGuestLink`."""
    row, token = await use_cases.create_link(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        expires_at=moment(input.expires_at, path="expiresAt"),
        max_uses=input.max_uses,
        client=info.context.client,
    )
    return CreateGuestLinkPayload(guest_link=GuestLink.of(row), token=token)


@refusals_into(RevokeGuestLinkPayload)
async def revoke_guest_link(
    info: Info, input: Annotated[RevokeGuestLinkInput, _REVOCATION]
) -> RevokeGuestLinkPayload:
    """Resolve `Mutation.revokeGuestLink`."""
    row = await use_cases.revoke_link(
        info.context.services,
        info.context.signed_in,
        link_id=decode(Kind.GUEST_LINK, input.link_id, path="linkId"),
        client=info.context.client,
    )
    return RevokeGuestLinkPayload(chat=chat_types.Chat.of(row))


@refusals_into(AuthPayload)
async def join_as_guest(info: Info, input: Annotated[JoinAsGuestInput, _JOINING]) -> AuthPayload:
    """Resolve `Mutation.joinAsGuest`."""
    signed_in = await use_cases.join(
        info.context.services,
        token=input.token,
        display_name=input.display_name,
        device_name=input.device_name,
        client=info.context.client,
    )
    return payload_of(AuthPayload, signed_in)
