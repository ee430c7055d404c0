"""How far people have read."""

from uuid import UUID

from models.chats import Chat
from models.errors import InvalidInput, NotFound
from models.sending import ReadMark
from models.viewer import Viewer
from resolvers.services import Services


async def mark_read(services: Services, viewer: Viewer, *, chat_id: UUID, seq: int) -> Chat:
    """Move the viewer's read pointer forward to a message; it never goes back.

    A number beyond the last message means all of them. Raises `NotFound` or `InvalidInput`.
    """
    if seq < 0:
        raise InvalidInput("seq counts from 1; 0 changes nothing.", path=["seq"])
    outcome = await services.sending.submit(ReadMark(chat_id, viewer.user_id, seq))
    if outcome.chat is None:
        raise NotFound("The chat", path=["chatId"])
    return outcome.chat
