"""What one person missed: the part of the log between two positions that is theirs to see.

Per stay in a chat, one backward probe finds the newest event that was visible at the first
position; what follows it, up to the last one visible at the second, was missed. So the cost follows
what was missed, and neither the length of the log nor what others did matters.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models import log_state
from models.database import Connection
from models.events import LOGGED_COLUMNS, Batch, batch_of
from models.log_state import PRESENT, PRESENT_COLUMNS, Present

_FAR = 2**62  # above every sequence number


@dataclass(slots=True)
class Range:
    """Events of one chat that were missed: numbers `first` to `last`, both included."""

    chat_id: UUID
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Missed:
    """What was missed, and the log in the moment in which it was read."""

    ranges: list[Range]
    present: Present


# The inner look-up finds the newest event of the chat that was visible at a position, or came
# before `after_id` in a batch that was cut off. Events of a chat become visible in the order of
# their numbers, so what follows that one was missed, and nothing else.
_ON_POSTGRESQL = """
    SELECT r.chat_id, r.first, r.last, now.*
    FROM ({present}) AS now
    LEFT JOIN (
        SELECT m.chat_id,
               greatest(m.joined_seq, 1 + coalesce((
                   SELECT e.seq FROM events AS e
                   WHERE e.chat_id = m.chat_id AND (e.id <= :after_id OR
                       pg_visible_in_snapshot(e.xid, CAST(:since AS text)::pg_snapshot))
                   ORDER BY e.seq DESC LIMIT 1), {oldest}, {far})) AS first,
               least(coalesce(m.left_seq, {far}), {last}) AS last
        FROM members AS m JOIN chats AS c ON c.id = m.chat_id
        WHERE m.user_id = :user_id
    ) AS r ON r.first <= r.last
"""
_ON_SQLITE = """
    SELECT r.chat_id, r.first, r.last, now.*
    FROM ({present}) AS now
    LEFT JOIN (
        SELECT m.chat_id,
               max(m.joined_seq, 1 + coalesce((
                   SELECT e.seq FROM events AS e
                   WHERE e.chat_id = m.chat_id AND e.id <= max(CAST(:since AS INTEGER), :after_id)
                   ORDER BY e.seq DESC LIMIT 1), {oldest}, {far})) AS first,
               min(coalesce(m.left_seq, {far}), {last}) AS last
        FROM members AS m JOIN chats AS c ON c.id = m.chat_id
        WHERE m.user_id = :user_id
    ) AS r ON r.first <= r.last
"""
# Where none is left of those that were visible, because they were pruned, what is in the log was
# missed; where nothing is in the log, nothing was.
_OLDEST = "(SELECT e.seq - 1 FROM events AS e WHERE e.chat_id = m.chat_id ORDER BY e.seq LIMIT 1)"
# Until now: the chat's row, read in the same snapshot, knows its last event.
_LAST_NOW = "c.last_event_seq"
# Until an earlier position: the newest event that was visible at it.
_LAST_ON_POSTGRESQL = """coalesce((
    SELECT e.seq FROM events AS e
    WHERE e.chat_id = m.chat_id
      AND pg_visible_in_snapshot(e.xid, CAST(:until AS text)::pg_snapshot)
    ORDER BY e.seq DESC LIMIT 1), 0)"""
_LAST_ON_SQLITE = """coalesce((
    SELECT e.seq FROM events AS e
    WHERE e.chat_id = m.chat_id AND e.id <= CAST(:until AS INTEGER)
    ORDER BY e.seq DESC LIMIT 1), 0)"""


def _missed(dialect: str, sql: str, last: str) -> sa.TextualSelect:
    return (
        sa.text(sql.format(far=_FAR, last=last, oldest=_OLDEST, present=PRESENT[dialect]))
        .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
        .columns(
            sa.column("chat_id", sa.Uuid),
            sa.column("first", sa.BigInteger),
            sa.column("last", sa.BigInteger),
            *PRESENT_COLUMNS,
        )
    )


_MISSED = {
    "postgresql": _missed("postgresql", _ON_POSTGRESQL, _LAST_NOW),
    "sqlite": _missed("sqlite", _ON_SQLITE, _LAST_NOW),
}
_MISSED_UNTIL = {
    "postgresql": _missed("postgresql", _ON_POSTGRESQL, _LAST_ON_POSTGRESQL),
    "sqlite": _missed("sqlite", _ON_SQLITE, _LAST_ON_SQLITE),
}

# The first `limit` events of each range hold the first `limit` of all: an event's id and its number
# in the chat rise together.
_PAGE = {
    dialect: sa.text(
        f"""
        SELECT page.*, now.*
        FROM ({PRESENT[dialect]}) AS now LEFT JOIN (
            SELECT e.id, e.chat_id, e.user_id, e.seq, e.kind, e.actor_id, e.subject_id,
                   e.message_seq, e.created_at
            FROM {ranges}
            JOIN events AS e ON e.chat_id = {chat_id}
                AND e.seq >= {first} AND e.seq <= {last} AND e.seq < {first} + :limit
            ORDER BY e.id LIMIT :limit
        ) AS page ON true
        ORDER BY page.id
        """  # noqa: S608 - made of the constants below
    ).columns(*LOGGED_COLUMNS, *PRESENT_COLUMNS)
    for dialect, ranges, chat_id, first, last in [
        (
            "postgresql",
            "jsonb_to_recordset(:ranges ::jsonb) AS r (chat_id uuid, first bigint, last bigint)",
            "r.chat_id",
            "r.first",
            "r.last",
        ),
        (
            "sqlite",
            "json_each(:ranges) AS r",
            "json_extract(r.value, '$.chat_id')",
            "json_extract(r.value, '$.first')",
            "json_extract(r.value, '$.last')",
        ),
    ]
}


async def missed(
    connection: Connection,
    user_id: UUID,
    *,
    since: str,
    after_id: int = 0,
    until: str | None = None,
    chat_ids: Collection[UUID] | None = None,
) -> Missed:
    """Return what a person missed since a position, until another one or until now.

    `after_id` leaves out the events of a batch that were delivered before it was cut off;
    `chat_ids` everything but these chats.
    """
    values = {"user_id": user_id, "since": since, "after_id": after_id}
    if until is None:
        statement = _MISSED[connection.dialect.name]
    else:
        statement = _MISSED_UNTIL[connection.dialect.name]
        values["until"] = until
    rows = (await connection.execute(statement, values)).all()
    return Missed(
        [
            Range(row.chat_id, row.first, row.last)
            for row in rows
            if row.chat_id is not None and (chat_ids is None or row.chat_id in chat_ids)
        ],
        await log_state.present_of(connection, rows[0]),
    )


async def page(connection: Connection, ranges: list[Range], limit: int) -> Batch:
    """Return the first events of these ranges, and shorten the ranges by them."""
    rows = (
        await connection.execute(
            _PAGE[connection.dialect.name],
            {
                "ranges": json.dumps(
                    [{"chat_id": r.chat_id.hex, "first": r.first, "last": r.last} for r in ranges]
                ),
                "limit": limit,
            },
        )
    ).all()
    batch = await batch_of(connection, rows)
    delivered = {event.chat_id: event.seq or 0 for event in batch.events}
    for each in ranges:
        # Two stays in one chat are two ranges of it, and what lies between them is not theirs.
        each.first = max(each.first, delivered.get(each.chat_id, 0) + 1)
    ranges[:] = [each for each in ranges if each.first <= each.last]
    return batch
