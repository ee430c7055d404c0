"""Who is typing: told to whoever listens now, stored nowhere."""

from datetime import datetime, timedelta
from uuid import UUID

from models import chats, members, presence
from models.chats import Chat
from models.database import Connection
from models.viewer import Viewer
from realtime.typing import TypingHint
from resolvers.permissions import Act, allows, is_silenced
from resolvers.services import Services, utc_now

# A client that goes on typing says so again before this; one that vanished stops by itself.
TYPING_LASTS = timedelta(seconds=6)


async def set_typing(
    services: Services, viewer: Viewer, *, chat_id: UUID, typing: bool
) -> TypingHint:
    """Tell the others in the chat; raises `NotFound`.

    Nobody is told of who is invisible, nor of who may not write there at present, as
    the two of a direct chat of whom one blocks the other.
    """
    now = utc_now()
    async with services.db.reading() as connection:
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        unseen = await _unseen(connection, viewer, chat, now)
    hint = TypingHint(chat_id, viewer.user_id, typing, now + TYPING_LASTS if typing else now)
    if not unseen:
        services.node.announce_typing(hint)
    return hint


async def _unseen(connection: Connection, viewer: Viewer, chat: Chat, now: datetime) -> bool:
    """Whether nobody is to see that the viewer types: whoever does not know it notices nothing."""
    me = (await members.of_chats(connection, viewer.user_id, [chat.id])).get(chat.id)
    if me is None or not allows(chat, me, Act.WRITE) or is_silenced(me, now):
        return True
    return bool(await presence.invisible_among(connection, [viewer.user_id]))
