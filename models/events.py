"""The event log: every durable change, numbered per chat, in the order in which it was committed.

A reader keeps a position and asks for what became visible since. On PostgreSQL the position is a
whole `pg_snapshot`, because transactions commit in another order than they take their ids:
comparing ids lost 9 % of the events in a trial with slow writers. On SQLite, with one writer, it
is the id of the last row, with the number of the last batch of receipts (`models/receipts.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models import log_state
from models.base import (
    BigIdentity,
    TransactionId,
    UtcDateTime,
    columns,
    current_transaction_id,
    metadata,
)
from models.database import Connection


class EventKind(StrEnum):
    """What happened."""

    CHAT_CREATED = "chat_created"
    CHAT_CHANGED = "chat_changed"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    MEMBER_ROLE_CHANGED = "member_role_changed"
    MESSAGE_SENT = "message_sent"
    MESSAGE_EDITED = "message_edited"
    MESSAGE_DELETED = "message_deleted"
    # Addressed to one person; the subject is the session.
    SESSION_STARTED = "session_started"
    SESSION_ENDED = "session_ended"


events = sa.Table(
    "events",
    metadata,
    sa.Column("id", BigIdentity, primary_key=True, autoincrement=True),
    # Addressed to a chat, or to one person alone.
    sa.Column("chat_id", sa.Uuid),
    sa.Column("user_id", sa.Uuid),
    sa.Column("seq", sa.BigInteger),
    sa.Column("kind", sa.String(32), nullable=False),
    # Events carry ids, not texts: what is delivered is the present state.
    sa.Column("actor_id", sa.Uuid),
    sa.Column("subject_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger),
    sa.Column("xid", TransactionId),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.CheckConstraint("(chat_id IS NULL) <> (user_id IS NULL)", name="addressed_once"),
    sa.UniqueConstraint("chat_id", "seq"),
    sa.Index("ix_events_xid", "xid"),
    # Of what is addressed to people: PostgreSQL looks up by transaction, SQLite by id.
    *(
        sa.Index(
            f"ix_events_user_id_{column}",
            "user_id",
            column,
            postgresql_where=sa.text("user_id IS NOT NULL"),
            sqlite_where=sa.text("user_id IS NOT NULL"),
        )
        for column in ("id", "xid")
    ),
    # A pruned rowid must never come back: positions are compared with it.
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """A row of the log."""

    id: int
    chat_id: UUID | None
    user_id: UUID | None
    seq: int | None
    kind: str
    actor_id: UUID | None
    subject_id: UUID | None
    message_seq: int | None
    created_at: datetime

    @property
    def place(self) -> tuple[UUID, int] | None:
        """The chat and the number in it; None for an event that concerns one person alone."""
        return None if self.chat_id is None or self.seq is None else (self.chat_id, self.seq)


@dataclass(frozen=True, slots=True)
class Batch:
    """What became visible between two positions, in an order that never changes."""

    events: Sequence[LoggedEvent]
    position: str


LOGGED_COLUMNS = columns(events, LoggedEvent)
_APPEND = events.insert().values(xid=current_transaction_id())

_POSITION_ON_POSTGRESQL = sa.text("SELECT pg_current_snapshot()::text")
# The highest id ever given, also when its row has been pruned, and the last batch of receipts. As a
# number, it is the id.
POSITION_ON_SQLITE = """(
    SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) || ':' || receipts
    FROM log_state
)"""
_POSITION_ON_SQLITE = sa.text(f"SELECT {POSITION_ON_SQLITE}")

# `>= xmax` UNION ALL `= ANY(xip)` rather than the equivalent `>= xmin AND NOT visible`: that one
# reads everything since the oldest open transaction (14 ms a poll beside a long one, this 0.1).
_SINCE_ON_POSTGRESQL = sa.text(
    """
    SELECT e.id, e.chat_id, e.user_id, e.seq, e.kind, e.actor_id, e.subject_id, e.message_seq,
           e.created_at, now.position
    FROM (SELECT pg_current_snapshot()::text AS position) AS now
    LEFT JOIN (
        SELECT * FROM events WHERE xid >= pg_snapshot_xmax(CAST(:position AS text)::pg_snapshot)
        UNION ALL
        SELECT * FROM events
        WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:position AS text)::pg_snapshot)))
    ) AS e ON true
    ORDER BY e.id
    """
).columns(*LOGGED_COLUMNS, sa.column("position", sa.Text))
_SETTLED = sa.text(
    """
    SELECT coalesce(pg_xact_status(
        (pg_snapshot_xmax(CAST(:position AS text)::pg_snapshot)::text::bigint - 1)::text::xid8
    ) = 'committed', true)
    """
)
_SINCE_ON_SQLITE = (
    sa.select(*LOGGED_COLUMNS)
    .where(events.c.id > sa.bindparam("position", type_=sa.BigInteger))
    .order_by(events.c.id)
)


async def record(
    connection: Connection,
    kind: EventKind,
    *,
    now: datetime,
    chat_id: UUID | None = None,
    user_id: UUID | None = None,
    seq: int | None = None,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    message_seq: int | None = None,
) -> None:
    """Append to the log: under `seq`, just taken from the locked chat, or to one person."""
    await connection.execute(
        _APPEND,
        {
            "chat_id": chat_id,
            "user_id": user_id,
            "seq": seq,
            "kind": kind.value,
            "actor_id": actor_id,
            "subject_id": subject_id,
            "message_seq": message_seq,
            "created_at": now,
        },
    )


async def record_many(connection: Connection, rows: Sequence[LoggedEvent]) -> None:
    """Append rows at once, in their order; the log gives them other ids than they came with."""
    names = [field.name for field in fields(LoggedEvent) if field.name != "id"]
    await connection.execute(
        _APPEND, [{name: getattr(row, name) for name in names} for row in rows]
    )


async def position(connection: Connection) -> str:
    """Return the position of everything visible now."""
    statement = (
        _POSITION_ON_SQLITE if connection.dialect.name == "sqlite" else _POSITION_ON_POSTGRESQL
    )
    return str((await connection.execute(statement)).scalar_one())


def sqlite_id(position_: str) -> int:
    """Return the last event that a position on SQLite counts as seen."""
    return int(position_.partition(":")[0])


async def settled(connection: Connection, position_: str) -> bool:
    """Whether a position stays true even if PostgreSQL crashes this very moment.

    What was rolled back last need not be on disk yet: after a crash its transaction id would be
    given away again, and a position that counts it as seen would miss the event written under it.
    `log_state.touch`, committed, settles every position that was read before.
    """
    if connection.dialect.name == "sqlite":
        return True
    return bool((await connection.execute(_SETTLED, {"position": position_})).scalar_one())


async def since(connection: Connection, start: str) -> Batch:
    """Return what became visible since a position, with the new position of the same statement."""
    if connection.dialect.name == "sqlite":
        now = await position(connection)
        found = await connection.execute(_SINCE_ON_SQLITE, {"position": sqlite_id(start)})
        return Batch([LoggedEvent(*row) for row in found], now)
    rows = (await connection.execute(_SINCE_ON_POSTGRESQL, {"position": start})).all()
    # Without news the outer join gives one row that holds the position alone.
    return Batch([LoggedEvent(*row[:-1]) for row in rows if row.id is not None], rows[0].position)


async def prune(connection: Connection, *, before: datetime, keep: int, limit: int) -> int:
    """Delete old events, the oldest first, and return how many went.

    Old is what happened before a moment, or is not among the newest `keep`. Looks at the oldest
    `limit` only. Cursors from before what went are answered with `ResyncRequired` from then on.
    """
    oldest = (
        sa.select(events.c.id, events.c.created_at).order_by(events.c.id).limit(limit).subquery()
    )
    newest = sa.select(sa.func.max(events.c.id)).scalar_subquery()
    old = (oldest.c.created_at < before) | (oldest.c.id <= newest - keep)
    mark = events.c.id if connection.dialect.name == "sqlite" else events.c.xid
    gone = (
        await connection.execute(
            events.delete()
            .where(events.c.id.in_(sa.select(oldest.c.id).where(old)))
            .returning(sa.cast(sa.cast(mark, sa.Text), sa.BigInteger))
        )
    ).scalars()
    marks = gone.all()
    if marks:
        await log_state.raise_floor(connection, max(marks))
    return len(marks)
