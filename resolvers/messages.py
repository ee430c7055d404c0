"""Sending, editing and deleting messages.

Sends share commits (`resolvers/sending.py`). Edits and deletions are transactions of their own,
and cost 1,600 to 2,000 µs of Python where a send costs 20 to 70: they are rare beside sends, and
decided by what only several statements find out.
"""

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from models import edits, members, messages, polls, search
from models.chat_acts import ChatAct
from models.errors import Conflict, Filtered, Forbidden, NotFound, RateLimited, Refusal
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.search import Text
from models.sending import PLAIN, Extras, Outcome, Outgoing, Verdict, as_json, given
from models.viewer import Viewer
from resolvers import contents, markup
from resolvers import mentions as mention_cases
from resolvers.chat_acts import note
from resolvers.locked_chat import LockedChat, changing
from resolvers.permissions import Act, allows, require, require_not_silenced
from resolvers.services import Services, utc_now
from resolvers.text import checked
from resolvers.word_filters import checked as filtered

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
    `Conflict`. Raises `NotFound`, `Forbidden`, `RateLimited`, `InvalidInput` or `Filtered` besides.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    # What follows from the text alone tells no repetition from another message.
    hashed = content_hash(services, chat_id, text, reply_to, extras)
    shown, extras = await _let_through(services, viewer, chat_id, text, extras, client_message_id)
    whom = mention_cases.named(shown)
    has_link = bool(markup.links(shown))
    if whom.everybody or has_link:
        extras = replace(extras, mentions_all=whom.everybody, has_link=has_link)
    return await stored(
        services,
        Outgoing(
            chat_id=chat_id,
            sender_id=viewer.user_id,
            client_message_id=client_message_id,
            text=shown,
            reply_to=reply_to,
            content_hash=hashed,
            extras=extras,
            mentioned=await mention_cases.in_chat(services, viewer, chat_id, whom),
        ),
    )


async def stored(services: Services, message: Outgoing) -> Message:
    """Return a message once it is stored for good; raises what `send` does."""
    outcome = await services.sending.submit(message)
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
    """Give one's own message another text.

    What it said is kept. Of two edits at once the later one wins, and both are kept. Raises
    `NotFound`, `Forbidden`, `InvalidInput` or `Filtered`.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    now = utc_now()
    # Before the lock, since it may look something up; who may not edit is told that first.
    refused: Filtered | None = None
    try:
        text = await filtered(services, key[0], text, path=["text"])
    except Filtered as refusal:
        refused = refusal
    async with changing(services, viewer, key[0]) as locked:
        message = await visible(locked, key)
        if message.sender_id != viewer.user_id:
            raise Forbidden("Only the sender edits a message.", path=["messageId"])
        if message.kind != MessageKind.TEXT:
            raise Forbidden("Only what somebody wrote is edited.", path=["messageId"])
        require(locked.chat, locked.me, Act.WRITE)
        require_not_silenced(locked.me, now, path=["messageId"])
        if refused is not None:
            raise refused
        if message.text != text:
            await edits.keep(locked.connection, message)
            has_link = bool(markup.links(text))
            await messages.edit(locked.connection, *key, text=text, has_link=has_link, now=now)
            await mention_cases.renew(locked, key, before=message.text, after=text)
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
        if message.kind == MessageKind.SYSTEM:
            raise Forbidden("What happened in a chat stays in it.", path=["messageId"])
        if message.deleted_at is None:
            await messages.delete(locked.connection, *key, now=now)
            await contents.take_away(locked.connection, key[0], [key[1]])
            await locked.record(EventKind.MESSAGE_DELETED, message_seq=key[1], now=now)
            if not own:
                await note(
                    locked,
                    ChatAct.MESSAGE_DELETED,
                    now=now,
                    subject_id=message.sender_id,
                    message_seq=key[1],
                )
    return key


async def _let_through(
    services: Services,
    viewer: Viewer,
    chat_id: UUID,
    text: str,
    extras: Extras,
    client_message_id: UUID,
) -> tuple[str, Extras]:
    """Return a message's words as the word filters let them through; raises `Filtered`.

    What was stored before a filter was set is answered as it was: its retry stores nothing. And who
    is not in the chat goes on to be told no more than that.
    """
    try:
        if extras.kind == MessageKind.POLL and extras.details:
            details = await _poll_let_through(services, chat_id, extras.details)
            text = await filtered(services, chat_id, text, path=["poll", "question"])
            return text, replace(extras, details=details)
        return await filtered(services, chat_id, text, path=["text"]), extras
    except Filtered:
        async with services.db.reading() as connection:
            inside = await members.of_chats(connection, viewer.user_id, [chat_id])
            if inside and not await messages.is_sent(connection, viewer.user_id, client_message_id):
                raise
        return text, extras


async def _poll_let_through(
    services: Services, chat_id: UUID, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a poll's details with its answers as the word filters let them through."""
    path = ["poll", "options"]
    offered = details["poll"]["options"]
    options = [await filtered(services, chat_id, option, path=path) for option in offered]
    return polls.with_options(details, options)


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
    if more := given(extras):
        parts.append(as_json(more))
    return hmac.digest(services.credentials.content_key, "\x00".join(parts).encode(), "sha256")
