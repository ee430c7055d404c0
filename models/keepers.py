"""Who keeps order in a chat: its owner and its admins."""

from uuid import UUID

import sqlalchemy as sa

from models.base import columns
from models.database import Connection
from models.join_requests import join_requests
from models.members import Member, Role, members
from models.users import UserKind, users


async def of_chat(connection: Connection, chat_id: UUID, *, limit: int) -> list[UUID]:
    """Return a chat's owner and admins, the longest-standing first."""
    rows = await connection.execute(
        sa.select(members.c.user_id)
        .where(
            members.c.chat_id == chat_id,
            members.c.left_seq.is_(None),
            sa.text("members.role IN ('owner', 'admin')"),  # as the index has it
        )
        .order_by(members.c.id)
        .limit(limit)
    )
    return list(rows.scalars())


async def owner(connection: Connection, chat_id: UUID) -> UUID | None:
    """Return who owns a chat; None for one that nobody does."""
    found = sa.select(members.c.user_id).where(
        members.c.chat_id == chat_id,
        sa.text("members.role IN ('owner', 'admin')"),
        members.c.role == Role.OWNER.value,
        members.c.left_seq.is_(None),
    )
    user_id: UUID | None = (await connection.execute(found.limit(1))).scalar()
    return user_id


async def is_asked_by(connection: Connection, keeper_id: UUID, user_id: UUID) -> bool:
    """Whether somebody waits to be let into a chat in which another keeps order.

    Who answers sees who asks, even if they hide from everybody else.
    """
    found = (
        sa.select(join_requests.c.id)
        .join(members, members.c.chat_id == join_requests.c.chat_id)
        .where(
            join_requests.c.user_id == user_id,
            join_requests.c.declined_at.is_(None),
            members.c.user_id == keeper_id,
            members.c.left_seq.is_(None),
            members.c.role.in_([Role.OWNER.value, Role.ADMIN.value]),
        )
        .limit(1)
    )
    return (await connection.execute(found)).first() is not None


_HEIRS = (
    sa.select(*columns(members, Member))
    .join(users, users.c.id == members.c.user_id)
    .where(
        members.c.chat_id == sa.bindparam("chat_id"),
        members.c.left_seq.is_(None),
        members.c.user_id.is_distinct_from(sa.bindparam("leaving_id")),
        users.c.kind == UserKind.PERSON.value,
        users.c.suspended_at.is_(None),
        users.c.deleted_at.is_(None),
    )
    # "admin" sorts before "member".
    .order_by(members.c.role, members.c.id)
    .limit(1)
)


async def heir(
    connection: Connection, chat_id: UUID, *, leaving_id: UUID | None = None
) -> Member | None:
    """Return who is to own a chat that has no owner: the longest-standing admin, else member.

    Not who is leaving just now, nor who is suspended. None when there are only guests and bots
    besides: a person answers for a chat.
    """
    given = {"chat_id": chat_id, "leaving_id": leaving_id}
    row = (await connection.execute(_HEIRS, given)).one_or_none()
    return Member(*row) if row else None
