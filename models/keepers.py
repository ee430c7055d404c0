"""Who keeps order in a chat: its owner and its admins."""

from uuid import UUID

import sqlalchemy as sa

from models.database import Connection
from models.members import Role, members


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
