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


# `seen` finds the newest event of a stay that was visible at a position, or came before `after_id`
# in a batch that was cut off. Events of a chat become visible in the order of their numbers, so
# what follows that one was missed, and nothing else. It walks back from the end of the stay: what
# went on in a chat after somebody left it costs nothing.
#
# Present stays and past ones have an index each; nothing else leads from a person to their chats.
_MISSED_SQL = """
    WITH stay AS (
        SELECT chat_id, joined_seq, left_seq FROM members
        WHERE user_id = :user_id AND left_seq IS NULL
        UNION ALL
        SELECT chat_id, joined_seq, left_seq FROM members
        WHERE user_id = :user_id AND left_seq IS NOT NULL
    ),
    missed AS MATERIALIZED (
        SELECT stay.chat_id,
               {greatest}(joined_seq, 1 + coalesce(({seen}), ({oldest}), {far})) AS first,
               {least}(coalesce(left_seq, {far}), coalesce(({last}), 0)) AS last
        FROM stay
    )
    SELECT missed.chat_id, missed.first, missed.last,
           EXISTS (SELECT 1 FROM {personal}) AS personal, now.*
    FROM ({present}) AS now LEFT JOIN missed ON missed.first <= missed.last
"""
_NEWEST = f"""
    SELECT e.seq FROM events AS e
    WHERE e.chat_id = stay.chat_id AND e.seq <= coalesce(stay.left_seq, {_FAR}) AND {{visible}}
    ORDER BY e.seq DESC LIMIT 1
"""  # noqa: S608 - what is put in is a constant
# Where none is left of those that were visible, because they were pruned, what is in the log was
# missed; where nothing is in the log, nothing was.
_OLDEST = "SELECT e.seq - 1 FROM events AS e WHERE e.chat_id = stay.chat_id ORDER BY e.seq LIMIT 1"
# Until now: the chat's row, read in the same snapshot, knows its last event. Until an earlier
# position: the newest event that was visible at it.
_LAST_NOW = "SELECT last_event_seq FROM chats WHERE chats.id = stay.chat_id"

# What is addressed to a person becomes visible in any order, so nothing but positions bounds it.
_PERSONAL = "{personal} AS e WHERE e.id > {after}"

# Of each range the first `share` events are read. An event's id and its number in the chat rise
# together, so up to the first id with which one of the ranges is not yet read to its end, nothing
# can be missing; what lies beyond belongs to a later page.
_PAGE_SQL = """
    WITH range AS MATERIALIZED ({ranges}),
    read AS MATERIALIZED ({read}),
    complete AS (SELECT min(id) FILTER (WHERE goes_on) AS until FROM read)
    SELECT page.*, now.*
    FROM ({present}) AS now
    LEFT JOIN (SELECT * FROM ({parts}) AS part ORDER BY id LIMIT :limit) AS page ON true
    ORDER BY page.id
"""
_LOGGED = ", ".join(f"e.{column.name}" for column in LOGGED_COLUMNS)
_GOES_ON = "e.seq = range.first + :share - 1 AND e.seq < range.last AS goes_on"
_AND_PERSONAL = """
    UNION ALL
    SELECT {logged} FROM complete CROSS JOIN {personal}
    AND (complete.until IS NULL OR e.id <= complete.until)
"""


@dataclass(frozen=True, slots=True)
class _Words:
    """How a database says what the statements have in common."""

    greatest: str
    least: str
    visible_at: str
    personal: str  # since a position
    ranges: str
    read: str
    part: str


_WORDS = {
    "postgresql": _Words(
        greatest="greatest",
        least="least",
        visible_at="pg_visible_in_snapshot(e.xid, CAST({} AS text)::pg_snapshot)",
        personal="""(
            SELECT * FROM events
            WHERE user_id = :user_id
              AND xid >= pg_snapshot_xmax(CAST(:since AS text)::pg_snapshot)
            UNION ALL
            SELECT * FROM events
            WHERE user_id = :user_id
              AND xid = ANY (ARRAY(SELECT pg_snapshot_xip(CAST(:since AS text)::pg_snapshot)))
            OFFSET 0
        )""",  # OFFSET 0 keeps the planner from looking them up by id, which goes through all
        ranges="""
            SELECT * FROM jsonb_to_recordset(:ranges ::jsonb)
                AS range (chat_id uuid, first bigint, last bigint)
        """,
        # OFFSET 0 makes the planner look up each range by its key, however many it expects.
        read=f"""
            SELECT {_LOGGED}, {_GOES_ON} FROM range CROSS JOIN LATERAL (
                SELECT * FROM events
                WHERE chat_id = range.chat_id AND seq >= range.first
                  AND seq <= least(range.last, range.first + :share - 1)
                OFFSET 0
            ) AS e
        """,  # noqa: S608 - what is put in are constants
        part=f"""
            SELECT {_LOGGED} FROM complete CROSS JOIN read AS e
            WHERE complete.until IS NULL OR e.id <= complete.until
        """,  # noqa: S608 - what is put in is a constant
    ),
    "sqlite": _Words(
        greatest="max",
        least="min",
        visible_at="e.id <= CAST({} AS INTEGER)",
        personal="""(
            SELECT * FROM events WHERE user_id = :user_id AND id > CAST(:since AS INTEGER)
        )""",
        ranges="""
            SELECT json_extract(value, '$.chat_id') AS chat_id,
                   json_extract(value, '$.first') AS first, json_extract(value, '$.last') AS last
            FROM json_each(:ranges)
        """,
        # The index by number holds the id as well: rows are fetched only of what is delivered.
        read=f"""
            SELECT e.id, {_GOES_ON}
            FROM range CROSS JOIN events AS e ON e.chat_id = range.chat_id
                AND e.seq >= range.first AND e.seq <= min(range.last, range.first + :share - 1)
        """,  # noqa: S608 - what is put in is a constant
        part=f"""
            SELECT {_LOGGED} FROM complete CROSS JOIN read CROSS JOIN events AS e ON e.id = read.id
            WHERE complete.until IS NULL OR read.id <= complete.until
        """,  # noqa: S608 - what is put in is a constant
    ),
}


def _missed(dialect: str, *, now: bool) -> sa.TextualSelect:
    words = _WORDS[dialect]
    until = words.visible_at.format(":until")
    personal = _PERSONAL.format(after=":after_id", personal=words.personal)
    seen = f"(e.id <= :after_id OR {words.visible_at.format(':since')})"
    sql = _MISSED_SQL.format(
        greatest=words.greatest,
        least=words.least,
        seen=_NEWEST.format(visible=seen),
        oldest=_OLDEST,
        far=_FAR,
        last=_LAST_NOW if now else _NEWEST.format(visible=until),
        personal=personal if now else f"{personal} AND {until}",
        present=PRESENT[dialect],
    )
    return (
        sa.text(sql)
        .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
        .columns(
            sa.column("chat_id", sa.Uuid),
            sa.column("first", sa.BigInteger),
            sa.column("last", sa.BigInteger),
            sa.column("personal", sa.Boolean),
            *PRESENT_COLUMNS,
        )
    )


def _page(dialect: str, *, personal: bool) -> sa.TextualSelect:
    words = _WORDS[dialect]
    parts = words.part
    if personal:
        until = words.visible_at.format(":until")
        theirs = _PERSONAL.format(after=":personal_after", personal=words.personal)
        parts += _AND_PERSONAL.format(logged=_LOGGED, personal=f"{theirs} AND {until}")
    sql = _PAGE_SQL.format(
        ranges=words.ranges, read=words.read, parts=parts, present=PRESENT[dialect]
    )
    statement = sa.text(sql)
    if personal:
        statement = statement.bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    return statement.columns(*LOGGED_COLUMNS, *PRESENT_COLUMNS)


_MISSED = {dialect: _missed(dialect, now=True) for dialect in _WORDS}
_MISSED_UNTIL = {dialect: _missed(dialect, now=False) for dialect in _WORDS}
_PAGE = {dialect: _page(dialect, personal=False) for dialect in _WORDS}
_PAGE_WITH_PERSONAL = {dialect: _page(dialect, personal=True) for dialect in _WORDS}

# At least so many events of each range: where ranges are mixed evenly, about half of what is read
# lies before the first id with which one of them goes on.
_SHARE = 8


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

    At most `limit` and, if there are so many, more than half of that. None when some of what was
    missed is not in this log any more.
    """
    read: list[LoggedEvent] = []
    share = min(limit, _SHARE + 2 * limit // max(1, len(missed.ranges)))
    while True:
        batch = await _first(connection, missed, share, limit - len(read))
        if batch is None:
            return None
        read += batch.events
        if not missed.left or len(read) > limit // 2:
            return Batch(read, batch.present)
        share = min(limit, 2 * share)  # for ranges that lie one after the other


async def _first(connection: Connection, missed: Missed, share: int, limit: int) -> Batch | None:
    """Do what `page` does, reading `share` events of each range; some, if there are any."""
    statement = _PAGE[connection.dialect.name]
    values: dict[str, object] = {
        "ranges": json.dumps(
            [{"chat_id": r.chat_id.hex, "first": r.first, "last": r.last} for r in missed.ranges]
        ),
        "share": share,
        "limit": limit,
    }
    if missed.personal_after is not None:
        statement = _PAGE_WITH_PERSONAL[connection.dialect.name]
        values |= {
            "user_id": missed.user_id,
            "personal_after": missed.personal_after,
            "since": missed.since,
            "until": missed.until,
        }
    batch = await batch_of(connection, (await connection.execute(statement, values)).all())
    return batch if take_off(missed, batch, limit) else None


def take_off(missed: Missed, batch: Batch, limit: int) -> bool:
    """Take a page of up to `limit` off what was missed; false when some of it is not there."""
    if batch.present.epoch != missed.present.epoch:
        return False
    if not _take_off(missed.ranges, batch.events):
        return False
    if missed.personal_after is not None:
        # Personal events have no numbers that would show a gap.
        if not batch.present.tells_after(missed.since):
            return False
        read = [event.id for event in batch.events if event.user_id is not None]
        more = bool(missed.ranges) or len(batch.events) == limit
        missed.personal_after = max([missed.personal_after, *read]) if more else None
    return True


def _take_off(ranges: list[Range], found: Sequence[LoggedEvent]) -> bool:
    """Take events off the ranges; false when they do not continue every one exactly.

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
    return bool(found) or not ranges
