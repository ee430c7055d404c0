"""Memberships, and the mutations about who is in a chat."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import blocks, chats, keeping, members, mentions, settings
from models.receipts import SHOWN_UP_TO
from resolvers import members as use_cases
from resolvers.services import utc_now
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
    OWNER = strawberry.enum_value("owner", description="Everything. A group or channel has one.")
    ADMIN = strawberry.enum_value(
        "admin", description="Everything but to change roles and to hand the chat over."
    )
    MEMBER = strawberry.enum_value("member", description="Read and, but for a channel, write.")
    GUEST = strawberry.enum_value(
        "guest", description="Read and write for as long as the link is open by which they came."
    )


async def _delivered_seqs(objects: Sequence["Membership"], info: Info) -> list[int | None]:
    shown = await _with_pointers(objects, info)
    return [each.row.delivered_seq if each.row.id in shown else None for each in objects]


async def _read_seqs(objects: Sequence["Membership"], info: Info) -> list[int | None]:
    shown = await _with_pointers(objects, info)
    return [each.row.read_seq if each.row.id in shown else None for each in objects]


async def _with_pointers(objects: Sequence["Membership"], info: Info) -> set[UUID]:
    """Return those whose pointers the viewer sees: who hides theirs sees nobody's.

    Of two people of whom one blocks the other, neither sees the other's in their direct chat.
    """
    viewer_id = info.context.signed_in.user_id
    own = {each.row.id for each in objects if each.own_row}
    others = [each for each in objects if each.pointers and not each.own_row]
    if not others:
        return own
    async with info.context.db.reading() as db:
        hiding = await settings.hiding(db, {viewer_id, *(each.row.user_id for each in others)})
        silenced = {each.row.chat_id for each in others if each.row.silenced_until}
        divided = await blocks.divided(db, silenced)
    return own | {
        each.row.id
        for each in others
        if each.row.user_id == viewer_id
        or not ({viewer_id, each.row.user_id} & hiding or each.row.chat_id in divided)
    }


async def _mention_counts(objects: Sequence["Membership"], info: Info) -> list[int | None]:
    own = {each.row.chat_id for each in objects if each.own_row}
    if not own:
        return [None] * len(objects)
    async with info.context.db.reading() as db:
        counts = await mentions.unread(db, info.context.signed_in.user_id, own)
    return [counts.get(each.row.chat_id, 0) if each.own_row else None for each in objects]


async def _users(objects: Sequence["Membership"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.user_id for each in objects])


@strawberry.type(description="Somebody's place in a chat.")
class Membership(Node):
    role: Role = strawberry.field(description="What they may do.")
    joined_at: datetime = strawberry.field(description="Since when they are in it.")
    delivered_seq: int | None = batched(
        _delivered_seqs,
        description="The last message that reached a device of theirs, 0 for none. Of others null "
        f"in chats of more than {SHOWN_UP_TO} people, and where they or the viewer hide receipts.",
    )
    read_seq: int | None = batched(
        _read_seqs,
        description="The last message they have read, 0 for none. Of others null in chats of more "
        f"than {SHOWN_UP_TO} people, and where they or the viewer hide receipts.",
    )
    unread_count: int | None = strawberry.field(
        description="How many messages the viewer has not read; told through `viewerMembership` "
        "only, else null."
    )
    muted: bool | None = strawberry.field(
        description="Whether the viewer wants no notices of it. Through `viewerMembership` only."
    )
    muted_until: datetime | None = strawberry.field(
        description="When that ends; null if it does not, or it is not muted. As above."
    )
    archived: bool | None = strawberry.field(
        description="Whether the viewer has it in the archive, which it leaves with the next "
        "message unless it is muted. As above."
    )
    pinned: bool | None = strawberry.field(
        description="Whether the viewer has it among the pinned ones. As above."
    )
    mention_count: int | None = batched(
        _mention_counts,
        description="How many of these mention the viewer, by name or with everybody; told through "
        "`viewerMembership` only, else null.",
    )
    permissions: list[ChatPermission] = strawberry.field(
        description="What their role covers in this kind of chat. None of it for who has left."
    )
    silenced_until: datetime | None = strawberry.field(
        description="Until when they only read; null if they may write as their role may. In the "
        "year 9999 for until somebody lets them write again."
    )
    user: User = batched(_users, known="known_user", description="Who it is.")
    row: strawberry.Private[members.Member]
    # Whether the chat is small enough for its members to see each other's pointers.
    pointers: strawberry.Private[bool]
    own_row: strawberry.Private[bool] = False
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
        now = utc_now()
        unread_count = max(0, chat.last_message_seq - max(row.read_seq, chat.expired_seq))
        shown = cls._of(row, chat, pointers=True, unread_count=unread_count)
        shown.own_row = True
        shown.muted = keeping.is_muted(row, now)
        shown.muted_until = row.muted_until if shown.muted else None
        if shown.muted_until == members.FOR_EVER:
            shown.muted_until = None
        shown.archived = keeping.is_archived(row, chat.last_message_seq, now)
        shown.pinned = row.pin_position is not None
        return shown

    @classmethod
    def _of(
        cls, row: members.Member, chat: chats.Chat, *, pointers: bool, unread_count: int | None
    ) -> Self:
        return cls(
            id=strawberry.ID(encode(Kind.MEMBERSHIP, row.id)),
            role=Role(row.role),
            joined_at=row.joined_at,
            pointers=pointers,
            unread_count=unread_count,
            muted=None,
            muted_until=None,
            archived=None,
            pinned=None,
            silenced_until=silenced_until(row, chat),
            permissions=permissions_of(chat, row) if row.left_seq is None else [],
            row=row,
        )


def silenced_until(row: members.Member, chat: chats.Chat) -> datetime | None:
    """Return until when a member only reads.

    Of a direct chat never: there it comes of a block, of which nobody is told.
    """
    until = row.silenced_until
    if until is None or chat.kind == chats.ChatKind.DIRECT or until <= utc_now():
        return None
    return until


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
