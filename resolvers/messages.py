"""Sending, editing and deleting messages.

Sends share commits (`resolvers/sending.py`). Edits and deletions are transactions of their own,
and cost 1,600 to 2,000 µs of Python where a send costs 20 to 70: they are rare beside sends, and
decided by what only several statements find out.
"""

import hmac
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from models import edits, messages, search
from models.errors import Conflict, Forbidden, NotFound
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.search import Text
from models.sending import PLAIN, Extras, Outgoing, Verdict, as_json, by_name
from models.viewer import Viewer
from resolvers import contents, expiry, markup
from resolvers.locked_chat import LockedChat, changing
from resolvers.permissions import Act, allows
from resolvers.services import Services, utc_now
from resolvers.text import checked

MAX_TEXT = 10_000  # characters


async def send(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    text: str,
    client_message_id: UUID,
    reply_to: MessageKey | None = None,
    expires_in: int | None = None,
    extras: Extras = PLAIN,
) -> Message:
    """Send a message and return it once it is stored for good; gone after `expires_in` seconds.

    `extras` is what few messages have, checked by whoever gives it. The client's id makes a retry
    safe: the same id with the same content returns the first result, with other content raises
    `Conflict`. Raises `NotFound` or `InvalidInput` besides.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    if expires_in is not None:
        lasting = timedelta(seconds=expiry.checked(expires_in, path=["expiresInSeconds"]))
        extras = replace(extras, expires_at=utc_now() + lasting)
    # What follows from the text alone tells no repetition from another message.
    hashed = content_hash(services, chat_id, text, reply_to, extras)
    if markup.links(text):
        extras = replace(extras, has_link=True)
    return await stored(
        services,
        Outgoing(
            chat_id=chat_id,
            sender_id=viewer.user_id,
            client_message_id=client_message_id,
            text=text,
            reply_to=reply_to,
            content_hash=hashed,
            extras=extras,
        ),
    )


async def stored(services: Services, message: Outgoing) -> Message:
    """Return a message once it is stored for good; raises what `send` does."""
    outcome = await services.sending.submit(message)
    if outcome.message is not None:
        return outcome.message
    match outcome.verdict:
        case Verdict.CONFLICT:
            raise Conflict(
                "This clientMessageId was used for another message.", path=["clientMessageId"]
            )
        case Verdict.NO_REPLY_TARGET:
            raise NotFound("The message replied to", path=["replyToId"])
        case _:
            raise NotFound("The chat", path=["chatId"])


async def edit(services: Services, viewer: Viewer, *, key: MessageKey, text: str) -> Message:
    """Give one's own message another text; raises `NotFound`, `Forbidden` or `InvalidInput`.

    What it said is kept. Of two edits at once the later one wins, and both are kept.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message = await visible(locked, key)
        if message.sender_id != viewer.user_id:
            raise Forbidden("Only the sender edits a message.", path=["messageId"])
        if message.kind != MessageKind.TEXT:
            raise Forbidden("Only what somebody wrote is edited.", path=["messageId"])
        if message.text != text:
            await edits.keep(locked.connection, message)
            has_link = bool(markup.links(text))
            await messages.edit(locked.connection, *key, text=text, has_link=has_link, now=now)
            await search.change(
                locked.connection, services.terms, Text(*key, message.sender_id, text)
            )
            await locked.record(EventKind.MESSAGE_EDITED, message_seq=key[1], now=now)
        return await visible(locked, key)


async def delete(services: Services, viewer: Viewer, *, key: MessageKey) -> MessageKey:
    """Take a message's content away for everybody; deleting it again changes nothing."""
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message = await messages.by_key(locked.connection, *key)
        if message is None or message.seq < locked.me.first_message_seq:
            raise NotFound("The message", path=["messageId"])
        own = message.sender_id == viewer.user_id
        if not own and not allows(locked.chat, locked.me, Act.DELETE_OTHERS_MESSAGES):
            raise Forbidden("You may delete your own messages only.", path=["messageId"])
        if message.deleted_at is None:
            await messages.delete(locked.connection, *key, now=now)
            await contents.take_away(locked.connection, key[0], [key[1]])
            await locked.record(EventKind.MESSAGE_DELETED, message_seq=key[1], now=now)
    return key


async def visible(locked: LockedChat, key: MessageKey) -> Message:
    """Return a message that is there and that the viewer may read."""
    message = await messages.by_key(locked.connection, *key)
    if (
        message is None
        or message.deleted_at is not None
        or message.seq < locked.me.first_message_seq
    ):
        raise NotFound("The message", path=["messageId"])
    return message


def content_hash(
    services: Services,
    chat_id: UUID,
    text: str,
    reply_to: MessageKey | None,
    extras: Extras = PLAIN,
) -> bytes:
    """Return what tells a retry from a misuse of its id, also when the text is long gone."""
    reply = f"{reply_to[0].hex}/{reply_to[1]}" if reply_to else ""
    parts = [chat_id.hex, reply, text]
    if extras is not PLAIN:
        # Without the moment when it expires, which is another one with every retry.
        parts.append(as_json({**by_name(extras), "expires_at": None}))
    return hmac.digest(services.credentials.content_key, "\x00".join(parts).encode(), "sha256")
