"""Bans and silence: keeping people out of a chat, or quiet in it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import bans
from resolvers import bans as use_cases
from schema import chats as chat_types
from schema import members as member_types
from schema.batching import batched
from schema.chat_pages import key_of, page_of
from schema.connections import DEFAULT_PAGE, Connection, Page, page_size
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.moments import moment
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat
    from schema.members import Membership

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]
LazyMembership = Annotated["Membership", strawberry.lazy("schema.members")]


async def _users(objects: Sequence["Ban"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.user_id for each in objects])


async def _banned_by(objects: Sequence["Ban"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.banned_by for each in objects])


@strawberry.type(description="Somebody who is kept out of a chat.")
class Ban:
    user: User = batched(_users, description="Who.")
    banned_by: User | None = batched(_banned_by, description="Who has banned them.")
    banned_at: datetime = strawberry.field(description="When.")
    reason: str | None = strawberry.field(
        description="Why, for who may ban; the banned one is not told."
    )
    until: datetime | None = strawberry.field(description="When it ends; null if never.")
    row: strawberry.Private[bans.Ban]

    @classmethod
    def of(cls, row: bans.Ban) -> Self:
        """Return a ban as those see it who may ban."""
        return cls(banned_at=row.banned_at, reason=row.reason, until=row.until, row=row)


@strawberry.type(description="A page of bans, the newest first.")
class BanConnection(Connection[Ban]):
    pass


async def ban_pages(
    objects: Sequence["Chat"], info: Info, first: int | None, after: str | None
) -> list[BanConnection | None]:
    """Resolve `Chat.bans`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    found = await use_cases.pages(
        info.context.services,
        info.context.signed_in,
        [chat.row for chat in objects],
        after=key_of(after),
        limit=shown.fetch,
    )
    return [
        page_of(BanConnection, found.get(chat.row.id), shown, Ban.of, after) for chat in objects
    ]


@strawberry.input(description="Somebody to keep out of a chat.")
class BanMemberInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    user_id: strawberry.ID = strawberry.field(
        description="Who; they need not be in it, and if they are, they are removed."
    )
    reason: str | None = strawberry.field(
        default=None, description="Why, for who may ban, up to 500 characters."
    )
    until: datetime | None = strawberry.field(
        default=None, description="When it ends; never unless given."
    )


@strawberry.type(description="The chat without them.")
class BanMemberPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    ban: Ban | None = strawberry.field(default=None, description="The ban.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody who may come into a chat again.")
class UnbanMemberInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.type(description="They may come in again; they are not in it by that.")
class UnbanMemberPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody who is only to read in a chat for a while.")
class SilenceMemberInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    user_id: strawberry.ID = strawberry.field(description="Who.")
    until: datetime | None = strawberry.field(
        default=None, description="When they may write again; not by itself unless given."
    )


@strawberry.type(description="The member, who may not write now.")
class SilenceMemberPayload:
    membership: LazyMembership | None = strawberry.field(
        default=None, description="Their place in the chat."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody who may write in a chat again.")
class UnsilenceMemberInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.type(description="The member, who may write again.")
class UnsilenceMemberPayload:
    membership: LazyMembership | None = strawberry.field(
        default=None, description="Their place in the chat."
    )
    errors: list[UserError] = errors_field()


_BAN = strawberry.argument(description="Whom to keep out, and of what.")
_UNBAN = strawberry.argument(description="Whom to let in again, and where.")
_SILENCE = strawberry.argument(description="Who is only to read, and where.")
_UNSILENCE = strawberry.argument(description="Who may write again, and where.")


@refusals_into(BanMemberPayload)
async def ban_member(info: Info, input: Annotated[BanMemberInput, _BAN]) -> BanMemberPayload:
    """Resolve `Mutation.banMember`."""
    chat, row = await use_cases.ban(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        reason=input.reason,
        until=moment(input.until, path="until"),
    )
    return BanMemberPayload(chat=chat_types.Chat.of(chat), ban=Ban.of(row))


@refusals_into(UnbanMemberPayload)
async def unban_member(
    info: Info, input: Annotated[UnbanMemberInput, _UNBAN]
) -> UnbanMemberPayload:
    """Resolve `Mutation.unbanMember`."""
    chat = await use_cases.unban(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return UnbanMemberPayload(chat=chat_types.Chat.of(chat))


@refusals_into(SilenceMemberPayload)
async def silence_member(
    info: Info, input: Annotated[SilenceMemberInput, _SILENCE]
) -> SilenceMemberPayload:
    """Resolve `Mutation.silenceMember`."""
    chat, row = await use_cases.silence(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        until=moment(input.until, path="until"),
    )
    return SilenceMemberPayload(membership=member_types.Membership.of(row, chat))


@refusals_into(UnsilenceMemberPayload)
async def unsilence_member(
    info: Info, input: Annotated[UnsilenceMemberInput, _UNSILENCE]
) -> UnsilenceMemberPayload:
    """Resolve `Mutation.unsilenceMember`."""
    chat, row = await use_cases.unsilence(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return UnsilenceMemberPayload(membership=member_types.Membership.of(row, chat))
