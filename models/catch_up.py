"""What one person missed: the part of the log between two positions that is theirs to see.

Per stay in a chat, one backward probe finds the newest event that was visible at the first
position; what follows it, up to the last one visible at the second, was missed. So the cost follows
what was missed, and neither the length of the log nor what others did matters. What is addressed to
the person alone is looked up directly; there is little of it.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models import log_state
from models.database import Connection
from models.events import LOGGED_COLUMNS, Batch, LoggedEvent, batch_of
from models.log_state import PRESENT, PRESENT_COLUMNS, Present

_FAR = 2**62  # above every sequence number


@dataclass(slots=True)
class Range:
    """Events of one chat that were missed: numbers `first` to `last`, both included."""

    chat_id: UUID
    first: int
    last: int


@dataclass(slots=True)
class Missed:
    """What a person missed between two positions and has not been read yet, page by page."""

    user_id: UUID
    since: str
    until: str
    present: Present  # in the moment in which it was looked up
    ranges: list[Range]
    # The last of the personal events that were read; None when there are no more.
    personal_after: int | None

    @property
    def left(self) -> bool:
        """Whether there may be another page."""
        return bool(self.ranges) or self.personal_after is not None


# The inner look-up finds the newest event of the chat that was visible at a position, or came
# before `after_id` in a batch that was cut off. Events of a chat become visible in the order of
# their numbers, so what follows that one was missed, and nothing else.
_ON_POSTGRESQL = """
    SELECT r.chat_id, r.first, r.last, {personal} AS personal, now.*
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
    SELECT r.chat_id, r.first, r.last, {personal} AS personal, now.*
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


# What is addressed to a person becomes visible in any order, so nothing but positions bounds it.
_PERSONAL_ON_POSTGRESQL = """
    e.user_id = :user_id AND e.id > {after}
    AND (e.xid >= pg_snapshot_xmax(CAST(:since AS text)::pg_snapshot) OR
         e.xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:since AS text)::pg_snapshot))))
"""
_PERSONAL_ON_SQLITE = "e.user_id = :user_id AND e.id > max(CAST(:since AS INTEGER), {after})"
_ANY_PERSONAL = "EXISTS (SELECT 1 FROM events AS e WHERE {condition})"
_UNTIL_ON_POSTGRESQL = "AND pg_visible_in_snapshot(e.xid, CAST(:until AS text)::pg_snapshot)"
_UNTIL_ON_SQLITE = "AND e.id <= CAST(:until AS INTEGER)"


def _missed(dialect: str, sql: str, last: str, personal: str) -> sa.TextualSelect:
    any_personal = _ANY_PERSONAL.format(condition=personal.format(after=":after_id"))
    return (
        sa.text(
            sql.format(
                far=_FAR,
                last=last,
                oldest=_OLDEST,
                present=PRESENT[dialect],
                personal=any_personal,
            )
        )
        .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
        .columns(
            sa.column("chat_id", sa.Uuid),
            sa.column("first", sa.BigInteger),
            sa.column("last", sa.BigInteger),
            sa.column("personal", sa.Boolean),
            *PRESENT_COLUMNS,
        )
    )


_MISSED = {
    "postgresql": _missed("postgresql", _ON_POSTGRESQL, _LAST_NOW, _PERSONAL_ON_POSTGRESQL),
    "sqlite": _missed("sqlite", _ON_SQLITE, _LAST_NOW, _PERSONAL_ON_SQLITE),
}
_MISSED_UNTIL = {
    "postgresql": _missed(
        "postgresql",
        _ON_POSTGRESQL,
        _LAST_ON_POSTGRESQL,
        _PERSONAL_ON_POSTGRESQL + _UNTIL_ON_POSTGRESQL,
    ),
    "sqlite": _missed(
        "sqlite", _ON_SQLITE, _LAST_ON_SQLITE, f"{_PERSONAL_ON_SQLITE} {_UNTIL_ON_SQLITE}"
    ),
}

_LOGGED = ", ".join(f"e.{column.name}" for column in LOGGED_COLUMNS)
# The first `limit` events of each range hold the first `limit` of all: an event's id and its number
# in the chat rise together.
_RANGES_ON_POSTGRESQL = """
    SELECT {logged}
    FROM jsonb_to_recordset(:ranges ::jsonb) AS r (chat_id uuid, first bigint, last bigint)
    JOIN events AS e ON e.chat_id = r.chat_id
        AND e.seq >= r.first AND e.seq <= r.last AND e.seq < r.first + :limit
"""
_RANGES_ON_SQLITE = """
    SELECT {logged}
    FROM json_each(:ranges) AS r
    JOIN events AS e ON e.chat_id = json_extract(r.value, '$.chat_id')
        AND e.seq >= json_extract(r.value, '$.first')
        AND e.seq <= json_extract(r.value, '$.last')
        AND e.seq < json_extract(r.value, '$.first') + :limit
"""


_AND_PERSONAL = "UNION ALL SELECT {logged} FROM events AS e WHERE {condition}"
_FIRST = """
    SELECT page.*, now.*
    FROM ({present}) AS now
    LEFT JOIN (SELECT e.* FROM ({parts}) AS e ORDER BY e.id LIMIT :limit) AS page ON true
    ORDER BY page.id
"""


def _page(dialect: str, ranges: str, personal: str | None = None) -> sa.TextualSelect:
    parts = ranges.format(logged=_LOGGED)
    if personal is not None:
        condition = personal.format(after=":personal_after")
        parts += _AND_PERSONAL.format(logged=_LOGGED, condition=condition)
    statement = sa.text(_FIRST.format(parts=parts, present=PRESENT[dialect]))
    if personal is not None:
        statement = statement.bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    return statement.columns(*LOGGED_COLUMNS, *PRESENT_COLUMNS)


_PAGE = {
    "postgresql": _page("postgresql", _RANGES_ON_POSTGRESQL),
    "sqlite": _page("sqlite", _RANGES_ON_SQLITE),
}
_PAGE_WITH_PERSONAL = {
    "postgresql": _page(
        "postgresql", _RANGES_ON_POSTGRESQL, _PERSONAL_ON_POSTGRESQL + _UNTIL_ON_POSTGRESQL
    ),
    "sqlite": _page("sqlite", _RANGES_ON_SQLITE, f"{_PERSONAL_ON_SQLITE} {_UNTIL_ON_SQLITE}"),
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
    present = await log_state.present_of(connection, rows[0])
    return Missed(
        user_id,
        since,
        present.position if until is None else until,
        present,
        [
            Range(row.chat_id, row.first, row.last)
            for row in rows
            if row.chat_id is not None and (chat_ids is None or row.chat_id in chat_ids)
        ],
        after_id if chat_ids is None and rows[0].personal else None,
    )


async def page(connection: Connection, missed: Missed, limit: int) -> Batch | None:
    """Return the first events of what was missed in the log's order, and take them off it.

    None when some of them are not in this log any more.
    """
    statement = _PAGE[connection.dialect.name]
    values: dict[str, object] = {
        "ranges": json.dumps(
            [{"chat_id": r.chat_id.hex, "first": r.first, "last": r.last} for r in missed.ranges]
        ),
        "limit": limit,
    }
    personal = missed.personal_after is not None
    if personal:
        statement = _PAGE_WITH_PERSONAL[connection.dialect.name]
        values |= {
            "user_id": missed.user_id,
            "personal_after": missed.personal_after,
            "since": missed.since,
            "until": missed.until,
        }
    batch = await batch_of(connection, (await connection.execute(statement, values)).all())
    present, found = batch.present, batch.events
    if present.epoch != missed.present.epoch:
        return None
    if not _take_off(missed.ranges, found, all_of_it=len(found) < limit):
        return None
    # Personal events have no numbers that would show a gap.
    if personal and not present.tells_after(missed.since):
        return None
    if missed.personal_after is not None:
        read = [event.id for event in found if event.user_id is not None]
        more = len(found) == limit
        missed.personal_after = max([missed.personal_after, *read]) if more else None
    return batch


def _take_off(ranges: list[Range], found: Sequence[LoggedEvent], *, all_of_it: bool) -> bool:
    """Take a page's events off the ranges; false when they do not continue every one exactly.

    Two stays in one chat are two ranges of it, and what lies between them is not theirs.
    """
    numbers: dict[UUID, list[int]] = defaultdict(list)
    for event in found:
        if event.place is not None:
            chat_id, seq = event.place
            numbers[chat_id].append(seq)
    for each in ranges:
        got = [seq for seq in numbers[each.chat_id] if each.first <= seq <= each.last]
        if got != list(range(each.first, each.first + len(got))):
            return False
        each.first += len(got)
    ranges[:] = [each for each in ranges if each.first <= each.last]
    return not (all_of_it and ranges)
