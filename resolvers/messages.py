"""Sending, editing and deleting messages.

Sends share commits (`resolvers/sending.py`). Edits and deletions are transactions of their own,
and cost 1,600 to 2,000 µs of Python where a send costs 20 to 70: they are rare beside sends, and
decided by what only several statements find out.
"""

import hmac
from uuid import UUID

from models import messages, polls, reactions
from models.errors import Conflict, Forbidden, NotFound, RateLimited, Refusal
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.sending import PLAIN, Extras, Outcome, Outgoing, Verdict, as_json, given
from models.viewer import Viewer
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
    extras: Extras = PLAIN,
) -> Message:
    """Send a message and return it once it is stored for good.

    `extras` is what few messages have, checked by whoever gives it. The client's id makes a retry
    safe: the same id with the same content returns the first result, with other content raises
    `Conflict`. Raises `NotFound`, `Forbidden`, `RateLimited` or `InvalidInput` besides.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    outcome = await services.sending.submit(
        Outgoing(
            chat_id=chat_id,
            sender_id=viewer.user_id,
            client_message_id=client_message_id,
            text=text,
            reply_to=reply_to,
            content_hash=content_hash(services, chat_id, text, reply_to, extras),
            extras=extras,
        )
    )
    if outcome.message is not None:
        return outcome.message
    raise _refusal(outcome)


def _refusal(outcome: Outcome) -> Refusal:
    """Return why a message was not stored."""
    match outcome.verdict:
        case Verdict.CONFLICT:
            return Conflict(
                "This clientMessageId was used for another message.", path=["clientMessageId"]
            )
        case Verdict.MAY_NOT_WRITE:
            return Forbidden("You may not write in this chat.", path=["chatId"])
        case Verdict.SILENCED:
            # By whom is not told: in a direct chat that would be who blocks whom.
            return Forbidden("You may not write in this chat at present.", path=["chatId"])
        case Verdict.NO_REPLY_TARGET:
            return NotFound("The message replied to", path=["replyToId"])
        case Verdict.NO_THREAD:
            return NotFound("The thread", path=["threadId"])
        case Verdict.TOO_SOON:
            return RateLimited(retry_after=outcome.retry_after)
        case _:
            return NotFound("The chat", path=["chatId"])


async def edit(services: Services, viewer: Viewer, *, key: MessageKey, text: str) -> Message:
    """Give one's own message another text; raises `NotFound`, `Forbidden` or `InvalidInput`."""
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message = await _visible(locked, key)
        if message.sender_id != viewer.user_id:
            raise Forbidden("Only the sender edits a message.", path=["messageId"])
        if message.text != text:
            await messages.edit(locked.connection, *key, text=text, now=now)
            await locked.record(EventKind.MESSAGE_EDITED, message_seq=key[1], now=now)
        return await _visible(locked, key)


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
            await reactions.clear(locked.connection, key)
            if message.kind == MessageKind.POLL:
                await polls.forget(locked.connection, key)
            await locked.record(EventKind.MESSAGE_DELETED, message_seq=key[1], now=now)
    return key


async def _visible(locked: LockedChat, key: MessageKey) -> Message:
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
    if more := given(extras):
        parts.append(as_json(more))
    return hmac.digest(services.credentials.content_key, "\x00".join(parts).encode(), "sha256")
