"""How far chats have reached people, and how far they have read."""

from uuid import UUID

from models.chats import Chat
from models.errors import InvalidInput, NotFound
from models.sending import Mark
from models.viewer import Viewer
from resolvers.services import Services


async def mark_read(services: Services, viewer: Viewer, *, chat_id: UUID, seq: int) -> Chat:
    """Move the viewer's read pointer forward to a message; it never goes back.

    What is read was delivered. A number beyond the last message means all of them. Raises
    `NotFound` or `InvalidInput`.
    """
    return await _move(services, Mark(chat_id, viewer.user_id, delivered_seq=seq, read_seq=seq))


async def mark_delivered(services: Services, viewer: Viewer, *, chat_id: UUID, seq: int) -> Chat:
    """Move the viewer's delivered pointer forward to a message; as `mark_read` does otherwise."""
    return await _move(services, Mark(chat_id, viewer.user_id, delivered_seq=seq))


async def _move(services: Services, mark: Mark) -> Chat:
    if mark.delivered_seq < 0:
        raise InvalidInput("seq counts from 1; 0 changes nothing.", path=["seq"])
    outcome = await services.sending.submit(mark)
    if outcome.chat is None:
        raise NotFound("The chat", path=["chatId"])
    return outcome.chat
