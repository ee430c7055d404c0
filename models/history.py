"""Walking through chats' histories by their numbers: pages that cost the same at any depth.

Without a filter numbers have no gaps, since a message that is deleted keeps its place. A filter
leaves out what does not match, and with it what is deleted, has expired or is hidden; each has an
index that leads from one match to the next, so that nothing in between is read.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime
from models.database import Connection, DialectName
from models.messages import HIDDEN_AT, SHOWN_COLUMNS, Message, MessageKind, shown

_BEYOND_ALL = 2**62  # above every sequence number


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages are wanted, beside those of a range; every condition given must hold."""

    sender_id: UUID | None = None
    kind: MessageKind | None = None
    has_link: bool | None = None


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two others, without these."""

    after: int = 0
    before: int = _BEYOND_ALL

    def narrowed(self, *, after: int | None = None, before: int | None = None) -> "Range":
        """Return the part of it between two numbers as well."""
        return Range(
            self.after if after is None else max(self.after, after),
            self.before if before is None else min(self.before, before),
        )


async def pages(
    connection: Connection,
    viewer_id: UUID,
    ranges: Mapping[UUID, Range],
    *,
    limit: int,
    newest: bool,
    only: Filter = EVERYTHING,
) -> dict[UUID, list[Message]]:
    """Return a page of each chat's history that the viewer may read, oldest first.

    A page holds at most `limit` messages of the chat's range, at its newest or its oldest end.
    Nothing of a chat that the viewer is not in.
    """
    found: dict[UUID, list[Message]] = {chat_id: [] for chat_id in ranges}
    if not ranges:
        return found
    dialect: DialectName = connection.dialect.name  # type: ignore[assignment]
    statement = _page_statement(dialect, _conditions(only), newest)
    given = {"viewer_id": viewer_id, "rows": limit, **_given(dialect, ranges)}
    if only != EVERYTHING:
        given["now"] = datetime.now(UTC)
    if only.sender_id is not None:
        given["sender_id"] = only.sender_id
    if only.kind is not None:
        given["kind"] = only.kind.value
    for row in await connection.execute(statement, given):
        found[row.chat_id].append(shown(row))
    return found


async def first_since(
    connection: Connection, chat_ids: Iterable[UUID], moment: datetime
) -> dict[UUID, int]:
    """Return the number of each chat's first message sent at a moment or later.

    That of the next one to be sent, if there is none. Messages are stored in the order of their
    moments, so it is searched for by halves: twenty look-ups in a million. The chats' ids are
    known to exist; the caller decides what of it the viewer may know.
    """
    wanted = list(set(chat_ids))
    if not wanted:
        return {}
    dialect = connection.dialect.name
    ids = json.dumps([chat_id.hex for chat_id in wanted]) if dialect == "sqlite" else wanted
    rows = await connection.execute(_FIRST_SINCE[dialect], {"ids": ids, "moment": moment})
    return {row.chat_id: int(row.seq) for row in rows}


def _conditions(only: Filter) -> tuple[str, ...]:
    """Return the conditions of a filter, as statements have them: their number is small."""
    conditions = []
    if only.sender_id is not None:
        conditions.append("{m}.sender_id = :sender_id")
    if only.kind is not None:
        conditions.append("{m}.kind = :kind")
        if only.kind is not MessageKind.TEXT:
            conditions.append("{m}.kind <> 'text'")  # as the index says of itself
    if only.has_link is not None:
        conditions.append("{m}.has_link" if only.has_link else "NOT {m}.has_link")
    if conditions:
        conditions.append("{m}.deleted_at IS NULL")
        conditions.append("({m}.expires_at IS NULL OR {m}.expires_at > :now)")
        conditions.append(
            "NOT EXISTS (SELECT 1 FROM hidden_messages AS h WHERE h.user_id = :viewer_id"
            " AND h.chat_id = {m}.chat_id AND h.message_seq = {m}.seq)"
        )
    return tuple(conditions)


_COLUMNS = ", ".join(f"messages.{column.name}" for column in SHOWN_COLUMNS[:-1])

_ON_POSTGRESQL = """
    SELECT {columns}, {hidden_at} AS hidden_at
    FROM unnest(CAST(:chat_ids AS uuid[]), CAST(:afters AS bigint[]), CAST(:befores AS bigint[]))
        AS wanted (chat_id, after, before)
    CROSS JOIN LATERAL (
        SELECT first_message_seq FROM members
        WHERE user_id = :viewer_id AND chat_id = wanted.chat_id AND left_seq IS NULL
        OFFSET 0
    ) AS mine
    CROSS JOIN LATERAL (
        SELECT * FROM messages AS m
        WHERE m.chat_id = wanted.chat_id AND m.seq >= mine.first_message_seq
          AND m.seq > wanted.after AND m.seq < wanted.before{where}
        ORDER BY {order} LIMIT :rows
    ) AS messages
    ORDER BY messages.chat_id, messages.seq
"""
# SQLite knows no LATERAL: an inner look-up finds the far end of each chat's page. CROSS JOIN keeps
# the order in which the tables are looked at. Of several bounds on one side it would take any to
# look up by, and find out about the others row by row: so there is one on each side.
_LOW = "max(mine.first_message_seq, json_extract(wanted.value, '$[1]') + 1)"
_HIGH = "json_extract(wanted.value, '$[2]') - 1"
_FAR_END = """(
            SELECT m.seq FROM messages AS m
            WHERE m.chat_id = mine.chat_id AND m.seq >= {low} AND m.seq <= {high}{where}
            ORDER BY {order} LIMIT 1 OFFSET :rows - 1
        )"""
_ON_SQLITE = """
    SELECT {columns}, {hidden_at} AS hidden_at
    FROM json_each(:ranges) AS wanted
    CROSS JOIN members AS mine
        ON mine.user_id = :viewer_id AND mine.chat_id = json_extract(wanted.value, '$[0]')
        AND mine.left_seq IS NULL
    CROSS JOIN messages
        ON messages.chat_id = mine.chat_id
        AND messages.seq >= {low} AND messages.seq <= {high}{where}
    ORDER BY messages.chat_id, messages.seq
"""


@cache
def _page_statement(
    dialect: DialectName, conditions: tuple[str, ...], newest: bool
) -> sa.TextualSelect:
    """Return the statement of a filter; there are as many as filters have shapes."""

    def where(table: str) -> str:
        return "".join(f" AND {condition.format(m=table)}" for condition in conditions)

    direction = " DESC" if newest else ""
    # With the chat, so that both halves of a key are in order.
    order = f"m.chat_id{direction}, m.seq{direction}"
    if dialect == "postgresql":
        text = _ON_POSTGRESQL.format(
            columns=_COLUMNS, hidden_at=HIDDEN_AT, where=where("m"), order=order
        )
    else:
        far_end = _FAR_END.format(low=_LOW, high=_HIGH, where=where("m"), order=order)
        text = _ON_SQLITE.format(
            columns=_COLUMNS,
            hidden_at=HIDDEN_AT,
            where=where("messages"),
            low=f"max({_LOW}, coalesce({far_end}, 0))" if newest else _LOW,
            high=_HIGH if newest else f"min({_HIGH}, coalesce({far_end}, {_BEYOND_ALL}))",
        )
    parameters = [sa.bindparam("viewer_id", type_=sa.Uuid)]
    if conditions:
        parameters.append(sa.bindparam("now", type_=UtcDateTime))
    if "{m}.sender_id = :sender_id" in conditions:
        parameters.append(sa.bindparam("sender_id", type_=sa.Uuid))
    return sa.text(text).bindparams(*parameters).columns(*SHOWN_COLUMNS)


def _given(dialect: str, ranges: Mapping[UUID, Range]) -> dict[str, object]:
    if dialect == "sqlite":
        return {
            "ranges": json.dumps(
                [(chat_id.hex, each.after, each.before) for chat_id, each in ranges.items()]
            )
        }
    return {
        "chat_ids": list(ranges),
        "afters": [each.after for each in ranges.values()],
        "befores": [each.before for each in ranges.values()],
    }


# Between `low` and `high` is what may be the first: it is looked at in the middle.
_BY_HALVES = """
    WITH RECURSIVE sought (chat_id, low, high) AS (
        SELECT id, CAST(1 AS bigint), last_message_seq + 1 FROM chats WHERE id IN ({ids})
        UNION ALL
        SELECT sought.chat_id,
               CASE WHEN found.created_at < :moment THEN found.seq + 1 ELSE sought.low END,
               CASE WHEN found.created_at < :moment THEN sought.high ELSE found.seq END
        FROM sought CROSS JOIN {lateral} AS found {on}
        WHERE sought.low < sought.high
    )
    SELECT chat_id, max(low) AS seq FROM sought GROUP BY chat_id
"""
_FIRST_SINCE = {
    dialect: sa.text(text)
    .bindparams(sa.bindparam("moment", type_=UtcDateTime))
    .columns(sa.column("chat_id", sa.Uuid), sa.column("seq", sa.BigInteger))
    for dialect, text in {
        "postgresql": _BY_HALVES.format(
            ids="SELECT unnest(CAST(:ids AS uuid[]))",
            lateral="""LATERAL (
                SELECT seq, created_at FROM messages
                WHERE chat_id = sought.chat_id AND seq = (sought.low + sought.high) / 2
                OFFSET 0
            )""",
            on="",
        ),
        "sqlite": _BY_HALVES.format(
            ids="SELECT value FROM json_each(:ids)",
            lateral="messages",
            on="ON found.chat_id = sought.chat_id AND found.seq = (sought.low + sought.high) / 2",
        ),
    }.items()
}
