"""The event log: every durable change, numbered per chat, in the order in which it was committed.

A reader keeps a position and asks for what became visible since. On PostgreSQL the position is a
whole `pg_snapshot`, because transactions commit in another order than they take their ids:
comparing ids lost 9 % of the events in a trial with slow writers. On SQLite, with one writer, it
is the id of the last row, with the number of the last batch of receipts (`models/receipts.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
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
from models.log_state import PRESENT, PRESENT_COLUMNS, Present


class EventKind(StrEnum):
    """What happened."""

    CHAT_CREATED = "chat_created"
    CHAT_CHANGED = "chat_changed"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    MEMBER_ROLE_CHANGED = "member_role_changed"
    MEMBER_SILENCED = "member_silenced"
    MESSAGE_SENT = "message_sent"
    MESSAGE_EDITED = "message_edited"
    MESSAGE_DELETED = "message_deleted"
    MESSAGE_EXPIRED = "message_expired"
    REACTIONS_CHANGED = "reactions_changed"
    MESSAGE_PINNED = "message_pinned"
    MESSAGE_UNPINNED = "message_unpinned"
    POLL_CHANGED = "poll_changed"
    # Addressed to one person; the subject is the session.
    SESSION_STARTED = "session_started"
    SESSION_ENDED = "session_ended"
    # Addressed to one person, who is the subject too.
    PROFILE_CHANGED = "profile_changed"
    SETTINGS_CHANGED = "settings_changed"
    # Addressed to one person; the subject is whom they block now, or no longer.
    BLOCKS_CHANGED = "blocks_changed"
    # Addressed to one who answers them; the subject is the chat.
    JOIN_REQUESTS_CHANGED = "join_requests_changed"
    # Addressed to who asked; the subject is the request.
    JOIN_REQUEST_APPROVED = "join_request_approved"
    JOIN_REQUEST_DECLINED = "join_request_declined"
    FOLDERS_CHANGED = "folders_changed"
    # Addressed to one person; the subject is the chat that they keep in another way.
    VIEWER_MEMBERSHIP_CHANGED = "viewer_membership_changed"
    # Addressed to one person; the subject is the chat.
    MESSAGE_HIDDEN = "message_hidden"
    HISTORY_CLEARED = "history_cleared"
    # Addressed to one person; the subject is the chat, the message the root of a thread, if any.
    SCHEDULED_MESSAGES_CHANGED = "scheduled_messages_changed"
    DRAFT_CHANGED = "draft_changed"
    THREAD_CHANGED = "thread_changed"
    LINK_PREVIEW_ADDED = "link_preview_added"
    # Addressed to who made it; the subject is the webhook.
    WEBHOOK_DISABLED = "webhook_disabled"


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
    """Events in the log's order, and the log in the moment in which they were read."""

    events: Sequence[LoggedEvent]
    present: Present


LOGGED_COLUMNS = columns(events, LoggedEvent)
_APPEND = events.insert().values(xid=current_transaction_id())

# `>= xmax` UNION ALL `= ANY(xip)` rather than the equivalent `>= xmin AND NOT visible`: that one
# reads everything since the oldest open transaction (14 ms a poll beside a long one, this 0.1).
_NEWS = {
    "postgresql": """
        SELECT * FROM events WHERE xid >= pg_snapshot_xmax(CAST(:position AS text)::pg_snapshot)
        UNION ALL
        SELECT * FROM events
        WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:position AS text)::pg_snapshot)))
    """,
    "sqlite": "SELECT * FROM events WHERE id > CAST(:position AS INTEGER)",
}
_SINCE = {
    dialect: sa.text(
        f"""
        SELECT e.id, e.chat_id, e.user_id, e.seq, e.kind, e.actor_id, e.subject_id, e.message_seq,
               e.created_at, now.*
        FROM ({PRESENT[dialect]}) AS now LEFT JOIN ({news}) AS e ON true
        ORDER BY e.id
        """  # noqa: S608 - made of the constants above
    ).columns(*LOGGED_COLUMNS, *PRESENT_COLUMNS)
    for dialect, news in _NEWS.items()
}


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


async def since(connection: Connection, position: str) -> Batch:
    """Return what became visible since a position, with the log as it is in the same moment."""
    statement = _SINCE[connection.dialect.name]
    return await batch_of(
        connection, (await connection.execute(statement, {"position": position})).all()
    )


async def batch_of(connection: Connection, rows: Sequence[sa.Row[Any]]) -> Batch:
    """Return the events of rows that begin with `LOGGED_COLUMNS` and end with `PRESENT_COLUMNS`.

    Without events there is one row, which holds nothing of them.
    """
    logged = [LoggedEvent(*row[: len(LOGGED_COLUMNS)]) for row in rows if row.id is not None]
    return Batch(logged, await log_state.present_of(connection, rows[0]))


@dataclass(frozen=True, slots=True)
class Changes:
    """Which messages have another text, other reactions or votes; whose rights changed."""

    edited_seqs: Collection[int]
    reacted_seqs: Collection[int]
    user_ids: Collection[UUID]
    polled_seqs: Collection[int] = ()


async def changes_after(connection: Connection, chat_id: UUID, seq: int) -> Changes | None:
    """Return what changed in a chat after an event; None when the log does not hold that any more.

    What is pruned first is the oldest: while the event itself is there, all that followed is.
    """
    rows = (
        await connection.execute(
            sa.select(events.c.seq, events.c.kind, events.c.message_seq, events.c.subject_id).where(
                events.c.chat_id == chat_id,
                events.c.seq >= seq,
                (events.c.seq == seq) | events.c.kind.in_(_CHANGING),
            )
        )
    ).all()
    if not any(row.seq == seq for row in rows):
        return None
    later = [row for row in rows if row.seq > seq]
    edited, reacted, polled, *of_members = _CHANGING
    return Changes(
        {row.message_seq for row in later if row.kind == edited},
        {row.message_seq for row in later if row.kind == reacted},
        {row.subject_id for row in later if row.kind in of_members},
        {row.message_seq for row in later if row.kind == polled},
    )


_CHANGING = (
    EventKind.MESSAGE_EDITED.value,
    EventKind.REACTIONS_CHANGED.value,
    EventKind.POLL_CHANGED.value,
    EventKind.MEMBER_ROLE_CHANGED.value,
    EventKind.MEMBER_SILENCED.value,
)


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
    chosen: sa.ColumnElement[bool] = events.c.id.in_(sa.select(oldest.c.id).where(old))
    mark: sa.ColumnElement[Any] = events.c.id
    if connection.dialect.name == "postgresql":
        mark = events.c.xid
        # What is newer than a transaction that still runs stays, and what follows it: a position
        # taken today does not tell whether it has seen that, and would count as too old from the
        # first moment on.
        running = sa.func.pg_snapshot_xmin(sa.func.pg_current_snapshot())
        first_to_stay = sa.select(sa.func.min(events.c.id)).where(events.c.xid >= running)
        chosen &= (events.c.id < first_to_stay.scalar_subquery()).is_not(False)
    gone = (
        await connection.execute(
            events.delete().where(chosen).returning(sa.cast(sa.cast(mark, sa.Text), sa.BigInteger))
        )
    ).scalars()
    marks = gone.all()
    if marks:
        await log_state.raise_floor(connection, max(marks))
    return len(marks)
