"""Messages, and the mutations about them."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import strawberry

from models import link_previews as link_preview_rows
from models import mentions, messages
from models import polls as poll_rows
from models import reactions as reaction_rows
from models.edits import KEPT
from models.errors import NotFound
from models.messages import MessageKey
from resolvers import markup
from resolvers import messages as use_cases
from resolvers.mentions import ALL, MAX_MENTIONS
from schema import chats as chat_types
from schema import forwards as forward_types
from schema import threads as thread_types
from schema.batching import batched
from schema.connections import Connection, Edge
from schema.context import Context, Info
from schema.edits import MessageEdit, edits_of_each
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import (
    decode_message,
    encode_message,
    encode_thread,
)
from schema.link_previews import LinkPreview
from schema.node import Node
from schema.polls import Poll
from schema.reaction_groups import ReactionGroup
from schema.receipt_summary import ReceiptSummary, receipts
from schema.system_messages import SystemMessage
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat
    from schema.forwards import ForwardOrigin
    from schema.threads import Thread

LazyForwardOrigin = Annotated["ForwardOrigin", strawberry.lazy("schema.forwards")]
LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]
LazyThread = Annotated["Thread", strawberry.lazy("schema.threads")]


@strawberry.enum(description="What a message is.")
class MessageKind(Enum):
    TEXT = strawberry.enum_value("text", description="What somebody wrote.")
    POLL = strawberry.enum_value("poll", description="A question with answers to choose from.")
    SYSTEM = strawberry.enum_value(
        "system", description="What happened in the chat; its sender is who did it."
    )


async def _chats(objects: Sequence["Message"], info: Info) -> "list[chat_types.Chat | NotFound]":
    ids = [message.row.chat_id for message in objects]
    return [
        chat or NotFound("The chat") for chat in await chat_types.readable_chats(info.context, ids)
    ]


async def _senders(objects: Sequence["Message"], info: Info) -> list[User | None]:
    found = await users_by_ids(info.context, [message.row.sender_id for message in objects])
    return [user if user is not None and not user.is_deleted else None for user in found]


async def _replied_to(objects: Sequence["Message"], info: Info) -> "list[Message | None]":
    keys = [
        (message.row.chat_id, message.row.reply_to_seq)
        if message.row.reply_to_seq is not None
        else None
        for message in objects
    ]
    return await readable_messages(info.context, keys)


async def _htmls(objects: Sequence["Message"], info: Info) -> list[str]:
    asked = [message for message in objects if message.known_mentions is None]
    found = await _mentions(asked, info)
    named = {message.key: users for message, users in zip(asked, found, strict=True)}
    made = []
    for message in objects:
        users = message.known_mentions
        shown = message.named_in(named[message.key] if users is None else users)
        made.append(markup.html(message.text, shown))
        await asyncio.sleep(0)  # a long one takes 30 ms, in which everybody else waits
    return made


def _forwarded_from(root: "Message") -> "forward_types.ForwardOrigin | None":
    return forward_types.ForwardOrigin.of(root.row)


async def _reactions(objects: Sequence["Message"], info: Info) -> list[list[ReactionGroup]]:
    async with info.context.db.reading() as db:
        found = await reaction_rows.groups(db, [message.key for message in objects])
    return [[ReactionGroup.of(group) for group in found[message.key]] for message in objects]


async def _mentions(objects: Sequence["Message"], info: Info) -> list[list[User]]:
    naming = {message.key for message in objects if "@" in message.text}
    if not naming:
        return [[] for _ in objects]
    async with info.context.db.reading() as db:
        found = await mentions.of(db, naming)
    ids = list({user_id for named in found.values() for user_id in named})
    people = dict(zip(ids, await users_by_ids(info.context, ids), strict=True))
    return [
        [user for user_id in found.get(message.key, ()) if (user := people[user_id])]
        for message in objects
    ]


async def _link_previews(objects: Sequence["Message"], info: Info) -> list[LinkPreview | None]:
    rows = {message.key: message.row for message in objects}
    if not any(link_preview_rows.may_have(row) for row in rows.values()):
        return [None] * len(objects)
    async with info.context.db.reading() as db:
        found = await link_preview_rows.of_messages(db, rows)
    return [LinkPreview.of_any(found.get(message.key)) for message in objects]


async def _viewer_reactions(objects: Sequence["Message"], info: Info) -> list[list[str]]:
    # Those to a message that is hidden are there still, and as little to be seen as it.
    shown = [message.key for message in objects if message.row.deleted_at is None]
    async with info.context.db.reading() as db:
        found = await reaction_rows.of_user(db, info.context.signed_in.user_id, shown)
    return [found.get(message.key, []) for message in objects]


async def _threads(objects: Sequence["Message"], info: Info) -> "list[thread_types.Thread | None]":
    roots = [
        (message.row.chat_id, message.row.thread_root_seq or message.row.seq) for message in objects
    ]
    return await thread_types.readable_threads(info.context, roots, begun=True)


async def _polls(objects: Sequence["Message"], info: Info) -> list[Poll | None]:
    async with info.context.db.reading() as db:
        found = await poll_rows.tallies(db, [message.key for message in objects])
    return [Poll.of(message.row, found[message.key]) for message in objects]


@strawberry.type(description="A message. A deleted one keeps its place, with an empty text.")
class Message(Node):
    seq: int = strawberry.field(
        description="Its number in the chat: from 1, without gaps, never reused."
    )
    kind: MessageKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="The text as written; empty when deleted.")
    html: str = batched(
        _htmls,
        known="quick_html",
        description="The text as HTML that is safe to show: Markdown is rendered, and nothing but "
        'a few harmless elements is left. Who is mentioned is within `<span class="mention">`, '
        "with their id as `data-user-id`; `@all` without one. Empty when deleted.",
    )
    client_message_id: UUID = strawberry.field(
        description="The id its sender's client gave it; tells one's own message when it arrives."
    )
    created_at: datetime = strawberry.field(description="When it was stored.")
    edited_at: datetime | None = strawberry.field(description="When its text last changed.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted.")
    expires_at: datetime | None = strawberry.field(
        description="When it is gone for everybody: from then on it is as if deleted."
    )
    chat: LazyChat = batched(_chats, known="known_chat", description="The chat it is in.")
    sender: User | None = batched(
        _senders,
        known="known_sender",
        description="Who wrote it; null when the account is gone.",
    )
    reply_to: Annotated["Message", strawberry.lazy("schema.messages")] | None = batched(
        _replied_to,
        description="What it answers; null if nothing, or nothing that the viewer may read.",
    )
    quote: str | None = strawberry.field(
        description="The words of what it answers that it is about, as they were then."
    )
    forwarded_from: LazyForwardOrigin | None = strawberry.field(
        resolver=_forwarded_from,
        description="Where it was first written, if it was forwarded; null otherwise.",
    )
    edits: list[MessageEdit] = batched(
        edits_of_each,
        description=f"What it said before, the oldest first: the last {KEPT} versions.",
    )
    reactions: list[ReactionGroup] = batched(
        _reactions,
        known="known_reactions",
        description="How people reacted, the kind that came first first.",
    )
    system: SystemMessage | None = strawberry.field(
        description="What a system message tells; null for any other."
    )
    mentions: list[User] = batched(
        _mentions,
        known="known_mentions",
        description=f"Who is named in it, `@handle`, of those who were in the chat then; "
        f"{MAX_MENTIONS} at most.",
    )
    mentions_all: bool = strawberry.field(
        description="Whether it mentions everybody, `@all`, from who may do that."
    )
    receipts: ReceiptSummary = batched(
        receipts, description="How far it has come: how many have received and read it."
    )
    viewer_reactions: list[str] = batched(
        _viewer_reactions, description="How the viewer reacted, in the order in which they did."
    )
    poll: Poll | None = batched(
        _polls,
        known="known_poll",
        absent=lambda message: message.row.kind != messages.MessageKind.POLL,
        description="The question with its answers, of a message that is a poll; null of any "
        "other, and once it is deleted.",
    )
    thread_id: strawberry.ID | None = strawberry.field(
        description="The thread that it is a reply in; null if it is in none."
    )
    thread_number: int | None = strawberry.field(
        description="Its number among the replies of its thread: from 1, without gaps."
    )
    thread: LazyThread | None = batched(
        _threads,
        description="The thread that it is a reply in, or has started; null if there is none, and "
        "if its first message is not for the viewer to read.",
    )
    link_preview: LinkPreview | None = batched(
        _link_previews,
        known="known_link_preview",
        description="What the page says of itself that the text links to first; null without a "
        "link, until it is fetched, and for a link written as `<https://…>` or as code.",
    )
    row: strawberry.Private[messages.Message]
    # With an event they come along, loaded once for everybody who hears of it.
    known_sender: strawberry.Private[User | None] = None
    known_chat: strawberry.Private[Any] = None
    known_reactions: strawberry.Private[list[ReactionGroup] | None] = None
    known_mentions: strawberry.Private[list[User] | None] = None
    known_poll: strawberry.Private[Poll | None] = None
    known_link_preview: strawberry.Private[LinkPreview | None] = None

    @property
    def key(self) -> MessageKey:
        """Which one it is, for look-ups."""
        return self.row.chat_id, self.row.seq

    @property
    def quick_html(self) -> str | None:
        """Its text as HTML, if that is made at once."""
        if self.known_mentions is None and "@" in self.text:
            return None  # whom it names has to be looked up
        return markup.quick(self.text, self.named_in(self.known_mentions or ()))

    def named_in(self, users: Iterable[User]) -> dict[str, str]:
        """Return by which id each handle in its text is known, of those whom it mentions."""
        named = {user.handle: str(user.id) for user in users}
        return {**named, ALL: ""} if self.mentions_all else named

    @classmethod
    def of(
        cls,
        row: messages.Message,
        *,
        sender: User | None = None,
        chat: "chat_types.Chat | None" = None,
        reactions: Sequence[reaction_rows.ReactionGroup] | None = None,
        subject: User | None = None,
        mentions: list[User] | None = None,
        tally: poll_rows.Tally | None = None,
        link_preview: link_preview_rows.LinkPreview | None = None,
    ) -> Self:
        """Return a message as the schema shows it, with what of it is loaded already."""
        if row.deleted_at is not None:  # or hidden from the viewer, for whom it has none either
            reactions = ()
        return cls(
            id=strawberry.ID(encode_message((row.chat_id, row.seq))),
            seq=row.seq,
            kind=MessageKind(row.kind),
            text=row.text,
            client_message_id=row.client_message_id,
            created_at=row.created_at,
            edited_at=row.edited_at,
            deleted_at=row.deleted_at,
            system=SystemMessage.of(row, subject=subject),
            mentions_all=row.mentions_all and row.deleted_at is None,
            expires_at=row.expires_at,
            quote=row.quote,
            thread_id=None
            if row.thread_root_seq is None
            else strawberry.ID(encode_thread((row.chat_id, row.thread_root_seq))),
            thread_number=row.thread_number,
            row=row,
            known_sender=None if sender is not None and sender.is_deleted else sender,
            known_chat=chat,
            known_reactions=None
            if reactions is None
            else [ReactionGroup.of(group) for group in reactions],
            known_mentions=mentions,
            known_poll=None if tally is None else Poll.of(row, tally),
            known_link_preview=LinkPreview.of_any(link_preview),
        )


@strawberry.type(description="A message of a list, with its place in it.")
class MessageEdge(Edge[Message]):
    snippet: str | None = strawberry.field(
        default=None,
        description="Of a search: the words around the first that was found, as HTML that is safe "
        "to show; what was found is within `<mark>`, and nothing else is markup.",
    )


@strawberry.type(
    description="A page of messages: of a chat's history, oldest first, or of what was found."
)
class MessageConnection(Connection[Message]):
    edges: list[MessageEdge] = strawberry.field(  # type: ignore[assignment]
        description="The messages with their cursors."
    )


async def readable_messages(
    context: Context, keys: Sequence[MessageKey | None]
) -> list[Message | None]:
    """Return the messages that the viewer may read, None for the others."""
    wanted = [key for key in keys if key is not None]
    async with context.db.reading() as db:
        rows = await messages.readable_by_keys(db, context.signed_in.user_id, wanted)
    shown = {key: Message.of(row) for key, row in rows.items()}
    return [shown.get(key) if key else None for key in keys]


@strawberry.input(description="Another text for one's own message.")
class EditMessageInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")
    text: str = strawberry.field(
        description=f"The new text: 1 to {use_cases.MAX_TEXT} characters, not only space."
    )


@strawberry.type(description="The message as it is now.")
class EditMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A message to delete, for everybody.")
class DeleteMessageInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")


@strawberry.type(description="The message has no content any more.")
class DeleteMessagePayload:
    deleted_message_id: strawberry.ID | None = strawberry.field(
        default=None, description="The message's id."
    )
    errors: list[UserError] = errors_field()


_EDIT = strawberry.argument(description="The change.")
_DELETION = strawberry.argument(description="What to delete.")


@refusals_into(EditMessagePayload)
async def edit_message(info: Info, input: Annotated[EditMessageInput, _EDIT]) -> EditMessagePayload:
    """Resolve `Mutation.editMessage`."""
    row = await use_cases.edit(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
        text=input.text,
    )
    return EditMessagePayload(message=Message.of(row))


@refusals_into(DeleteMessagePayload)
async def delete_message(
    info: Info, input: Annotated[DeleteMessageInput, _DELETION]
) -> DeleteMessagePayload:
    """Resolve `Mutation.deleteMessage`."""
    key = await use_cases.delete(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
    )
    return DeleteMessagePayload(deleted_message_id=strawberry.ID(encode_message(key)))
