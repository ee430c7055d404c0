"""What was done about order in a chat: noted as it is done, and read by who keeps order there."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from models import chat_acts, members
from models.chat_acts import ChatAct, Entry
from models.chats import Chat
from models.viewer import Viewer
from resolvers.locked_chat import LockedChat
from resolvers.permissions import Act, allows
from resolvers.services import Services


async def note(
    locked: LockedChat,
    act: ChatAct,
    *,
    now: datetime,
    subject_id: UUID | None = None,
    message_seq: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append what the viewer has done in a locked chat, in the transaction that does it."""
    await chat_acts.record(
        locked.connection,
        act,
        now=now,
        chat_id=locked.chat.id,
        actor_id=locked.me.user_id,
        subject_id=subject_id,
        message_seq=message_seq,
        details=details,
    )


async def pages(
    services: Services,
    viewer: Viewer,
    of_chats: Sequence[Chat],
    *,
    after: UUID | None,
    limit: int,
) -> dict[UUID, list[Entry]]:
    """Return the newest acts of those of the chats in which the viewer may moderate."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of_chats}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [id_ for id_, me in mine.items() if allows(by_id[id_], me, Act.MODERATE)]
        return await chat_acts.pages(connection, seen, after=after, limit=limit)
