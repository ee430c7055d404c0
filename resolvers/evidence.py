"""What was to be read when something was reported, kept so that deleting it destroys nothing.

Only what the reporter may read themselves, and only a few messages: a report is no way to look into
a chat that somebody has left.
"""

from datetime import datetime
from typing import Any

from models import chats, messages
from models.chats import Chat
from models.database import Connection
from models.members import Member
from models.messages import Message, MessageKey, MessageKind
from models.viewer import Viewer

BEFORE, AFTER = 3, 2  # messages around the one that was reported
MAX_AROUND = 1000  # characters of each of them


async def of_message(
    connection: Connection, viewer: Viewer, key: MessageKey, now: datetime
) -> tuple[Message, dict[str, Any]] | None:
    """Return a message that the viewer may read, and what is kept of it; None if there is none."""
    chat_id, seq = key
    keys = [(chat_id, each) for each in range(max(1, seq - BEFORE), seq + AFTER + 1)]
    found = await messages.readable_by_keys(connection, viewer.user_id, keys)
    readable = {each.seq: each for each in found.values() if _is_there(each, now)}
    if seq not in readable:
        return None
    chat = await chats.readable_by(connection, viewer.user_id, chat_id)
    kept = [
        _kept(each, whole=each.seq == seq)
        for _, each in sorted(readable.items())
        if each.kind != MessageKind.SYSTEM  # who came and went is nobody's words
    ]
    return readable[seq], {**_of(chat), "messages": kept}


def of_chat(chat: Chat, me: Member) -> dict[str, Any]:
    """Return what is kept of a chat that the viewer is in."""
    return {**_of(chat), "joined_at": me.joined_at.isoformat(), "messages": []}


def _of(chat: Chat) -> dict[str, Any]:
    return {
        "kind": chat.kind,
        "title": chat.title,
        "description": chat.description,
        "members": chat.member_count,
    }


def _is_there(message: Message, now: datetime) -> bool:
    unexpired = message.expires_at is None or message.expires_at > now
    return message.deleted_at is None and unexpired


def _kept(message: Message, *, whole: bool) -> dict[str, Any]:
    return {
        "seq": message.seq,
        "sender_id": str(message.sender_id),
        "text": message.text if whole else message.text[:MAX_AROUND],
        "sent_at": message.created_at.isoformat(),
        # What a poll asks, and whatever else a message has beside its text.
        "kind": message.kind,
        "details": message.details,
        "edited_at": message.edited_at.isoformat() if message.edited_at else None,
    }
