"""Passing messages on to another chat, with where they were first written."""

import asyncio
import hmac
from collections.abc import Sequence
from uuid import UUID

from models import chats, messages
from models.errors import Forbidden, InvalidInput, NotFound
from models.messages import Message, MessageKey, MessageKind
from models.sending import Extras, Outgoing
from models.viewer import Viewer
from resolvers import markup
from resolvers.messages import stored
from resolvers.services import Services
from resolvers.word_filters import checked

MAX_FORWARDED = 50  # messages at once


async def forward(
    services: Services,
    viewer: Viewer,
    *,
    keys: Sequence[MessageKey],
    chat_id: UUID,
    client_message_ids: Sequence[UUID],
) -> list[Message]:
    """Send what other messages say to a chat, in the order given, and return what is stored.

    Each has a client's id of its own, which makes a retry safe: those that were sent before are
    answered as they are, whatever has become of their sources since, and the others are sent. What
    had been forwarded keeps its first origin. Nobody is mentioned by it. Raises `NotFound`,
    `Forbidden`, `InvalidInput` or `Filtered` before anything is sent, and what `send` raises; then
    those before it may be sent.
    """
    if not 1 <= len(keys) <= MAX_FORWARDED:
        raise InvalidInput(
            f"Between 1 and {MAX_FORWARDED} messages are forwarded at once.", path=["messageIds"]
        )
    if len(keys) != len(client_message_ids):
        raise InvalidInput(
            "There has to be one clientMessageId for each message.", path=["clientMessageIds"]
        )
    if len(set(client_message_ids)) != len(client_message_ids):
        raise InvalidInput("No two messages share an id.", path=["clientMessageIds"])
    async with services.db.reading() as connection:
        await chats.readable_by(connection, viewer.user_id, chat_id)
        found = await messages.readable_by_keys(connection, viewer.user_id, keys)
        sent = await messages.sent_among(connection, viewer.user_id, client_message_ids)
    going = []
    let_through: dict[str, str] = {}
    for key, client_id in zip(keys, client_message_ids, strict=True):
        source = None if client_id in sent else _source(found.get(key))
        text = source.text if source else ""
        if source is not None and text not in let_through:
            # As the word filters there let it through: they may be others than where it is from.
            let_through[text] = await checked(services, chat_id, text, path=["messageIds"])
            await asyncio.sleep(0)  # a long text takes a while: others have their turn
        text = let_through.get(text, text)
        going.append(
            _passed_on(
                services,
                viewer,
                source,
                key=key,
                text=text,
                chat_id=chat_id,
                client_message_id=client_id,
            )
        )
    # One after the other, so that they stand in their order.
    return [await stored(services, each) for each in going]


def _source(message: Message | None) -> Message:
    if message is None or message.deleted_at is not None:
        raise NotFound("The message", path=["messageIds"])
    if message.kind != MessageKind.TEXT:
        raise Forbidden("Only what somebody wrote is forwarded.", path=["messageIds"])
    return message


def _passed_on(
    services: Services,
    viewer: Viewer,
    source: Message | None,
    *,
    key: MessageKey,
    text: str,
    chat_id: UUID,
    client_message_id: UUID,
) -> Outgoing:
    """Return the message to send; without a source, which one it was, to be known again."""
    # What is repeated is known by what was forwarded to where, not by what that says now.
    parts = ["forward", key[0].hex, str(key[1]), chat_id.hex]
    digest = hmac.digest(services.credentials.content_key, "\x00".join(parts).encode(), "sha256")
    extras = Extras()
    if source is not None:
        first = source.forward_sent_at is None
        extras = Extras(
            forward_sender_id=source.sender_id if first else source.forward_sender_id,
            forward_chat_id=source.chat_id if first else source.forward_chat_id,
            forward_seq=source.seq if first else source.forward_seq,
            forward_sent_at=source.created_at if first else source.forward_sent_at,
            has_link=source.has_link and (text == source.text or bool(markup.links(text))),
        )
    return Outgoing(
        chat_id=chat_id,
        sender_id=viewer.user_id,
        client_message_id=client_message_id,
        text=text,
        reply_to=None,
        content_hash=digest,
        extras=extras,
    )
