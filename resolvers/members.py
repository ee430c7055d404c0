"""Coming into chats and leaving them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models import chats, events, members, users
from models.base import new_key
from models.chats import Chat
from models.database import Connection
from models.errors import Forbidden, InvalidInput, NotFound
from models.events import EventKind
from models.members import Member, Role
from models.viewer import Viewer
from resolvers.chats import MAX_ADDED_AT_ONCE
from resolvers.permissions import Act, require
from resolvers.services import Services, utc_now


@dataclass(frozen=True, slots=True)
class LockedChat:
    """A chat under its row lock, as the viewer, who is in it, finds it."""

    connection: Connection
    chat: Chat
    me: Member


@asynccontextmanager
async def changing(services: Services, viewer: Viewer, chat_id: UUID) -> AsyncIterator[LockedChat]:
    """Yield a chat that the viewer is in, locked until the commit at the end of the block.

    The lock comes first and membership is read under it, so that nobody acts on a chat they have
    just been removed from. Raises `NotFound`.
    """
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
        mine = await members.of_chats(connection, viewer.user_id, [chat_id])
        yield LockedChat(connection, chat, mine[chat_id])
    services.node.announce_log()


async def add(
    services: Services, viewer: Viewer, *, chat_id: UUID, user_ids: Sequence[UUID]
) -> tuple[Chat, list[Member]]:
    """Add people to a group; who is in it already stays as they are.

    Returns the chat and the memberships of all the people named. Raises `NotFound`, `Forbidden`
    or `InvalidInput`.
    """
    wanted = list(dict.fromkeys(user_ids))
    if not 1 <= len(wanted) <= MAX_ADDED_AT_ONCE:
        raise InvalidInput(f"Name 1 to {MAX_ADDED_AT_ONCE} people.", path=["userIds"])
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        connection, chat = locked.connection, locked.chat
        require(chat, locked.me, Act.ADD_MEMBERS)
        if len(await users.by_ids(connection, wanted)) != len(wanted):
            raise NotFound("One of the people", path=["userIds"])
        present = await members.among(connection, chat_id, wanted)
        added = []
        for user_id in wanted:
            if user_id in present:
                continue
            seq = await _record(
                locked, EventKind.MEMBER_JOINED, actor=viewer, subject_id=user_id, now=now
            )
            added.append(
                Member(
                    id=new_key(),
                    chat_id=chat_id,
                    user_id=user_id,
                    role=Role.MEMBER.value,
                    joined_at=now,
                    joined_seq=seq,
                    first_message_seq=chat.last_message_seq + 1,
                    left_seq=None,
                    read_seq=chat.last_message_seq,
                )
            )
        if added:
            await members.add(connection, added)
            await chats.change_member_count(connection, chat_id, len(added))
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
    by_user = {**present, **{member.user_id: member for member in added}}
    return chat, [by_user[user_id] for user_id in wanted]


async def remove(services: Services, viewer: Viewer, *, chat_id: UUID, user_id: UUID) -> Chat:
    """Take somebody out of a group; raises `NotFound` or `Forbidden`."""
    if user_id == viewer.user_id:
        raise InvalidInput("To go yourself, leave the chat.", path=["userId"])
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.REMOVE_MEMBERS)
        subject = (await members.among(locked.connection, chat_id, [user_id])).get(user_id)
        if subject is None:
            raise NotFound("The member", path=["userId"])
        if subject.role == Role.OWNER:
            raise Forbidden("The owner cannot be removed.", path=["userId"])
        await _end(locked, subject, actor=viewer, now=utc_now())
        return await chats.readable_by(locked.connection, viewer.user_id, chat_id)


async def leave(services: Services, viewer: Viewer, *, chat_id: UUID) -> None:
    """Leave a group; an owner hands it to the longest-standing admin, or else member."""
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.LEAVE)
        if locked.me.role == Role.OWNER:
            heir = await members.successor(locked.connection, chat_id, viewer.user_id)
            if heir is not None:
                await members.change_role(locked.connection, heir.id, Role.OWNER)
                await _record(
                    locked,
                    EventKind.MEMBER_ROLE_CHANGED,
                    actor=viewer,
                    subject_id=heir.user_id,
                    now=now,
                )
        await _end(locked, locked.me, actor=viewer, now=now)


async def _end(locked: LockedChat, member: Member, *, actor: Viewer, now: datetime) -> None:
    seq = await _record(
        locked, EventKind.MEMBER_LEFT, actor=actor, subject_id=member.user_id, now=now
    )
    await members.leave(locked.connection, member.id, seq)
    await chats.change_member_count(locked.connection, member.chat_id, -1)


async def _record(
    locked: LockedChat, kind: EventKind, *, actor: Viewer, subject_id: UUID, now: datetime
) -> int:
    seq = await chats.next_event_seq(locked.connection, locked.chat.id)
    await events.record(
        locked.connection,
        kind,
        now=now,
        chat_id=locked.chat.id,
        seq=seq,
        actor_id=actor.user_id,
        subject_id=subject_id,
    )
    return seq
