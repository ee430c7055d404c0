"""Messages that wait for their time.

A worker that takes one says until when, and so keeps the others, and its owner's changes, off it;
should the worker die, it is anybody's again by then. How often it was taken says who holds it. Of
one person in one chat only the first is ever taken, so they are sent in their order.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection


class ScheduledState(StrEnum):
    """What becomes of a scheduled message; one that was sent is not there any more."""

    WAITING = "waiting"
    FAILED = "failed"


scheduled_messages = sa.Table(
    "scheduled_messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("client_message_id", sa.Uuid, nullable=False),
    # Of what was first given, so that a retry is told from a misuse of the id.
    sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reply_to_seq", sa.BigInteger),
    # What few messages have: `models/sending.py: Extras`.
    sa.Column("extras", sa.JSON(none_as_null=True)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("send_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # Why it was not sent: a code of `models/errors.py`, and the words that go with it.
    sa.Column("failure_code", sa.String(32)),
    sa.Column("failure", sa.String(200)),
    # Not to be tried before, and held by somebody until.
    sa.Column("due_at", UtcDateTime, nullable=False),
    sa.Column("claimed_until", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("user_id", "client_message_id"),
    sa.Index("ix_scheduled_messages_user_id", "user_id", "chat_id", "send_at", "id"),
    sa.Index(
        "ix_scheduled_messages_due_at",
        "due_at",
        postgresql_where=sa.text("state = 'waiting'"),
        sqlite_where=sa.text("state = 'waiting'"),
    ),
)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A message that waits, or could not be sent."""

    id: UUID
    user_id: UUID
    chat_id: UUID
    client_message_id: UUID
    content_hash: bytes
    text: str
    reply_to_seq: int | None
    extras: dict[str, Any] | None
    created_at: datetime
    send_at: datetime
    state: str
    due_at: datetime
    failure_code: str | None = None
    failure: str | None = None
    claimed_until: datetime | None = None
    attempts: int = 0


_COLUMNS = columns(scheduled_messages, Scheduled)
_OF_USER = (
    sa.select(*_COLUMNS)
    .where(scheduled_messages.c.user_id == sa.bindparam("user_id"))
    .order_by(scheduled_messages.c.send_at, scheduled_messages.c.id)
)
_LOCK = (
    sa.select(*_COLUMNS)
    .where(
        scheduled_messages.c.id == sa.bindparam("id"),
        scheduled_messages.c.user_id == sa.bindparam("user_id"),
    )
    .with_for_update()
)
_WAITS = scheduled_messages.c.state == ScheduledState.WAITING.value
_earlier = scheduled_messages.alias("earlier")
_IS_FIRST = ~sa.exists().where(
    _earlier.c.user_id == scheduled_messages.c.user_id,
    _earlier.c.chat_id == scheduled_messages.c.chat_id,
    _earlier.c.state == ScheduledState.WAITING.value,
    sa.tuple_(_earlier.c.send_at, _earlier.c.id)
    < sa.tuple_(scheduled_messages.c.send_at, scheduled_messages.c.id),
)


def _is_free(now: sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    claimed_until = scheduled_messages.c.claimed_until
    return claimed_until.is_(None) | (claimed_until <= now)


_NOW = sa.bindparam("now", type_=UtcDateTime)
_DUE = (
    sa.select(scheduled_messages.c.id)
    .where(_WAITS, scheduled_messages.c.due_at <= _NOW, _is_free(_NOW), _IS_FIRST)
    .order_by(scheduled_messages.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_CLAIM = {
    "claimed_until": sa.bindparam("until", type_=UtcDateTime),
    "attempts": scheduled_messages.c.attempts + 1,
}
_TAKE = (
    scheduled_messages.update()
    # What another worker is taking just now is passed over. SQLite has one writer.
    .where(
        scheduled_messages.c.id.in_(_DUE.with_for_update(skip_locked=True, of=scheduled_messages))
    )
    .values(_CLAIM)
    .returning(*_COLUMNS)
)


async def add(connection: Connection, row: Scheduled) -> None:
    """Store a message that waits; its owner's account must be locked."""
    await connection.execute(
        scheduled_messages.insert(),
        {field.name: getattr(row, field.name) for field in fields(row)},
    )


async def of_user(connection: Connection, user_id: UUID) -> list[Scheduled]:
    """Return somebody's messages that wait or could not be sent, the earliest first."""
    return [Scheduled(*row) for row in await connection.execute(_OF_USER, {"user_id": user_id})]


async def lock(connection: Connection, user_id: UUID, id_: UUID) -> Scheduled | None:
    """Return one of somebody's, which nobody else changes until the commit."""
    row = (await connection.execute(_LOCK, {"id": id_, "user_id": user_id})).one_or_none()
    return Scheduled(*row) if row else None


async def change(connection: Connection, row: Scheduled, now: datetime) -> bool:
    """Store what has changed of a locked message unless somebody is sending it; says whether."""
    changed = await connection.execute(
        scheduled_messages.update()
        .where(scheduled_messages.c.id == row.id, _is_free(sa.literal(now, UtcDateTime)))
        .values(
            text=row.text,
            extras=row.extras,
            send_at=row.send_at,
            due_at=row.due_at,
            state=row.state,
            failure_code=row.failure_code,
            failure=row.failure,
            claimed_until=None,
        )
    )
    return bool(changed.rowcount)


async def cancel(connection: Connection, id_: UUID, now: datetime) -> bool:
    """Forget a message that nobody is sending; returns whether."""
    gone = await connection.execute(
        scheduled_messages.delete().where(
            scheduled_messages.c.id == id_, _is_free(sa.literal(now, UtcDateTime))
        )
    )
    return bool(gone.rowcount)


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is something to send."""
    return (await connection.execute(_DUE, {"now": now, "limit": 1})).first() is not None


async def take(
    connection: Connection, now: datetime, *, until: datetime, limit: int
) -> Sequence[Scheduled]:
    """Return at most `limit` messages that are due, which nobody else gets until a moment."""
    rows = await connection.execute(_TAKE, {"now": now, "until": until, "limit": limit})
    return [Scheduled(*row) for row in rows]


async def claim(
    connection: Connection, id_: UUID, now: datetime, *, until: datetime
) -> Scheduled | None:
    """Take one message whatever its time; None when somebody is sending it."""
    row = (
        await connection.execute(
            scheduled_messages.update()
            .where(scheduled_messages.c.id == id_, _is_free(sa.literal(now, UtcDateTime)))
            .values({**_CLAIM, "claimed_until": until})
            .returning(*_COLUMNS)
        )
    ).one_or_none()
    return Scheduled(*row) if row else None


async def remove(connection: Connection, held: Scheduled) -> bool:
    """Forget a message that was sent, unless somebody else has taken it meanwhile; says whether."""
    gone = await connection.execute(scheduled_messages.delete().where(_held(held)))
    return bool(gone.rowcount)


async def release(
    connection: Connection,
    held: Scheduled,
    *,
    due_at: datetime,
    failure: tuple[str, str] | None = None,
) -> bool:
    """Let a message wait, or fail for a reason, unless somebody else has taken it meanwhile."""
    code, words = failure or (None, None)
    state = ScheduledState.WAITING if failure is None else ScheduledState.FAILED
    changed = await connection.execute(
        scheduled_messages.update()
        .where(_held(held))
        .values(
            due_at=due_at,
            state=state.value,
            failure_code=code,
            failure=words,
            claimed_until=None,
        )
    )
    return bool(changed.rowcount)


def _held(row: Scheduled) -> sa.ColumnElement[bool]:
    return sa.and_(scheduled_messages.c.id == row.id, scheduled_messages.c.attempts == row.attempts)
