"""Changing a chat under its row lock, with an event that tells of it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from models import chats, events, members, messages
from models.base import new_key
from models.chats import Chat
from models.database import Connection
from models.events import EventKind
from models.members import Member
from models.messages import Message, MessageKind, SystemKind
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

    async def say(
        self,
        what: SystemKind,
        *,
        now: datetime,
        subject_id: UUID | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Tell in the chat's history what the viewer has done; returns the message's number.

        A chat's messages are stored in the order of their moments, so it is told no earlier than
        what was said last, although it was begun before.
        """
        now = max(now, self.chat.last_activity_at)
        seq, event_seq = await chats.next_message(self.connection, self.chat.id, now)
        ttl = self.chat.message_ttl
        message = Message(
            chat_id=self.chat.id,
            seq=seq,
            sender_id=self.me.user_id,
            text="",
            reply_to_seq=None,
            client_message_id=new_key(),
            created_at=now,
            edited_at=None,
            deleted_at=None,
            kind=MessageKind.SYSTEM.value,
            expires_at=now + timedelta(seconds=ttl) if ttl else None,
            details={"what": what.value, **(details or {})},
            subject_id=subject_id,
        )
        # Nobody sends it a second time, so there is nothing to compare it with.
        await messages.insert_many(self.connection, [(message, b"")])
        await members.advance(self.connection, self.me.id, seq)
        await events.record(
            self.connection,
            EventKind.MESSAGE_SENT,
            now=now,
            chat_id=self.chat.id,
            seq=event_seq,
            actor_id=self.me.user_id,
            message_seq=seq,
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
