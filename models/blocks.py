"""Who wants nothing to do with whom."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.chats import ChatKind, chats
from models.database import Connection
from models.members import members

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


async def divided(connection: Connection, chat_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of these chats that are direct, and in which one of the two blocks the other.

    That silences both there, and nothing else silences anybody in a direct chat.
    """
    wanted = list(set(chat_ids))
    if not wanted:
        return set()
    rows = await connection.execute(
        sa.select(members.c.chat_id)
        .join(chats, chats.c.id == members.c.chat_id)
        .where(
            members.c.chat_id.in_(wanted),
            members.c.silenced_until.is_not(None),
            chats.c.kind == ChatKind.DIRECT.value,
        )
    )
    return set(rows.scalars())


_LOCKED: sa.Select[Any] = (
    sa.select(sa.column("id"))
    .select_from(sa.table("users", sa.column("id", sa.Uuid)))
    .where(sa.column("id").in_(sa.bindparam("ids", type_=sa.Uuid, expanding=True)))
    .order_by(sa.column("id"))  # one order for everybody: no deadlocks
    .with_for_update(key_share=True)
)


async def hold(connection: Connection, one: UUID, other: UUID) -> None:
    """Lock what is between two people until the commit: whether one blocks the other.

    Taken by whoever changes that, and by whoever starts a direct chat, before they look: of a
    block and a chat in the same moment, the later one finds the earlier.
    """
    await connection.execute(_LOCKED, {"ids": [one, other]})


async def add(connection: Connection, user_id: UUID, blocked_id: UUID, now: datetime) -> bool:
    """Have somebody block another one; returns whether they did not before."""
    found = await blocked_by(connection, user_id, [blocked_id])
    if not found:
        await connection.execute(
            blocks.insert().values(user_id=user_id, blocked_id=blocked_id, created_at=now)
        )
    return not found


async def remove(connection: Connection, user_id: UUID, blocked_id: UUID) -> bool:
    """Have somebody block another one no longer; returns whether they did."""
    result = await connection.execute(
        blocks.delete().where(blocks.c.user_id == user_id, blocks.c.blocked_id == blocked_id)
    )
    return result.rowcount > 0


async def count(connection: Connection, user_id: UUID) -> int:
    """Return how many somebody blocks."""
    counted = sa.select(sa.func.count()).where(blocks.c.user_id == user_id)
    return int((await connection.execute(counted)).scalar_one())


async def blocking(connection: Connection, user_id: UUID, others: Iterable[UUID]) -> set[UUID]:
    """Return those of the others who block this person."""
    wanted = set(others)
    if not wanted:
        return set()
    rows = await connection.execute(
        sa.select(blocks.c.user_id).where(
            blocks.c.blocked_id == user_id, blocks.c.user_id.in_(wanted)
        )
    )
    return set(rows.scalars())


async def page(
    connection: Connection, user_id: UUID, *, after: UUID | None, limit: int
) -> list[UUID]:
    """Return whom somebody blocks, after one of them; those who registered first first."""
    query = (
        sa.select(blocks.c.blocked_id)
        .where(blocks.c.user_id == user_id)
        .order_by(blocks.c.blocked_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(blocks.c.blocked_id > after)
    return list((await connection.execute(query)).scalars())
