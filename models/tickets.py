"""Tickets: secrets that are good for one thing, once, and not for long.

What is mailed as a link, or given out in the middle of a log-in. Only hashes are stored: a stolen
table opens nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata, new_key
from models.database import Connection


class Purpose(StrEnum):
    """What a ticket is good for; one of another purpose is none."""

    LOG_IN = "log_in"  # its password was right, and its second factor is awaited
    PASSKEY_LOG_IN = "passkey_log_in"
    PASSKEY_REGISTRATION = "passkey_registration"
    PASSKEY_CONFIRMATION = "passkey_confirmation"
    EMAIL_VERIFICATION = "email_verification"
    EMAIL_RESTORE = "email_restore"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - a name of a purpose


tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Index("ix_tickets_user_id_purpose", "user_id", "purpose"),
    sa.Index("ix_tickets_expires_at", "expires_at"),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it is stored; `data` is what it was issued with."""

    id: UUID
    purpose: str
    user_id: UUID | None
    data: Mapping[str, Any]
    attempts: int
    created_at: datetime
    expires_at: datetime


_COLUMNS = columns(tickets, Ticket)


async def issue(
    connection: Connection,
    *,
    hash: bytes,
    purpose: Purpose,
    user_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Store a ticket under the hash of its secret."""
    await connection.execute(
        tickets.insert().values(
            id=new_key(),
            hash=hash,
            purpose=purpose.value,
            user_id=user_id,
            data=dict(data or {}),
            created_at=now,
            expires_at=expires_at,
        )
    )


async def peek(
    connection: Connection, hash: bytes, purpose: Purpose, now: datetime
) -> Ticket | None:
    """Return a ticket that is good for the purpose, and leave it good."""
    rows = await connection.execute(sa.select(*_COLUMNS).where(*_good(hash, purpose, now)))
    row = rows.one_or_none()
    return Ticket(*row) if row else None


async def take(
    connection: Connection, hash: bytes, purpose: Purpose, now: datetime
) -> Ticket | None:
    """Return a ticket that is good for the purpose, which it is no longer: of two, one gets it."""
    taken = tickets.delete().where(*_good(hash, purpose, now)).returning(*_COLUMNS)
    row = (await connection.execute(taken)).one_or_none()
    return Ticket(*row) if row else None


def _good(hash: bytes, purpose: Purpose, now: datetime) -> list[sa.ColumnElement[bool]]:
    return [
        tickets.c.hash == hash,
        tickets.c.purpose == purpose.value,
        tickets.c.expires_at > now,
    ]


async def count_attempt(connection: Connection, hash: bytes) -> int:
    """Count one more try at what the ticket is for; returns how many that makes, 0 without it."""
    counted = (
        tickets.update()
        .where(tickets.c.hash == hash)
        .values(attempts=tickets.c.attempts + 1)
        .returning(tickets.c.attempts)
    )
    return int((await connection.execute(counted)).scalar() or 0)


async def revoke(
    connection: Connection, user_id: UUID, purpose: Purpose, *, since: datetime | None = None
) -> None:
    """Delete a person's tickets of one purpose: all, or those issued at a moment or later."""
    doomed = tickets.delete().where(
        tickets.c.user_id == user_id, tickets.c.purpose == purpose.value
    )
    if since is not None:
        doomed = doomed.where(tickets.c.created_at >= since)
    await connection.execute(doomed)


async def revoke_begun(
    connection: Connection,
    user_id: UUID,
    *,
    by: UUID | None = None,
    but: UUID | None = None,
    among: Collection[Purpose],
) -> None:
    """Delete a person's tickets that were issued to one session, or to all but one.

    One that was issued to no session counts as another's.
    """
    session = tickets.c.data["session"].as_string()
    whose = session == str(by) if by is not None else session.is_distinct_from(str(but))
    await connection.execute(
        tickets.delete().where(
            tickets.c.user_id == user_id,
            tickets.c.purpose.in_([purpose.value for purpose in among]),
            whose,
        )
    )


async def revoke_all(
    connection: Connection, user_id: UUID, *, but: Collection[Purpose] = ()
) -> None:
    """Delete a person's tickets, whatever they are good for, but those of some purposes."""
    kept = [purpose.value for purpose in but]
    await connection.execute(
        tickets.delete().where(tickets.c.user_id == user_id, tickets.c.purpose.not_in(kept))
    )


async def prune(connection: Connection, before: datetime, *, limit: int) -> int:
    """Delete at most `limit` tickets that expired before a moment; returns how many went."""
    doomed = sa.select(tickets.c.id).where(tickets.c.expires_at < before).limit(limit)
    return (await connection.execute(tickets.delete().where(tickets.c.id.in_(doomed)))).rowcount
