"""Who is typing: told to whoever listens now, stored nowhere."""

from datetime import timedelta
from uuid import UUID

from models import blocks, chats, presence
from models.chats import Chat, ChatKind
from models.database import Connection
from models.viewer import Viewer
from realtime.typing import TypingHint
from resolvers.services import Services, utc_now

# A client that goes on typing says so again before this; one that vanished stops by itself.
TYPING_LASTS = timedelta(seconds=6)


async def set_typing(
    services: Services, viewer: Viewer, *, chat_id: UUID, typing: bool
) -> TypingHint:
    """Tell the others in the chat; raises `NotFound`.

    Nobody is told of who is invisible, and in a direct chat neither if one of the two blocks the
    other.
    """
    async with services.db.reading() as connection:
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        unseen = await _unseen(connection, viewer, chat)
    now = utc_now()
    hint = TypingHint(chat_id, viewer.user_id, typing, now + TYPING_LASTS if typing else now)
    if not unseen:
        services.node.announce_typing(hint)
    return hint


async def _unseen(connection: Connection, viewer: Viewer, chat: Chat) -> bool:
    """Whether nobody is to see that the viewer types: whoever does not know it notices nothing."""
    if await presence.invisible_among(connection, [viewer.user_id]):
        return True
    if chat.kind != ChatKind.DIRECT:
        return False
    pair = (await presence.members_of(connection, [chat.id]))[chat.id]
    return bool(await blocks.between(connection, viewer.user_id, pair))
