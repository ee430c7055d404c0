"""Making members admins, and admins members; and handing over a chat."""

from datetime import datetime
from uuid import UUID

from models import chats, members, users
from models.chat_acts import ChatAct
from models.chats import Chat
from models.errors import Conflict, Forbidden, InvalidInput, NotFound
from models.events import EventKind
from models.members import Member, Role
from models.users import UserKind
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.locked_chat import LockedChat, changing
from resolvers.permissions import Act, require
from resolvers.services import Services, utc_now

MAX_ADMINS = 50  # of a chat, its owner aside


async def change(
    services: Services, viewer: Viewer, *, chat_id: UUID, user_id: UUID, role: Role
) -> tuple[Chat, Member]:
    """Make a member an admin or an admin a member; who is that already stays it.

    Returns the chat and the membership. Raises `NotFound`, `Forbidden`, `InvalidInput`, or
    `Conflict` when there are as many admins as there may be.
    """
    if role not in (Role.ADMIN, Role.MEMBER):
        raise InvalidInput("Make somebody an admin or a member.", path=["role"])
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.CHANGE_ROLES)
        subject = await _present(locked, user_id)
        if subject.role in (Role.OWNER, Role.GUEST):
            raise Forbidden(f"Somebody who is {subject.role} stays that.", path=["userId"])
        if subject.role != role:
            await _require_place(locked, role)
            now = utc_now()
            await _give(locked, subject, role, now=now)
            details = {"role": role.value}
            await note(locked, ChatAct.ROLE_CHANGED, now=now, subject_id=user_id, details=details)
        chat = await chats.readable_by(locked.connection, viewer.user_id, chat_id)
        return chat, await _present(locked, user_id)


async def transfer(
    services: Services, viewer: Viewer, *, chat_id: UUID, user_id: UUID
) -> tuple[Chat, list[Member]]:
    """Make somebody the owner of the viewer's chat; the viewer is an admin of it from then on.

    Returns the chat, and the memberships of the new owner and of the viewer. Raises `NotFound`,
    `Forbidden` for whoever is not a person with an account, or `InvalidInput`.
    """
    if user_id == viewer.user_id:
        raise InvalidInput("Name somebody else.", path=["userId"])
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.TRANSFER_OWNERSHIP)
        subject = await _present(locked, user_id)
        user = (await users.by_ids(locked.connection, [user_id]))[user_id]
        # A person answers for a chat.
        if user.kind != UserKind.PERSON or not user.may_sign_in:
            raise Forbidden("Only a person with an account owns a chat.", path=["userId"])
        if subject.role != Role.ADMIN:
            await _require_place(locked, Role.ADMIN)
        now = utc_now()
        await _give(locked, subject, Role.OWNER, now=now)
        await _give(locked, locked.me, Role.ADMIN, now=now)
        await note(locked, ChatAct.OWNERSHIP_TRANSFERRED, now=now, subject_id=user_id)
        chat = await chats.readable_by(locked.connection, viewer.user_id, chat_id)
        found = await members.among(locked.connection, chat_id, [user_id, viewer.user_id])
        return chat, [found[user_id], found[viewer.user_id]]


async def _present(locked: LockedChat, user_id: UUID) -> Member:
    found = await members.among(locked.connection, locked.chat.id, [user_id])
    if user_id not in found:
        raise NotFound("The member", path=["userId"])
    return found[user_id]


async def _require_place(locked: LockedChat, role: Role) -> None:
    if role is not Role.ADMIN:
        return
    staff = await members.staff(locked.connection, locked.chat.id, limit=MAX_ADMINS + 1)
    if sum(member.role == Role.ADMIN for member in staff) >= MAX_ADMINS:
        raise Conflict(f"A chat has {MAX_ADMINS} admins at most.", path=["userId"])


async def _give(locked: LockedChat, subject: Member, role: Role, *, now: datetime) -> None:
    await members.change_role(locked.connection, subject.id, role)
    await locked.record(EventKind.MEMBER_ROLE_CHANGED, subject_id=subject.user_id, now=now)
