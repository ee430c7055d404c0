"""Suspensions: who may not sign in, why, and until when.

`users.suspended_at` is what sign-in looks at. A person's bots are suspended with them, and have no
row of their own here: that is how one tells who comes back together with the owner.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.bots import bots
from models.database import Connection
from models.users import users

MAX_REASON = 500

suspensions = sa.Table(
    "suspensions",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("reason", sa.String(MAX_REASON), nullable=False),
    sa.Column("suspended_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("suspended_at", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime),
    sa.Index(
        "ix_suspensions_until",
        "until",
        postgresql_where=sa.text("until IS NOT NULL"),
        sqlite_where=sa.text("until IS NOT NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why somebody may not sign in, by whose decision, and until when."""

    user_id: UUID
    reason: str
    suspended_by: UUID
    suspended_at: datetime
    until: datetime | None


_COLUMNS = columns(suspensions, Suspension)


async def begin(connection: Connection, suspension: Suspension) -> None:
    """Suspend somebody, and their bots with them; a suspension before it is replaced."""
    values = {field.name: getattr(suspension, field.name) for field in fields(suspension)}
    await _forget(connection, suspension.user_id)
    await connection.execute(suspensions.insert().values(**values))
    await connection.execute(
        users.update()
        .where(users.c.id.in_(_with_bots(suspension.user_id)), users.c.suspended_at.is_(None))
        .values(suspended_at=suspension.suspended_at)
    )


async def end(connection: Connection, user_id: UUID, *, due: datetime | None = None) -> bool:
    """Let somebody sign in again, and those of their bots that were not suspended themselves.

    Returns whether they were suspended; with `due`, until then at the latest.
    """
    if not await _forget(connection, user_id, due=due):
        return False
    still = sa.select(suspensions.c.user_id)
    await connection.execute(
        users.update()
        .where(users.c.id.in_(_with_bots(user_id)), users.c.id.not_in(still))
        .values(suspended_at=None)
    )
    return True


async def of(connection: Connection, user_ids: Iterable[UUID]) -> dict[UUID, Suspension]:
    """Return the suspensions of these accounts, by account."""
    wanted = list(set(user_ids))
    if not wanted:
        return {}
    rows = await connection.execute(sa.select(*_COLUMNS).where(suspensions.c.user_id.in_(wanted)))
    return {row.user_id: Suspension(*row) for row in rows}


async def over(connection: Connection, now: datetime, *, limit: int) -> Sequence[Suspension]:
    """Return suspensions that have lasted as long as they were to."""
    rows = await connection.execute(
        sa.select(*_COLUMNS)
        .where(suspensions.c.until <= now)
        .order_by(suspensions.c.until)
        .limit(limit)
    )
    return [Suspension(*row) for row in rows]


async def _forget(connection: Connection, user_id: UUID, *, due: datetime | None = None) -> bool:
    doomed = suspensions.delete().where(suspensions.c.user_id == user_id)
    if due is not None:
        doomed = doomed.where(suspensions.c.until <= due)
    return (await connection.execute(doomed)).rowcount == 1


def _with_bots(user_id: UUID) -> sa.CompoundSelect[tuple[UUID]]:
    return sa.union_all(
        sa.select(sa.literal(user_id, sa.Uuid)),
        sa.select(bots.c.user_id).where(bots.c.owner_id == user_id),
    )
