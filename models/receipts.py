"""Receipts: which pointers have moved, for the tailer and for those who come back.

The pointers are columns of `models/members.py`. Here is, per stay, where they stood when somebody
last said how far they are, and in which transaction that was; on SQLite, in which batch. The latest
wins: what moved twice since a position is told once. A send moves its sender's pointers as well,
which the message itself tells.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import TransactionId, UtcDateTime, columns, metadata
from models.database import Connection

# In larger chats everybody hears only of their own: the others' would be most of what is sent.
SHOWN_UP_TO = 100  # members

receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("member_id", sa.Uuid, sa.ForeignKey("members.id", ondelete="CASCADE")),
    sa.Column("chat_id", sa.Uuid, nullable=False),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("delivered_seq", sa.BigInteger, nullable=False),
    sa.Column("read_seq", sa.BigInteger, nullable=False),
    sa.Column("xid", TransactionId, nullable=False),
    sa.Column("moved_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("member_id"),
    sa.Index("ix_receipts_xid", "xid"),
    sa.Index("ix_receipts_chat_id_xid", "chat_id", "xid"),
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far somebody has got in a chat that they are in."""

    chat_id: UUID
    user_id: UUID
    delivered_seq: int
    read_seq: int
    moved_at: datetime


_COLUMNS = columns(receipts, Receipt)
_NAMES = ", ".join(f"r.{column.name}" for column in _COLUMNS)

# What moved again after `until` is left to the next reading: it may refer to what comes in that.
# OFFSET 0 makes the planner look up each row by its key, however many it expects: with a plan made
# while there were no receipts it went through all members for every chat.
_STAY_ON_POSTGRESQL = """
    CROSS JOIN LATERAL (
        SELECT id FROM members WHERE id = r.member_id AND left_seq IS NULL OFFSET 0
    ) AS m
"""
# Neither of whom nor to whom.
_UNHIDDEN = """
    NOT EXISTS (
        SELECT 1 FROM settings
        WHERE settings.user_id IN (r.user_id, mine.user_id) AND settings.hides_receipts
    )
"""
_ALL_ON_POSTGRESQL = """
    SELECT {names}
    FROM (
        SELECT * FROM receipts WHERE xid >= pg_snapshot_xmax(CAST(:since AS text)::pg_snapshot)
        UNION ALL
        SELECT * FROM receipts
        WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:since AS text)::pg_snapshot)))
    ) AS r
    {stay}
    WHERE pg_visible_in_snapshot(r.xid, CAST(:until AS text)::pg_snapshot)
    ORDER BY r.xid::text::bigint, r.member_id
"""
_THEIRS_ON_POSTGRESQL = """
    SELECT {names}
    FROM (
        SELECT chat_id, user_id FROM members WHERE user_id = :user_id AND left_seq IS NULL OFFSET 0
    ) AS mine
    CROSS JOIN LATERAL (
        SELECT member_count FROM chats WHERE id = mine.chat_id OFFSET 0
    ) AS c
    CROSS JOIN LATERAL (
        SELECT * FROM receipts
        WHERE chat_id = mine.chat_id
          AND xid >= pg_snapshot_xmax(CAST(:since AS text)::pg_snapshot)
        UNION ALL
        SELECT * FROM receipts
        WHERE chat_id = mine.chat_id
          AND xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:since AS text)::pg_snapshot)))
    ) AS r
    {stay}
    WHERE ((c.member_count <= :shown_up_to AND {unhidden}) OR r.user_id = mine.user_id)
      AND pg_visible_in_snapshot(r.xid, CAST(:until AS text)::pg_snapshot)
    ORDER BY r.xid::text::bigint, r.member_id
"""
_ALL_ON_SQLITE = """
    SELECT {names}
    FROM receipts AS r JOIN members AS m ON m.id = r.member_id AND m.left_seq IS NULL
    WHERE r.xid > :since AND r.xid <= :until
    ORDER BY r.xid, r.member_id
"""
_THEIRS_ON_SQLITE = """
    SELECT {names}
    FROM members AS mine JOIN chats AS c ON c.id = mine.chat_id
    JOIN receipts AS r ON r.chat_id = mine.chat_id AND r.xid > :since AND r.xid <= :until
    JOIN members AS m ON m.id = r.member_id AND m.left_seq IS NULL
    WHERE mine.user_id = :user_id AND mine.left_seq IS NULL
      AND ((c.member_count <= :shown_up_to AND {unhidden}) OR r.user_id = mine.user_id)
    ORDER BY r.xid, r.member_id
"""


def _statement(sql: str) -> sa.TextualSelect:
    statement = sa.text(sql.format(names=_NAMES, stay=_STAY_ON_POSTGRESQL, unhidden=_UNHIDDEN))
    if ":user_id" in sql:
        statement = statement.bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    return statement.columns(*_COLUMNS)


_ALL = {"postgresql": _statement(_ALL_ON_POSTGRESQL), "sqlite": _statement(_ALL_ON_SQLITE)}
_THEIRS = {
    "postgresql": _statement(_THEIRS_ON_POSTGRESQL),
    "sqlite": _statement(_THEIRS_ON_SQLITE),
}


async def between(connection: Connection, since: str, until: str) -> list[Receipt]:
    """Return what moved between two positions of the log, in whatever chat."""
    rows = await connection.execute(
        _ALL[connection.dialect.name], _bounds(connection, since, until)
    )
    return [Receipt(*row) for row in rows]


async def shown_between(
    connection: Connection,
    user_id: UUID,
    *,
    since: str,
    until: str,
    chat_ids: Collection[UUID] | None,
) -> list[Receipt]:
    """Return what moved between two positions and a person may see, or of that these chats."""
    values = {
        **_bounds(connection, since, until),
        "user_id": user_id,
        "shown_up_to": SHOWN_UP_TO,
    }
    rows = await connection.execute(_THEIRS[connection.dialect.name], values)
    return [Receipt(*row) for row in rows if chat_ids is None or row.chat_id in chat_ids]


def _bounds(connection: Connection, since: str, until: str) -> dict[str, str | int]:
    if connection.dialect.name == "sqlite":
        return {"since": sqlite_number(since), "until": sqlite_number(until)}
    return {"since": since, "until": until}


def sqlite_number(position: str) -> int:
    """Return the batch of receipts that a position on SQLite counts as seen."""
    return int(position.partition(":")[2] or 0)
