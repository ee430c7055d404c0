"""Messages, and the mutations about them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import strawberry

from models import messages
from models import reactions as reaction_rows
from models.errors import InvalidInput, NotFound
from models.messages import MessageKey
from resolvers import direct
from resolvers import messages as use_cases
from schema import chats as chat_types
from schema.batching import batched
from schema.connections import (
    Connection,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page,
)
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message, encode_message
from schema.node import Node
from schema.reaction_groups import ReactionGroup
from schema.system_messages import SystemMessage
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat

DEFAULT_PAGE = 50

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]


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


async def _reactions(objects: Sequence["Message"], info: Info) -> list[list[ReactionGroup]]:
    async with info.context.db.reading() as db:
        found = await reaction_rows.groups(db, [message.key for message in objects])
    return [[ReactionGroup.of(group) for group in found[message.key]] for message in objects]


async def _viewer_reactions(objects: Sequence["Message"], info: Info) -> list[list[str]]:
    async with info.context.db.reading() as db:
        found = await reaction_rows.of_user(
            db, info.context.signed_in.user_id, [message.key for message in objects]
        )
    return [found[message.key] for message in objects]


@strawberry.type(description="A message. A deleted one keeps its place, with an empty text.")
class Message(Node):
    seq: int = strawberry.field(
        description="Its number in the chat: from 1, without gaps, never reused."
    )
    kind: MessageKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="The text as written; empty when deleted.")
    client_message_id: UUID = strawberry.field(
        description="The id its sender's client gave it; tells one's own message when it arrives."
    )
    created_at: datetime = strawberry.field(description="When it was stored.")
    edited_at: datetime | None = strawberry.field(description="When its text last changed.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted.")
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
    reactions: list[ReactionGroup] = batched(
        _reactions,
        known="known_reactions",
        description="How people reacted, the kind that came first first.",
    )
    system: SystemMessage | None = strawberry.field(
        description="What a system message tells; null for any other."
    )
    viewer_reactions: list[str] = batched(
        _viewer_reactions, description="How the viewer reacted, in the order in which they did."
    )
    row: strawberry.Private[messages.Message]
    # With an event they come along, loaded once for everybody who hears of it.
    known_sender: strawberry.Private[User | None] = None
    known_chat: strawberry.Private[Any] = None
    known_reactions: strawberry.Private[list[ReactionGroup] | None] = None

    @property
    def key(self) -> MessageKey:
        """Which one it is, for look-ups."""
        return self.row.chat_id, self.row.seq

    @classmethod
    def of(
        cls,
        row: messages.Message,
        *,
        sender: User | None = None,
        chat: "chat_types.Chat | None" = None,
        reactions: Sequence[reaction_rows.ReactionGroup] | None = None,
        subject: User | None = None,
    ) -> Self:
        """Return a message as the schema shows it, with what of it is loaded already."""
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
            row=row,
            known_sender=None if sender is not None and sender.is_deleted else sender,
            known_chat=chat,
            known_reactions=None
            if reactions is None
            else [ReactionGroup.of(group) for group in reactions],
        )


@strawberry.type(description="A page of a chat's history, oldest first.")
class MessageConnection(Connection[Message]):
    pass


async def readable_messages(
    context: Context, keys: Sequence[MessageKey | None]
) -> list[Message | None]:
    """Return the messages that the viewer may read, None for the others."""
    wanted = [key for key in keys if key is not None]
    async with context.db.reading() as db:
        rows = await messages.readable_by_keys(db, context.signed_in.user_id, wanted)
    shown = {key: Message.of(row) for key, row in rows.items()}
    return [shown.get(key) if key else None for key in keys]


async def message_pages(
    context: Context,
    chat_ids: Sequence[UUID],
    *,
    first: int | None,
    after: str | None,
    last: int | None,
    before: str | None,
) -> list[MessageConnection]:
    """Return the same page of history for each chat, as far as the viewer may read."""
    shown = page(first, last, default_last=DEFAULT_PAGE)
    async with context.db.reading() as db:
        rows = await messages.pages(
            db,
            context.signed_in.user_id,
            chat_ids,
            limit=shown.fetch,
            after=_seq(after, "after"),
            before=_seq(before, "before"),
            newest=shown.backwards,
        )
    return [
        connection(
            MessageConnection,
            rows[chat_id],
            shown,
            node=Message.of,
            cursor=lambda row: encode_cursor(str(row.seq)),
            bounded_before=before is not None,
            bounded_after=after is not None,
        )
        for chat_id in chat_ids
    ]


def _seq(cursor: str | None, path: str) -> int | None:
    if cursor is None:
        return None
    (seq,) = decode_cursor(cursor, parts=1, path=path)
    if not (seq.isascii() and seq.isdigit() and len(seq) <= 18):
        raise invalid_cursor(path)
    return int(seq)


@strawberry.input(description="A message to send.")
class SendMessageInput:
    chat_id: strawberry.ID | None = strawberry.field(
        default=None, description="Where to; this or `toUserId`."
    )
    to_user_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Whom to: into the direct chat with them, which the first message makes, or "
        "for the viewer's own id into their own chat.",
    )
    text: str = strawberry.field(
        description=f"What it says: 1 to {use_cases.MAX_TEXT} characters, not only space."
    )
    client_message_id: UUID = strawberry.field(
        description="A fresh random UUID. Repeat it to retry: the message is stored once, and "
        "the first result comes back."
    )
    reply_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the same chat that this one answers."
    )


@strawberry.type(description="The message as stored: it will not be lost from here on.")
class SendMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


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


_SENDING = strawberry.argument(description="The message.")
_EDIT = strawberry.argument(description="The change.")
_DELETION = strawberry.argument(description="What to delete.")


@refusals_into(SendMessagePayload)
async def send_message(
    info: Info, input: Annotated[SendMessageInput, _SENDING]
) -> SendMessagePayload:
    """Resolve `Mutation.sendMessage`."""
    reply_to = input.reply_to_id
    answered = decode_message(reply_to, path="replyToId") if reply_to is not None else None
    row = await use_cases.send(
        info.context.services,
        info.context.signed_in,
        chat_id=await _place(info, input, answered),
        text=input.text,
        client_message_id=input.client_message_id,
        reply_to=answered,
    )
    return SendMessagePayload(message=Message.of(row))


async def _place(info: Info, input: SendMessageInput, answered: MessageKey | None) -> UUID:
    """Return the chat that a message is for; raises `InvalidInput` unless it names one of two."""
    if (input.chat_id is None) == (input.to_user_id is None):
        raise InvalidInput("Give chatId or toUserId, one of them.", path=["chatId"])
    if input.to_user_id is None:
        return decode(Kind.CHAT, input.chat_id or "", path="chatId")
    chat = await direct.to_write(
        info.context.services,
        info.context.signed_in,
        decode(Kind.USER, input.to_user_id, path="toUserId"),
        text=input.text,
        answers=answered,
    )
    return chat.id


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
