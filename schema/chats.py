"""Chats, and the mutation that starts one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import chats, members
from models.chats import ChatKind as StoredKind
from models.errors import NotFound
from resolvers import chats as use_cases
from schema import guests as guest_types
from schema import history as history_types
from schema import members as member_types
from schema import messages as message_types
from schema import pins as pin_types
from schema.batching import batched
from schema.connections import (
    DEFAULT_PAGE,
    After,
    Before,
    Connection,
    First,
    Last,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message, encode
from schema.node import Node

if TYPE_CHECKING:
    from schema.guests import GuestLink
    from schema.members import MemberConnection, Membership
    from schema.message_filter import MessageFilter
    from schema.messages import Message, MessageConnection
    from schema.pins import PinnedMessageConnection

LazyGuestLink = Annotated["GuestLink", strawberry.lazy("schema.guests")]
LazyMessage = Annotated["Message", strawberry.lazy("schema.messages")]
LazyMessageFilter = Annotated["MessageFilter", strawberry.lazy("schema.message_filter")]
LazyPinnedMessageConnection = Annotated["PinnedMessageConnection", strawberry.lazy("schema.pins")]
LazyMessageConnection = Annotated["MessageConnection", strawberry.lazy("schema.messages")]
LazyMemberConnection = Annotated["MemberConnection", strawberry.lazy("schema.members")]
LazyMembership = Annotated["Membership", strawberry.lazy("schema.members")]


AroundId = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="A message to have in the middle of the page, which `first` makes as long as "
        "it is; an error if it is not there for the viewer."
    ),
]
AroundDate = Annotated[
    datetime | None,
    strawberry.argument(
        description="A moment: the first message sent then or later comes in the middle."
    ),
]
Filter = Annotated[
    LazyMessageFilter | None,
    strawberry.argument(description="Only these messages. Their numbers then have gaps."),
]


@strawberry.enum(description="What a chat is for.")
class ChatKind(Enum):
    DIRECT = strawberry.enum_value(
        "direct", description="Two people, one chat per pair, without a title."
    )
    SELF = strawberry.enum_value(
        "self", description="One person's notes to themselves, without a title."
    )
    GROUP = strawberry.enum_value("group", description="People who come and go, under a title.")
    CHANNEL = strawberry.enum_value(
        "channel", description="As a group, but owner and admins write, and the others read."
    )


def _stored(kind: ChatKind) -> StoredKind:
    return StoredKind[kind.name]


async def _members(
    objects: Sequence["Chat"],
    info: Info,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> "list[member_types.MemberConnection]":
    return await member_types.member_pages(
        info.context, [chat.row for chat in objects], first, after
    )


async def _messages(
    objects: Sequence["Chat"],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
    around_id: AroundId = None,
    around_date: AroundDate = None,
    filter: Filter = None,
) -> "list[message_types.MessageConnection | NotFound]":
    asked = history_types.Asked(first, after, last, before, around_id, around_date, filter)
    return await history_types.message_pages(info.context, [chat.row.id for chat in objects], asked)


async def _pinned(
    objects: Sequence["Chat"], info: Info, first: First = DEFAULT_PAGE, after: After = None
) -> "list[pin_types.PinnedMessageConnection]":
    return await pin_types.pinned_messages(
        info.context, [chat.row.id for chat in objects], first, after
    )


async def _message(
    objects: Sequence["Chat"],
    info: Info,
    id: Annotated[strawberry.ID, strawberry.argument(description="The message's id.")],
) -> "list[message_types.Message | None]":
    chat_id, seq = decode_message(id)
    return await message_types.readable_messages(
        info.context, [(chat_id, seq) if chat.row.id == chat_id else None for chat in objects]
    )


async def _last_messages(
    objects: Sequence["Chat"], info: Info
) -> "list[message_types.Message | None]":
    return await message_types.readable_messages(
        info.context, [(chat.row.id, chat.row.last_message_seq) for chat in objects]
    )


async def _viewer_memberships(
    objects: Sequence["Chat"], info: Info
) -> "list[member_types.Membership | None]":
    async with info.context.db.reading() as db:
        found = await members.of_chats(
            db, info.context.signed_in.user_id, [chat.row.id for chat in objects]
        )
    return [
        member_types.Membership.own(found[chat.row.id], chat.row) if chat.row.id in found else None
        for chat in objects
    ]


async def _guest_links(
    objects: Sequence["Chat"], info: Info
) -> "list[list[guest_types.GuestLink] | None]":
    return await guest_types.guest_links(objects, info)


@strawberry.type(description="A conversation.")
class Chat(Node):
    kind: ChatKind = strawberry.field(description="What it is for.")
    title: str | None = strawberry.field(
        description="Its name; null for a direct chat, which is named after the other person."
    )
    description: str | None = strawberry.field(description="What it is about.")
    member_count: int = strawberry.field(description="How many people are in it.")
    created_at: datetime = strawberry.field(description="When it was started.")
    last_activity_at: datetime = strawberry.field(
        description="When the last message was sent; chats are listed by this."
    )
    members: LazyMemberConnection = batched(
        _members, description="Who is in it, in the order in which they came."
    )
    messages: LazyMessageConnection = batched(
        _messages,
        description="Its history as far as the viewer may read it, oldest first. Without `first` "
        "and `last`, the newest 50. Numbers have no gaps: what is deleted keeps its place.",
    )
    pinned_messages: LazyPinnedMessageConnection = batched(
        _pinned, description="What is pinned in it, as far as the viewer may read, the last first."
    )
    message: LazyMessage | None = batched(
        _message, description="One message of it; null if it is not there for the viewer."
    )
    last_message: LazyMessage | None = batched(
        _last_messages, description="The newest message, if the viewer may read it."
    )
    viewer_membership: LazyMembership | None = batched(
        _viewer_memberships, description="The viewer's own place in it."
    )
    guest_links: list[LazyGuestLink] | None = batched(
        _guest_links,
        description="The open ways into it for guests, the oldest first; null for who may not "
        "make any.",
    )
    row: strawberry.Private[chats.Chat]

    @classmethod
    def of(cls, row: chats.Chat) -> Self:
        """Return a chat as the schema shows it; who may see it has been decided."""
        return cls(
            id=strawberry.ID(encode(Kind.CHAT, row.id)),
            kind=ChatKind(row.kind),
            title=row.title,
            description=row.description,
            member_count=row.member_count,
            created_at=row.created_at,
            last_activity_at=row.last_activity_at,
            row=row,
        )


@strawberry.type(description="A page of the viewer's chats, the latest activity first.")
class ChatConnection(Connection[Chat]):
    pass


@strawberry.input(description="Which chats to list; every condition given must hold.")
class ChatFilter:
    kind: ChatKind | None = strawberry.field(default=None, description="Only of this kind.")


async def readable_chats(context: Context, ids: Sequence[UUID]) -> list[Chat | None]:
    """Return the chats that the viewer is in, None for the others; one object per id."""
    if not ids:
        return []
    async with context.db.reading() as db:
        rows = await chats.readable_many(db, context.signed_in.user_id, ids)
    shown = {chat_id: Chat.of(row) for chat_id, row in rows.items()}
    return [shown.get(chat_id) for chat_id in ids]


async def chat(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The chat's id.")]
) -> Chat | None:
    """Resolve `Query.chat`."""
    _ = info.context.signed_in
    return (await readable_chats(info.context, [decode(Kind.CHAT, id)]))[0]


async def viewer_chats(
    info: Info, first: int | None, after: str | None, filter: ChatFilter | None
) -> ChatConnection:
    """Resolve `Viewer.chats`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    position = None
    if after is not None:
        moment, hex_id = decode_cursor(after, parts=2, path="after")
        try:
            position = (_in_utc(datetime.fromisoformat(moment)), UUID(hex=hex_id))
        except (ValueError, OverflowError) as error:
            raise invalid_cursor("after") from error
    async with info.context.db.reading() as db:
        rows = await chats.page_of_viewer(
            db,
            info.context.signed_in.user_id,
            after=position,
            limit=shown.fetch,
            kind=_stored(filter.kind) if filter and filter.kind else None,
        )
    listed: ChatConnection = connection(
        ChatConnection,
        rows,
        shown,
        node=Chat.of,
        cursor=lambda row: encode_cursor(row.last_activity_at.isoformat(), row.id.hex),
        bounded_after=after is not None,
    )
    return listed


def _in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC; raises `ValueError`, `OverflowError` beyond the years 1–9999.

    A moment without a time zone is refused: it would be read as the server's own.
    """
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


@strawberry.input(description="A chat to start.")
class CreateChatInput:
    kind: ChatKind = strawberry.field(description="What it is for.")
    member_ids: list[strawberry.ID] = strawberry.field(
        description="The other people: one for a direct chat, up to "
        f"{use_cases.MAX_ADDED_AT_ONCE} for a group. The viewer is in it anyway."
    )
    title: str | None = strawberry.field(
        default=None, description="A group's name, up to 128 characters; none for a direct chat."
    )
    description: str | None = strawberry.field(
        default=None, description="What a group is about, up to 1024 characters."
    )


@strawberry.type(description="The chat, new or, for a direct one, as it was.")
class CreateChatPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(
    description="What of a group is to be another. What is absent stays; null takes away."
)
class UpdateChatInput:
    chat_id: strawberry.ID = strawberry.field(description="The group.")
    title: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name, up to 128 characters; it cannot be null."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is about, up to 1024 characters."
    )


@strawberry.type(description="The group as it is now.")
class UpdateChatPayload:
    chat: Chat | None = strawberry.field(default=None, description="The group.")
    errors: list[UserError] = errors_field()


_CHANGE = strawberry.argument(description="What changes.")
_CREATION = strawberry.argument(description="The chat.")


@refusals_into(CreateChatPayload)
async def create_chat(
    info: Info, input: Annotated[CreateChatInput, _CREATION]
) -> CreateChatPayload:
    """Resolve `Mutation.createChat`."""
    row = await use_cases.create(
        info.context.services,
        info.context.signed_in,
        kind=_stored(input.kind),
        title=input.title,
        description=input.description,
        member_ids=[decode(Kind.USER, user_id, path="memberIds") for user_id in input.member_ids],
    )
    return CreateChatPayload(chat=Chat.of(row))


@refusals_into(UpdateChatPayload)
async def update_chat(info: Info, input: Annotated[UpdateChatInput, _CHANGE]) -> UpdateChatPayload:
    """Resolve `Mutation.updateChat`."""
    details: use_cases.Details = {}
    if input.title is not strawberry.UNSET:
        details["title"] = input.title
    if input.description is not strawberry.UNSET:
        details["description"] = input.description
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        details=details,
    )
    return UpdateChatPayload(chat=Chat.of(row))
