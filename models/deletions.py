"""Accounts that are to be deleted, from when on, and who is at it.

A row is there from the request until the account is erased or the request is taken back.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Raced

account_deletions = sa.Table(
    "account_deletions",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    # Set with the first step of the erasure: from then on there is no way back.
    sa.Column("begun_at", UtcDateTime),
    sa.Column("claimed_until", UtcDateTime),
    sa.Index("ix_account_deletions_due_at", "due_at"),
)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One account that is to be deleted."""

    user_id: UUID
    requested_at: datetime
    due_at: datetime
    begun_at: datetime | None


_COLUMNS = columns(account_deletions, Deletion)


async def request(connection: Connection, deletion: Deletion) -> None:
    """Store a request; raises `Raced` when there is one already."""
    try:
        await connection.execute(
            account_deletions.insert().values(
                user_id=deletion.user_id,
                requested_at=deletion.requested_at,
                due_at=deletion.due_at,
            )
        )
    except IntegrityError as error:
        raise Raced from error


async def of_user(connection: Connection, user_id: UUID) -> Deletion | None:
    """Return the request to delete an account."""
    row = (
        await connection.execute(sa.select(*_COLUMNS).where(account_deletions.c.user_id == user_id))
    ).one_or_none()
    return Deletion(*row) if row else None


async def asked_for_among(connection: Connection, user_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the accounts that are to be deleted."""
    rows = await connection.execute(
        sa.select(account_deletions.c.user_id).where(account_deletions.c.user_id.in_(set(user_ids)))
    )
    return set(rows.scalars())


async def cancel(connection: Connection, user_id: UUID) -> bool:
    """Take a request back; returns whether there was one and nothing had begun."""
    result = await connection.execute(
        account_deletions.delete().where(
            account_deletions.c.user_id == user_id, account_deletions.c.begun_at.is_(None)
        )
    )
    return result.rowcount == 1


async def claim(connection: Connection, now: datetime, until: datetime) -> Deletion | None:
    """Take the request that is longest due and that nobody is at."""
    row = (
        await connection.execute(
            sa.select(*_COLUMNS)
            .where(
                account_deletions.c.due_at <= now,
                (account_deletions.c.claimed_until.is_(None))
                | (account_deletions.c.claimed_until < now),
            )
            .order_by(account_deletions.c.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).one_or_none()
    if row is None:
        return None
    deletion = Deletion(*row)
    await connection.execute(
        account_deletions.update()
        .where(account_deletions.c.user_id == deletion.user_id)
        .values(begun_at=deletion.begun_at or now, claimed_until=until)
    )
    return deletion


async def finish(connection: Connection, user_id: UUID) -> None:
    """Forget a request whose account is erased."""
    await connection.execute(
        account_deletions.delete().where(account_deletions.c.user_id == user_id)
    )
