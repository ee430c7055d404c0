"""Changing a chat under its row lock, with an event that tells of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models import chats, events, members
from models.chats import Chat
from models.database import Connection
from models.events import EventKind
from models.members import Member
from models.viewer import Viewer
from resolvers.services import Services


@dataclass(frozen=True, slots=True)
class LockedChat:
    """A chat under its row lock, as the viewer, who is in it, finds it."""

    connection: Connection
    chat: Chat
    me: Member

    async def record(
        self,
        kind: EventKind,
        *,
        now: datetime,
        subject_id: UUID | None = None,
        message_seq: int | None = None,
    ) -> int:
        """Append what the viewer has done to the log, and return its number in the chat."""
        seq = await chats.next_event_seq(self.connection, self.chat.id)
        await events.record(
            self.connection,
            kind,
            now=now,
            chat_id=self.chat.id,
            seq=seq,
            actor_id=self.me.user_id,
            subject_id=subject_id,
            message_seq=message_seq,
        )
        return seq


@asynccontextmanager
async def changing(services: Services, viewer: Viewer, chat_id: UUID) -> AsyncIterator[LockedChat]:
    """Yield a chat that the viewer is in, locked until the commit at the end of the block.

    The lock comes first and membership is read under it, so that nobody acts on a chat they have
    just been removed from. Raises `NotFound`.
    """
    async with changing_as(services, viewer.user_id, chat_id) as locked:
        yield locked


@asynccontextmanager
async def changing_as(
    services: Services, user_id: UUID, chat_id: UUID
) -> AsyncIterator[LockedChat]:
    """Yield a chat as `changing` does, for what is done in somebody's name without their asking."""
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        chat = await chats.readable_by(connection, user_id, chat_id)
        mine = await members.of_chats(connection, user_id, [chat_id])
        yield LockedChat(connection, chat, mine[chat_id])
    services.node.announce_log()
