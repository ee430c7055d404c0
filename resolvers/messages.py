"""Sending, editing and deleting messages."""

import hmac
from datetime import datetime
from uuid import UUID

from models import chats, events, members, messages
from models.errors import Conflict, Forbidden, NotFound, Raced
from models.events import EventKind
from models.messages import Message, MessageKey
from models.viewer import Viewer
from resolvers.members import LockedChat, changing
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
) -> Message:
    """Send a message and return it once it is stored for good.

    The client's id makes a retry safe: the same id with the same content returns the first
    result, with other content raises `Conflict`. Raises `NotFound` or `InvalidInput` besides.
    """
    text = checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    sent_hash = content_hash(services, chat_id, text, reply_to)
    for attempt in (1, 2):
        try:
            async with changing(services, viewer, chat_id) as locked:
                earlier = await messages.sent_before(
                    locked.connection, viewer.user_id, client_message_id
                )
                if earlier is None:
                    return await _store(
                        locked, viewer, text, client_message_id, sent_hash, reply_to
                    )
        except Raced:
            # The same id went into another chat at the same moment: look again, and see it.
            if attempt == 2:
                raise
            continue
        message, first_hash = earlier
        if not hmac.compare_digest(first_hash, sent_hash):
            raise Conflict(
                "This clientMessageId was used for another message.", path=["clientMessageId"]
            )
        return message
    raise AssertionError("unreachable")


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
            await _record(locked, EventKind.MESSAGE_EDITED, viewer, key[1], now)
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
            await _record(locked, EventKind.MESSAGE_DELETED, viewer, key[1], now)
    return key


async def _store(
    locked: LockedChat,
    viewer: Viewer,
    text: str,
    client_message_id: UUID,
    content_hash: bytes,
    reply_to: MessageKey | None,
) -> Message:
    if reply_to is not None:
        if reply_to[0] != locked.chat.id:
            raise NotFound("The message replied to", path=["replyToId"])
        await _visible(locked, reply_to, path="replyToId")
    # Taken under the lock: within a chat, a later number never has an earlier time.
    now = utc_now()
    event_seq, seq = await chats.next_message_seq(locked.connection, locked.chat.id, now)
    message = Message(
        chat_id=locked.chat.id,
        seq=seq,
        sender_id=viewer.user_id,
        text=text,
        reply_to_seq=reply_to[1] if reply_to else None,
        client_message_id=client_message_id,
        created_at=now,
        edited_at=None,
        deleted_at=None,
    )
    await messages.insert(locked.connection, message, content_hash)
    await events.record(
        locked.connection,
        EventKind.MESSAGE_SENT,
        now=now,
        chat_id=locked.chat.id,
        seq=event_seq,
        actor_id=viewer.user_id,
        message_seq=seq,
    )
    # Who writes has read what was there.
    await members.advance_read(locked.connection, viewer.user_id, locked.chat.id, seq)
    return message


async def _visible(locked: LockedChat, key: MessageKey, *, path: str = "messageId") -> Message:
    """Return a message that is there and that the viewer may read."""
    message = await messages.by_key(locked.connection, *key)
    if (
        message is None
        or message.deleted_at is not None
        or message.seq < locked.me.first_message_seq
    ):
        raise NotFound("The message", path=[path])
    return message


async def _record(
    locked: LockedChat, kind: EventKind, viewer: Viewer, message_seq: int, now: datetime
) -> None:
    await events.record(
        locked.connection,
        kind,
        now=now,
        chat_id=locked.chat.id,
        seq=await chats.next_event_seq(locked.connection, locked.chat.id),
        actor_id=viewer.user_id,
        message_seq=message_seq,
    )


def content_hash(
    services: Services, chat_id: UUID, text: str, reply_to: MessageKey | None
) -> bytes:
    """Return what tells a retry from a misuse of its id, also when the text is long gone."""
    reply = f"{reply_to[0].hex}/{reply_to[1]}" if reply_to else ""
    content = "\x00".join((chat_id.hex, reply, text))
    return hmac.digest(services.credentials.content_key, content.encode(), "sha256")
