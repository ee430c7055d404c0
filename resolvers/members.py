"""Coming into chats and leaving them."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from models import chats, guests, keepers, members
from models.chat_acts import ChatAct
from models.chats import Chat
from models.errors import InvalidInput, NotFound
from models.events import EventKind
from models.members import Member, Role
from models.messages import SystemKind
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.chats import MAX_ADDED_AT_ONCE
from resolvers.comings import tell
from resolvers.entering import enter
from resolvers.joining import require_not_banned
from resolvers.locked_chat import LockedChat, changing, changing_as
from resolvers.permissions import Act, require, require_above
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended
from resolvers.settings import Way, require_reachable


async def add(
    services: Services, viewer: Viewer, *, chat_id: UUID, user_ids: Sequence[UUID]
) -> tuple[Chat, list[Member]]:
    """Add people to a group; who is in it already stays as they are.

    Returns the chat and the memberships of all the people named. Raises `NotFound`, `Forbidden`,
    `InvalidInput` or `ChatFull`.
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
        await require_not_banned(connection, chat_id, new, now, path=["userIds"])
        added = await enter(
            connection, services.chat_rules, chat, new, actor_id=viewer.user_id, now=now
        )
        await tell(locked, SystemKind.MEMBER_ADDED, new, now=now)
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
        now = utc_now()
        ended = await end_stay(locked, subject, now=now)
        await note(locked, ChatAct.MEMBER_REMOVED, now=now, subject_id=user_id)
        await tell(locked, SystemKind.MEMBER_REMOVED, [user_id], now=now)
        chat = await chats.readable_by(locked.connection, viewer.user_id, chat_id)
    await tell_ended(services, ended)
    return chat


async def leave(services: Services, viewer: Viewer, *, chat_id: UUID) -> None:
    """Leave a group or a channel; an owner hands it to the longest-standing admin, or else member.

    Raises `NotFound` or `Forbidden`.
    """
    now = utc_now()
    services.node.sockets.answer_first(viewer.session_id)  # it ends with a guest's stay
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
    """Have a member leave a locked chat; what an owner had goes to `keepers.heir`.

    Returns sessions that ended with that, for `tell_ended`.
    """
    me = locked.me
    if me.role == Role.OWNER:
        heir = await keepers.heir(locked.connection, me.chat_id, leaving_id=me.user_id)
        if heir is not None:
            await members.change_role(locked.connection, heir.id, Role.OWNER)
            await locked.record(EventKind.MEMBER_ROLE_CHANGED, subject_id=heir.user_id, now=now)
            await note(locked, ChatAct.OWNERSHIP_TRANSFERRED, now=now, subject_id=heir.user_id)
    ended = await end_stay(locked, me, now=now)
    if locked.chat.member_count > 1:  # else nobody is told
        await tell(locked, SystemKind.MEMBER_LEFT, [me.user_id], now=now)
    return ended


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
