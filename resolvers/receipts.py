"""How far people have read."""

from uuid import UUID

from models import chats, members
from models.chats import Chat
from models.errors import InvalidInput
from models.viewer import Viewer
from resolvers.services import Services


async def mark_read(services: Services, viewer: Viewer, *, chat_id: UUID, seq: int) -> Chat:
    """Move the viewer's read pointer forward to a message; it never goes back.

    A number beyond the last message means all of them. Raises `NotFound` or `InvalidInput`.
    """
    if seq < 0:
        raise InvalidInput("seq counts from 1; 0 changes nothing.", path=["seq"])
    async with services.db.writing() as connection:
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        await members.advance_read(
            connection, viewer.user_id, chat_id, min(seq, chat.last_message_seq)
        )
    return chat
