"""Who wants nothing to do with whom."""

from collections.abc import Iterable
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.database import Connection

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("blocked_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "blocked_id"),
    sa.Index("ix_blocks_blocked_id", "blocked_id"),
)


async def between(connection: Connection, user_id: UUID, others: Iterable[UUID]) -> set[UUID]:
    """Return those of the others who block this person, or whom this person blocks."""
    wanted = set(others)
    if not wanted:
        return set()
    theirs = sa.select(blocks.c.user_id).where(
        blocks.c.blocked_id == user_id, blocks.c.user_id.in_(wanted)
    )
    own = sa.select(blocks.c.blocked_id).where(
        blocks.c.user_id == user_id, blocks.c.blocked_id.in_(wanted)
    )
    return set((await connection.execute(theirs.union(own))).scalars())


async def blocked_by(connection: Connection, user_id: UUID, others: Iterable[UUID]) -> set[UUID]:
    """Return those of the others whom this person blocks."""
    wanted = set(others)
    if not wanted:
        return set()
    rows = await connection.execute(
        sa.select(blocks.c.blocked_id).where(
            blocks.c.user_id == user_id, blocks.c.blocked_id.in_(wanted)
        )
    )
    return set(rows.scalars())
