"""Memberships, and the mutations about who is in a chat."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import chats, members
from models.receipts import SHOWN_UP_TO
from resolvers import members as use_cases
from schema import chats as chat_types
from schema.batching import batched
from schema.connections import (
    DEFAULT_PAGE,
    Connection,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.node import Node
from schema.permissions import ChatPermission, permissions_of
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]


@strawberry.enum(description="What somebody may do in a chat.")
class Role(Enum):
    OWNER = strawberry.enum_value("owner", description="Everything. A group has one.")
    ADMIN = strawberry.enum_value(
        "admin", description="Add and remove people, delete anybody's messages."
    )
    MEMBER = strawberry.enum_value("member", description="Read and write.")
    GUEST = strawberry.enum_value(
        "guest", description="Read and write for as long as the link is open by which they came."
    )


async def _users(objects: Sequence["Membership"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.user_id for each in objects])


@strawberry.type(description="Somebody's place in a chat.")
class Membership(Node):
    role: Role = strawberry.field(description="What they may do.")
    joined_at: datetime = strawberry.field(description="Since when they are in it.")
    delivered_seq: int | None = strawberry.field(
        description="The last message that reached a device of theirs, 0 for none. Of others null "
        f"in chats of more than {SHOWN_UP_TO} people."
    )
    read_seq: int | None = strawberry.field(
        description="The last message they have read, 0 for none. Of others null in chats of more "
        f"than {SHOWN_UP_TO} people."
    )
    unread_count: int | None = strawberry.field(
        description="How many messages the viewer has not read; told through `viewerMembership` "
        "only, else null."
    )
    permissions: list[ChatPermission] = strawberry.field(
        description="What their role covers in this kind of chat. None of it for who has left."
    )
    user: User = batched(_users, known="known_user", description="Who it is.")
    row: strawberry.Private[members.Member]
    # With an event the person comes along, loaded once for everybody who hears of it.
    known_user: strawberry.Private[User | None] = None

    @classmethod
    def of(cls, row: members.Member, chat: chats.Chat, *, user: User | None = None) -> Self:
        """Return a membership as everybody in the chat sees it, with its person if loaded.

        Nobody is counted in a chat that one is not in any more: see `realtime/past_stays.py`.
        """
        pointers = 0 < chat.member_count <= SHOWN_UP_TO
        shown = cls._of(row, chat, pointers=pointers, unread_count=None)
        shown.known_user = user
        return shown

    @classmethod
    def own(cls, row: members.Member, chat: chats.Chat) -> Self:
        """Return the viewer's own membership, with its counts."""
        unread_count = max(0, chat.last_message_seq - row.read_seq)
        return cls._of(row, chat, pointers=True, unread_count=unread_count)

    @classmethod
    def _of(
        cls, row: members.Member, chat: chats.Chat, *, pointers: bool, unread_count: int | None
    ) -> Self:
        return cls(
            id=strawberry.ID(encode(Kind.MEMBERSHIP, row.id)),
            role=Role(row.role),
            joined_at=row.joined_at,
            delivered_seq=row.delivered_seq if pointers else None,
            read_seq=row.read_seq if pointers else None,
            unread_count=unread_count,
            permissions=permissions_of(chat, row) if row.left_seq is None else [],
            row=row,
        )


@strawberry.type(description="A page of a chat's members, in the order in which they came.")
class MemberConnection(Connection[Membership]):
    pass


async def readable_memberships(context: Context, ids: Sequence[UUID]) -> list[Membership | None]:
    """Return the present memberships of chats that the viewer is in, None for the others."""
    async with context.db.reading() as db:
        rows = await members.readable_by_ids(db, context.signed_in.user_id, ids)
        of_chats = await chats.by_ids(db, {row.chat_id for row in rows.values()})
    return [
        Membership.of(row, of_chats[row.chat_id]) if (row := rows.get(id_)) else None for id_ in ids
    ]


async def member_pages(
    context: Context, of_chats: Sequence[chats.Chat], first: int | None, after: str | None
) -> list[MemberConnection]:
    """Return the same page of members for each chat; an empty one where the viewer is not in it."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    after_id = None
    if after is not None:
        try:
            after_id = UUID(hex=decode_cursor(after, parts=1, path="after")[0])
        except ValueError as error:
            raise invalid_cursor("after") from error
    async with context.db.reading() as db:
        rows = await members.pages(
            db,
            context.signed_in.user_id,
            [chat.id for chat in of_chats],
            after=after_id,
            limit=shown.fetch,
        )
    return [
        connection(
            MemberConnection,
            rows[chat.id],
            shown,
            node=partial(Membership.of, chat=chat),
            cursor=lambda row: encode_cursor(row.id.hex),
            bounded_after=after is not None,
        )
        for chat in of_chats
    ]


@strawberry.input(description="People to add to a group.")
class AddMembersInput:
    chat_id: strawberry.ID = strawberry.field(description="The group.")
    user_ids: list[strawberry.ID] = strawberry.field(
        description="Whom to add; who is in it already stays as they are."
    )


@strawberry.type(description="The group with the people in it.")
class AddMembersPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The group.")
    memberships: list[Membership] = strawberry.field(
        default_factory=list, description="The places of the people named, old and new."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody to take out of a group.")
class RemoveMemberInput:
    chat_id: strawberry.ID = strawberry.field(description="The group.")
    user_id: strawberry.ID = strawberry.field(description="Whom to remove.")


@strawberry.type(description="The group without them.")
class RemoveMemberPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The group.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A group to leave.")
class LeaveChatInput:
    chat_id: strawberry.ID = strawberry.field(description="The group.")


@strawberry.type(description="The viewer is not in the group any more.")
class LeaveChatPayload:
    errors: list[UserError] = errors_field()


_ADDITION = strawberry.argument(description="Whom to add, and where.")
_REMOVAL = strawberry.argument(description="Whom to remove, and from where.")
_LEAVING = strawberry.argument(description="What to leave.")


@refusals_into(AddMembersPayload)
async def add_members(
    info: Info, input: Annotated[AddMembersInput, _ADDITION]
) -> AddMembersPayload:
    """Resolve `Mutation.addMembers`."""
    chat, rows = await use_cases.add(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_ids=[decode(Kind.USER, user_id, path="userIds") for user_id in input.user_ids],
    )
    return AddMembersPayload(
        chat=chat_types.Chat.of(chat), memberships=[Membership.of(row, chat) for row in rows]
    )


@refusals_into(RemoveMemberPayload)
async def remove_member(
    info: Info, input: Annotated[RemoveMemberInput, _REMOVAL]
) -> RemoveMemberPayload:
    """Resolve `Mutation.removeMember`."""
    chat = await use_cases.remove(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return RemoveMemberPayload(chat=chat_types.Chat.of(chat))


@refusals_into(LeaveChatPayload)
async def leave_chat(info: Info, input: Annotated[LeaveChatInput, _LEAVING]) -> LeaveChatPayload:
    """Resolve `Mutation.leaveChat`."""
    await use_cases.leave(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
    )
    return LeaveChatPayload()
