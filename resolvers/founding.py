"""Storing a chat, with its founders and its first event."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from models import chats, events, members
from models.base import new_key
from models.chats import Chat, ChatKind, HistoryVisibility
from models.database import Connection
from models.events import EventKind
from models.members import FIRST_EVENT_SEQ, Role
from models.viewer import Viewer
from resolvers.entering import founders


def new_chat(
    viewer: Viewer,
    kind: ChatKind,
    now: datetime,
    *,
    title: str | None = None,
    description: str | None = None,
    history: HistoryVisibility = HistoryVisibility.SINCE_JOINING,
) -> Chat:
    """Return a chat that the viewer starts, with nobody in it yet."""
    return Chat(
        id=new_key(),
        kind=kind.value,
        title=title,
        description=description,
        created_by=viewer.user_id,
        created_at=now,
        last_message_seq=0,
        last_event_seq=FIRST_EVENT_SEQ,
        last_activity_at=now,
        member_count=0,
        history=history.value,
    )


async def found(
    connection: Connection, chat: Chat, roles: dict[UUID, Role], *, pair: str | None = None
) -> Chat:
    """Store a new chat with these people in it; raises `Raced` if the pair has got one."""
    chat = replace(chat, member_count=len(roles))
    await chats.create(connection, chat, pair=pair)
    await members.add(connection, founders(chat, roles))
    await events.record(
        connection,
        EventKind.CHAT_CREATED,
        now=chat.created_at,
        chat_id=chat.id,
        seq=FIRST_EVENT_SEQ,
        actor_id=chat.created_by,
    )
    return chat
