"""Deleting for oneself: what somebody does not want to see any more, and others go on seeing."""

from uuid import UUID

from models import events, hidden, members, messages
from models.chats import Chat
from models.errors import NotFound
from models.events import EventKind
from models.messages import Message, MessageKey
from models.viewer import Viewer
from resolvers.locked_chat import changing
from resolvers.receipts import mark_read
from resolvers.services import Services, utc_now


async def hide(services: Services, viewer: Viewer, *, key: MessageKey) -> Message:
    """Hide a message from the viewer for good, and return it as they see it from then on.

    Hiding it again changes nothing. Raises `NotFound`.
    """
    now = utc_now()
    chat_id, seq = key
    async with services.db.writing() as connection:
        found = await messages.readable_by_keys(connection, viewer.user_id, [key])
        if key not in found:
            raise NotFound("The message", path=["messageId"])
        if await hidden.hide(connection, viewer.user_id, key, now=now):
            await events.record(
                connection,
                EventKind.MESSAGE_HIDDEN,
                now=now,
                user_id=viewer.user_id,
                actor_id=viewer.user_id,
                subject_id=chat_id,
                message_seq=seq,
            )
        seen = await messages.readable_by_keys(connection, viewer.user_id, [key])
    services.node.announce_log()
    return seen[key]


async def clear_history(services: Services, viewer: Viewer, *, chat_id: UUID) -> tuple[Chat, int]:
    """Take everything said so far in a chat away from the viewer, for good.

    Returns the chat and the number of the last message that went. They have read it all from then
    on, and their history begins with the next message, as if they had joined now. Raises
    `NotFound`.
    """
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        last = locked.chat.last_message_seq
        if locked.me.first_message_seq <= last:
            await members.start_history(locked.connection, locked.me.id, last + 1)
            await events.record(
                locked.connection,
                EventKind.HISTORY_CLEARED,
                now=now,
                user_id=viewer.user_id,
                actor_id=viewer.user_id,
                subject_id=chat_id,
                message_seq=last,
            )
    return await mark_read(services, viewer, chat_id=chat_id, seq=last), last
