"""Who may not come into which chats, whatever way they try."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models import chat_pages
from models.base import UtcDateTime, columns, metadata, new_key
from models.database import Connection

MAX_REASON = 500  # characters

bans = sa.Table(
    "bans",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("banned_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("banned_at", UtcDateTime, nullable=False),
    # For who may ban; the banned one is not told.
    sa.Column("reason", sa.String(MAX_REASON)),
    # None: for good. One that is over bans nobody, and is shown to nobody.
    sa.Column("until", UtcDateTime),
    sa.UniqueConstraint("chat_id", "user_id"),
    sa.Index("ix_bans_chat_id_id", "chat_id", "id"),
    sa.Index("ix_bans_user_id_id", "user_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Ban:
    """Somebody kept out of a chat."""

    id: UUID
    chat_id: UUID
    user_id: UUID
    banned_by: UUID
    banned_at: datetime
    reason: str | None
    until: datetime | None


_COLUMNS = columns(bans, Ban)
_AMONG = sa.select(bans.c.user_id).where(
    bans.c.chat_id == sa.bindparam("chat_id"),
    bans.c.user_id.in_(sa.bindparam("user_ids", expanding=True)),
    bans.c.until.is_(None) | (bans.c.until > sa.bindparam("now")),
)


async def among(
    connection: Connection, chat_id: UUID, user_ids: Iterable[UUID], now: datetime
) -> set[UUID]:
    """Return those of the people who are banned from a chat now.

    Under the chat's lock the answer holds until the commit: bans are made under it too.
    """
    wanted = list(set(user_ids))
    if not wanted:
        return set()
    asked = {"chat_id": chat_id, "user_ids": wanted, "now": now}
    return set((await connection.execute(_AMONG, asked)).scalars())


async def put(
    connection: Connection,
    *,
    chat_id: UUID,
    user_id: UUID,
    by: UUID,
    reason: str | None,
    until: datetime | None,
    now: datetime,
) -> Ban:
    """Ban somebody from a locked chat and return the ban; it takes the place of an earlier one."""
    await lift(connection, chat_id, user_id)
    ban = Ban(new_key(), chat_id, user_id, by, now, reason, until)
    await connection.execute(
        bans.insert().values(
            {column.name: getattr(ban, column.name) for column in _COLUMNS},
        )
    )
    return ban


async def lift(connection: Connection, chat_id: UUID, user_id: UUID) -> bool:
    """Take somebody's ban from a locked chat away; returns whether there was one."""
    result = await connection.execute(
        bans.delete().where(bans.c.chat_id == chat_id, bans.c.user_id == user_id)
    )
    return result.rowcount > 0


async def count(connection: Connection, chat_id: UUID, now: datetime) -> int:
    """Return how many a chat has, `MAX_BANS` of which nobody may exceed."""
    counted = sa.select(sa.func.count()).where(
        bans.c.chat_id == chat_id, bans.c.until.is_(None) | (bans.c.until > now)
    )
    return int((await connection.execute(counted)).scalar_one())


async def pages(
    connection: Connection,
    chat_ids: Sequence[UUID],
    now: datetime,
    *,
    after: UUID | None,
    limit: int,
) -> dict[UUID, list[Ban]]:
    """Return a page of each chat's bans, the newest first."""
    rows = await chat_pages.newest(
        connection,
        bans,
        _COLUMNS,
        chat_ids,
        after=after,
        limit=limit,
        where=lambda table: table.c.until.is_(None) | (table.c.until > now),
    )
    return {chat_id: [Ban(*row) for row in found] for chat_id, found in rows.items()}
