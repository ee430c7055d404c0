"""The message that a client has composed, and the mutation that sends it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from models import drafts, messages
from models.errors import InvalidInput
from models.messages import MessageKey
from models.sending import NOWHERE, PLAIN, Extras
from resolvers import direct, expiry
from resolvers import drafts as draft_cases
from resolvers import messages as use_cases
from resolvers import polls as poll_cases
from resolvers.quoting import checked_quote
from resolvers.services import utc_now
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message, decode_thread
from schema.messages import Message
from schema.polls import PollInput, asked


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
        default="",
        description=f"What it says: 1 to {use_cases.MAX_TEXT} characters, not only space; of a "
        "poll nothing.",
    )
    client_message_id: UUID = strawberry.field(
        description="A fresh random UUID. Repeat it to retry: the message is stored once, and "
        "the first result comes back."
    )
    reply_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the same chat that this one answers."
    )
    expires_in_seconds: int | None = strawberry.field(
        default=None,
        description=f"For how long it is to be there: {expiry.MIN_SECONDS} to "
        f"{expiry.MAX_SECONDS} seconds. For as long as the chat keeps messages, if absent.",
    )
    quote: str | None = strawberry.field(
        default=None,
        description="Words of that message that this one is about, exactly as it has them: up to "
        f"{messages.MAX_QUOTE} characters.",
    )
    thread_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The thread that it is a reply in, or the message that it starts one from.",
    )
    poll: PollInput | None = strawberry.field(
        default=None, description="A question with answers to choose from, in place of a text."
    )
    draft_version: UUID | None = strawberry.field(
        default=None,
        description="The version of the draft that this was made of, which goes with it; one that "
        "another device has gone on with stays.",
    )


@strawberry.type(description="The message as stored: it will not be lost from here on.")
class SendMessagePayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


_SENDING = strawberry.argument(description="The message.")


@refusals_into(SendMessagePayload)
async def send_message(
    info: Info, input: Annotated[SendMessageInput, _SENDING]
) -> SendMessagePayload:
    """Resolve `Mutation.sendMessage`."""
    message = await composed(info.context, input, sent_at=utc_now())
    row = await use_cases.send(
        info.context.services,
        info.context.signed_in,
        chat_id=message.chat_id,
        text=message.text,
        client_message_id=input.client_message_id,
        reply_to=message.reply_to,
        extras=message.extras,
    )
    await clear_draft(info.context, input, message)
    return SendMessagePayload(message=Message.of(row))


@dataclass(frozen=True, slots=True)
class Composed:
    """A message that is to be sent, as use-cases take it."""

    chat_id: UUID
    text: str
    reply_to: MessageKey | None
    extras: Extras


async def composed(context: Context, input: SendMessageInput, *, sent_at: datetime) -> Composed:
    """Return what an input asks to be sent at a moment; raises `InvalidInput`."""
    replied = input.reply_to_id
    reply_to = decode_message(replied, path="replyToId") if replied is not None else None
    text, extras = input.text, PLAIN
    if input.poll is not None:
        if input.text:
            raise InvalidInput("A poll has its question for a text.", path=["text"])
        poll = asked(input.poll)
        await poll_cases.require_time_left(
            context.services, context.signed_in, poll, input.client_message_id, now=sent_at
        )
        text, extras = poll.question, poll_cases.as_extras(poll, now=sent_at)
    if input.quote is not None:
        quote = await checked_quote(
            context.services,
            context.signed_in,
            quote=input.quote,
            reply_to=reply_to,
            client_message_id=input.client_message_id,
        )
        extras = replace(extras, quote=quote)
    if input.expires_in_seconds is not None:
        expires_at = expiry.until(
            input.expires_in_seconds, sent_at=sent_at, path=["expiresInSeconds"]
        )
        extras = replace(extras, expires_at=expires_at)
    chat_id = await _place(context, input, text, reply_to)
    if input.thread_id is not None:
        of_chat, root_seq = decode_thread(input.thread_id, path="threadId")
        # Of another chat, it is one that is never found.
        extras = replace(extras, thread_root_seq=root_seq if of_chat == chat_id else NOWHERE)
    return Composed(chat_id=chat_id, text=text, reply_to=reply_to, extras=extras)


async def _place(
    context: Context, input: SendMessageInput, text: str, answered: MessageKey | None
) -> UUID:
    """Return the chat that a message is for; raises `InvalidInput` unless it names one of two."""
    if (input.chat_id is None) == (input.to_user_id is None):
        raise InvalidInput("Give chatId or toUserId, one of them.", path=["chatId"])
    if input.to_user_id is None:
        return decode(Kind.CHAT, input.chat_id or "", path="chatId")
    chat = await direct.to_write(
        context.services,
        context.signed_in,
        decode(Kind.USER, input.to_user_id, path="toUserId"),
        text=text,
        answers=answered,
    )
    return chat.id


async def clear_draft(context: Context, input: SendMessageInput, message: Composed) -> None:
    """Forget the draft that a message was made of."""
    if input.draft_version is not None:
        place = message.chat_id, message.extras.thread_root_seq or drafts.THE_CHAT
        await draft_cases.clear(context.services, context.signed_in, place, input.draft_version)
