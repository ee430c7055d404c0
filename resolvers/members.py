"""Coming into chats and leaving them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from models import chats, guests, members
from models.base import new_key
from models.chats import Chat
from models.errors import InvalidInput, NotFound
from models.events import EventKind
from models.members import Member, Role
from models.viewer import Viewer
from resolvers.chats import MAX_ADDED_AT_ONCE
from resolvers.locked_chat import LockedChat, changing, changing_as
from resolvers.permissions import Act, require, require_above
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended
from resolvers.settings import Way, require_reachable


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
        present = await members.among(connection, chat_id, wanted)
        new = [user_id for user_id in wanted if user_id not in present]
        await require_reachable(connection, viewer, new, Way.ADD, path=["userIds"])
        added = []
        for user_id in new:
            seq = await locked.record(EventKind.MEMBER_JOINED, subject_id=user_id, now=now)
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
                    delivered_seq=chat.last_message_seq,
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
        require_above(locked.me, subject, path=["userId"])
        ended = await end_stay(locked, subject, now=utc_now())
        chat = await chats.readable_by(locked.connection, viewer.user_id, chat_id)
    await tell_ended(services, ended)
    return chat


async def leave(services: Services, viewer: Viewer, *, chat_id: UUID) -> None:
    """Leave a group; an owner hands it to the longest-standing admin, or else member."""
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.LEAVE)
        ended = await go(locked, now=now)
    await tell_ended(services, ended)


async def leave_all(services: Services, user_id: UUID) -> None:
    """End every stay of somebody whose account is deleted, in direct chats too.

    One chat at a time, so that it can be broken off and begun again.
    """
    while True:
        async with services.db.reading() as connection:
            chat_ids = await members.of_user(connection, user_id)
        if not chat_ids:
            return
        for chat_id in chat_ids:
            with suppress(NotFound):  # left, or removed, meanwhile
                async with changing_as(services, user_id, chat_id) as locked:
                    await go(locked, now=utc_now())


async def go(locked: LockedChat, *, now: datetime) -> list[UUID]:
    """Have a member leave a locked chat; what an owner had goes to `members.successor`.

    Returns sessions that ended with that, for `tell_ended`.
    """
    me = locked.me
    if me.role == Role.OWNER:
        heir = await members.successor(locked.connection, me.chat_id, me.user_id)
        if heir is not None:
            await members.change_role(locked.connection, heir.id, Role.OWNER)
            await locked.record(EventKind.MEMBER_ROLE_CHANGED, subject_id=heir.user_id, now=now)
    return await end_stay(locked, me, now=now)


async def end_stay(locked: LockedChat, member: Member, *, now: datetime) -> list[UUID]:
    """Take somebody out of a locked chat.

    Returns sessions that ended with that, for `tell_ended`: a guest has no other chat to be in.
    """
    seq = await locked.record(EventKind.MEMBER_LEFT, subject_id=member.user_id, now=now)
    await members.leave(locked.connection, member.id, seq)
    await chats.change_member_count(locked.connection, member.chat_id, -1)
    if member.role != Role.GUEST:
        return []
    await guests.removed(locked.connection, member.user_id, now)
    return await end_all(locked.connection, member.user_id)
