"""Mails that wait to be sent: written with what they tell of, gone once they are sent.

A worker that takes a mail sets when it is due again, and so keeps the others off it; should the
worker die, it is due again by itself. How often a mail was taken says who holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

mails = sa.Table(
    "mails",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # Address and text are for the worker alone: they hold codes that open accounts.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Index("ix_mails_due_at", "due_at"),
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that waits; `attempts` counts how often it was taken, this time included."""

    id: UUID
    sealed: bytes
    created_at: datetime
    attempts: int


_COLUMNS = columns(mails, Mail)
_DUE = (
    sa.select(mails.c.id)
    .where(mails.c.due_at <= sa.bindparam("now"))
    .order_by(mails.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_TAKE = (
    mails.update()
    # What another worker is taking just now is passed over. SQLite has one writer.
    .where(mails.c.id.in_(_DUE.with_for_update(skip_locked=True)))
    .values(due_at=sa.bindparam("until"), attempts=mails.c.attempts + 1)
    .returning(*_COLUMNS)
)


async def queue(connection: Connection, mail_id: UUID, sealed: bytes, now: datetime) -> None:
    """Store a mail, due at once."""
    await connection.execute(
        mails.insert().values(id=mail_id, sealed=sealed, created_at=now, due_at=now, attempts=0)
    )


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is something to send."""
    return (await connection.execute(_DUE, {"now": now, "limit": 1})).first() is not None


async def take(
    connection: Connection, now: datetime, *, until: datetime, limit: int
) -> Sequence[Mail]:
    """Return at most `limit` mails that are due, which nobody else gets until a moment."""
    rows = await connection.execute(_TAKE, {"now": now, "until": until, "limit": limit})
    return [Mail(*row) for row in rows]


async def remove(connection: Connection, mail: Mail) -> None:
    """Forget a mail, unless somebody else has taken it meanwhile."""
    await connection.execute(mails.delete().where(_held(mail)))


async def put_off(connection: Connection, mail: Mail, until: datetime) -> None:
    """Let a mail wait, unless somebody else has taken it meanwhile."""
    await connection.execute(mails.update().where(_held(mail)).values(due_at=until))


def _held(mail: Mail) -> sa.ColumnElement[bool]:
    return sa.and_(mails.c.id == mail.id, mails.c.attempts == mail.attempts)
