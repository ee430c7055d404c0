"""Chats as the schema shows them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import chats, members
from models.drafts import THE_CHAT
from models.errors import NotFound
from resolvers import direct
from schema import chat_order as order
from schema import guests as guest_types
from schema import history as history_types
from schema import incoming_webhooks as incoming_types
from schema import members as member_types
from schema import messages as message_types
from schema import pins as pin_types
from schema import presence as presence_types
from schema import webhooks as webhook_types
from schema.batching import batched
from schema.connections import (
    DEFAULT_PAGE,
    After,
    Before,
    Connection,
    First,
    Last,
)
from schema.context import Context, Info
from schema.drafts import Draft, viewer_drafts
from schema.ids import Kind, decode, decode_message, encode
from schema.node import Node

if TYPE_CHECKING:
    from schema.guests import GuestLink
    from schema.incoming_webhooks import IncomingWebhook
    from schema.members import MemberConnection, Membership
    from schema.message_filter import MessageFilter
    from schema.messages import Message, MessageConnection
    from schema.pins import PinnedMessageConnection
    from schema.webhooks import Webhook

LazyGuestLink = Annotated["GuestLink", strawberry.lazy("schema.guests")]
LazyIncomingWebhook = Annotated["IncomingWebhook", strawberry.lazy("schema.incoming_webhooks")]
LazyWebhook = Annotated["Webhook", strawberry.lazy("schema.webhooks")]
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


@strawberry.enum(description="What of the history somebody may read who joins.")
class HistoryVisibility(Enum):
    SINCE_JOINING = strawberry.enum_value(
        "since_joining", description="What was said since they joined."
    )
    FROM_START = strawberry.enum_value(
        "from_start", description="Everything that was ever said; of guests, as above."
    )


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


async def _viewer_drafts(objects: Sequence["Chat"], info: Info) -> list[Draft | None]:
    return await viewer_drafts(info.context, [(chat.row.id, THE_CHAT) for chat in objects])


async def _online_counts(objects: Sequence["Chat"], info: Info) -> list[int | None]:
    return await presence_types.online_count_of_each(objects, info)


async def _webhooks(
    objects: Sequence["Chat"], info: Info
) -> "list[list[webhook_types.Webhook] | None]":
    return await webhook_types.webhooks(objects, info)


async def _incoming_webhooks(
    objects: Sequence["Chat"], info: Info
) -> "list[list[incoming_types.IncomingWebhook] | None]":
    return await incoming_types.incoming(objects, info)


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
    history_visibility: HistoryVisibility = strawberry.field(
        description="What those may read who join from now on."
    )
    message_ttl: int | None = strawberry.field(
        description="After how many seconds a message sent from now on goes; null for never."
    )
    slow_mode: int | None = strawberry.field(
        description="How many seconds members wait between two messages; null for none."
    )
    reaction_set: list[str] | None = strawberry.field(
        description="Which reactions it takes; null for any."
    )
    expired_seq: int = strawberry.field(
        description="Every message up to this one is gone because its time was over, and nobody "
        "has it to read any more; 0 for none. It only grows."
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
    join_links: list[order.LazyJoinLink] | None = batched(
        order.join_links,
        description="The open ways into it for people with an account, the oldest first; null for "
        "who may not make any.",
    )
    join_requests: order.LazyJoinRequestConnection | None = batched(
        order.join_requests,
        description="Who waits to be let in, the oldest first; null for who may not answer.",
    )
    bans: order.LazyBanConnection | None = batched(
        order.bans, description="Who is kept out, the newest first; null for who may not ban."
    )
    word_filters: list[order.LazyWordFilter] | None = batched(
        order.word_filters,
        description="What is not to be written in it; null for who may not moderate.",
    )
    audit_log: order.LazyChatActConnection | None = batched(
        order.audit_log,
        description="What was done about order in it, the newest first; null for who may not "
        "moderate.",
    )
    viewer_draft: Draft | None = batched(
        _viewer_drafts, description="What the viewer has begun to write in it, threads aside."
    )
    online_count: int | None = batched(
        _online_counts,
        description="How many of its people are there, as far as the viewer may know; of more than "
        f"{presence_types.COUNTED_UP_TO} about how many. Null for direct chats and for who has "
        "left it.",
    )
    webhooks: list[LazyWebhook] | None = batched(
        _webhooks,
        description="The URLs that are told what happens in it, the oldest first; null for who may "
        "not manage webhooks in it.",
    )
    incoming_webhooks: list[LazyIncomingWebhook] | None = batched(
        _incoming_webhooks,
        description="The ways into it for programs, the oldest first; null for who may not manage "
        "webhooks in it.",
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
            history_visibility=HistoryVisibility(row.history),
            message_ttl=row.message_ttl,
            slow_mode=row.slow_mode,
            reaction_set=row.reaction_set,
            expired_seq=row.expired_seq,
            row=row,
        )


@strawberry.type(description="A page of the viewer's chats, the latest activity first.")
class ChatConnection(Connection[Chat]):
    pass


async def viewer_self_chat(info: Info) -> Chat | None:
    """Resolve `Viewer.selfChat`."""
    row = await direct.with_oneself(info.context.services, info.context.signed_in)
    return Chat.of(row) if row else None


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
