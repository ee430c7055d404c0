"""Who is typing: told to whoever listens now, stored nowhere."""

from datetime import timedelta
from uuid import UUID

from models import chats
from models.viewer import Viewer
from realtime.typing import TypingHint
from resolvers.services import Services, utc_now

# A client that goes on typing says so again before this; one that vanished stops by itself.
TYPING_LASTS = timedelta(seconds=6)


async def set_typing(
    services: Services, viewer: Viewer, *, chat_id: UUID, typing: bool
) -> TypingHint:
    """Tell the others in the chat; raises `NotFound`."""
    async with services.db.reading() as connection:
        await chats.readable_by(connection, viewer.user_id, chat_id)
    now = utc_now()
    hint = TypingHint(chat_id, viewer.user_id, typing, now + TYPING_LASTS if typing else now)
    services.node.announce_typing(hint)
    return hint
