"""How databases look up what was missed: by keys, however much else is in the log."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models import catch_up, events, log_state, members, messages, reactions, receipts
from models.base import new_key
from models.chats import chats
from models.database import Connection, Database
from models.events import EventKind, LoggedEvent
from models.members import Member, Role
from models.users import users
from resolvers.services import utc_now

TABLES = ("events", "members", "chats", "messages")
MISSED_IN, QUIET, LEFT = 20, 30, 5  # chats of the person who was away
ELSEWHERE = 50  # chats of others
MISSED = 1_000  # events, while somebody else was told of
UNRELATED = 20_000  # others, and
AFTER_LEAVING = 5_000  # in the chats that the person had left
PERSONAL = 20  # addressed to the person alone, and
PERSONAL_BEFORE = 100  # before that
PAGE = 100

TYPES = {
    "user_id": "uuid",
    "since": "text",
    "until": "text",
    "position": "text",
    "after_id": "bigint",
    "personal_after": "bigint",
    "shown_up_to": "bigint",
    "ranges": "jsonb",
    "share": "bigint",
    "limit": "bigint",
    "firsts": "uuid[]",
    "seconds": "bigint[]",
}


@dataclass
class Filled:
    """Who was away, and between which positions of the log."""

    user_id: UUID
    since: str
    until: str
    keys: list[tuple[UUID, int]]


async def fill(db: Database) -> Filled:
    """Fill a database with what one person missed, and much else in between."""
    person, other = new_key(), new_key()
    ids = [new_key() for _ in range(MISSED_IN + QUIET + LEFT + ELSEWHERE)]
    missed_in, left = ids[:MISSED_IN], ids[-ELSEWHERE - LEFT : -ELSEWHERE]
    elsewhere = ids[-ELSEWHERE:]
    numbers = dict.fromkeys(ids, 0)

    async def log(connection: Connection, chat_ids: list[UUID]) -> None:
        rows = []
        for chat_id in chat_ids:
            numbers[chat_id] += 1
            seq = numbers[chat_id]
            kind = EventKind.MESSAGE_SENT.value
            rows.append(LoggedEvent(0, chat_id, None, seq, kind, other, None, seq, utc_now()))
        await events.record_many(connection, rows)

    async def log_personal(connection: Connection, user_id: UUID, count: int) -> None:
        kind = EventKind.SESSION_ENDED.value
        row = LoggedEvent(0, None, user_id, None, kind, None, user_id, None, utc_now())
        await events.record_many(connection, [row] * count)

    now = utc_now()
    async with db.writing() as connection:
        await connection.execute(
            users.insert(),
            [
                {
                    "id": id_,
                    "handle": handle,
                    "display_name": handle,
                    "password_hash": "",
                    "created_at": now,
                }
                for id_, handle in ((person, "person"), (other, "other"))
            ],
        )
        await connection.execute(
            chats.insert(),
            [
                {
                    "id": id_,
                    "kind": "group",
                    "created_by": other,
                    "created_at": now,
                    "last_activity_at": now,
                }
                for id_ in ids
            ],
        )
        stays = [
            (id_, user_id)
            for id_ in ids
            for user_id in (person, other)
            if user_id == other or id_ not in elsewhere
        ]
        await members.add(
            connection,
            [
                Member(
                    id=new_key(),
                    chat_id=chat_id,
                    user_id=user_id,
                    role=Role.MEMBER.value,
                    joined_at=now,
                    joined_seq=1,
                    first_message_seq=1,
                    delivered_seq=0,
                    left_seq=10 if user_id == person and chat_id in left else None,
                    read_seq=0,
                )
                for chat_id, user_id in stays
            ],
        )
        await log(connection, ids * 20)
        await log_personal(connection, person, PERSONAL_BEFORE)
    async with db.reading() as connection:
        since = (await log_state.present(connection)).position
    for _ in range(10):
        async with db.writing() as connection:
            await log(
                connection,
                (missed_in * (MISSED // 10 // MISSED_IN))
                + (elsewhere * (UNRELATED // 10 // ELSEWHERE))
                + (left * (AFTER_LEAVING // 10 // LEFT)),
            )
            await log_personal(connection, person, PERSONAL // 10)
            await log_personal(connection, other, 100)
    async with db.writing() as connection:
        for chat_id in ids:
            await connection.execute(
                chats.update()
                .where(chats.c.id == chat_id)
                .values(last_event_seq=numbers[chat_id], last_message_seq=numbers[chat_id])
            )
    async with db.reading() as connection:
        until = (await log_state.present(connection)).position
    return Filled(person, since, until, [(chat_id, seq) for chat_id in missed_in for seq in (3, 4)])


# --- PostgreSQL ---------------------------------------------------------------------------------


class Prepared:
    """Statements on one connection, prepared as the driver prepares them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._names: dict[str, list[str]] = {}

    async def prepare(self, name: str, statement: sa.SelectBase) -> None:
        text = str(statement)
        names = self._names[name] = list(statement.compile().params)
        for number, parameter in enumerate(names, 1):
            text = re.sub(rf"(?<!:):{parameter}\b", f"${number}", text)
        types = ", ".join(TYPES[parameter] for parameter in names)
        await self._connection.execute(
            sa.text(f"PREPARE {name} ({types}) AS {text}".replace(":", r"\:"))
        )

    async def execute_often(self, values: dict[str, Any]) -> None:
        """Execute each six times: from the sixth on, a plan for any values may be kept."""
        for name in self._names:
            for _ in range(6):
                await self._connection.execute(sa.text(self._call(name, values)))
        await self._connection.commit()

    async def plan(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        """Execute it and return how that went."""
        call = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {self._call(name, values)}"
        (explained,) = (await self._connection.execute(sa.text(call))).scalar_one()
        plan: dict[str, Any] = explained["Plan"]
        return plan

    def _call(self, name: str, values: dict[str, Any]) -> str:
        given = (values[parameter] for parameter in self._names[name])
        literals = ", ".join(
            "'{" + ",".join(map(str, value)) + "}'" if isinstance(value, list) else f"'{value}'"
            for value in given
        )
        return f"EXECUTE {name} ({literals})".replace(":", r"\:")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


def rows_read(plan: dict[str, Any], table: str) -> int:
    """Return how many rows of a table were looked at, also to be left out."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    count = 0
    for node in nodes(plan):
        if node.get("Relation Name") == table:
            looked_at = node["Actual Rows"] + sum(node.get(name, 0) for name in removed)
            count += looked_at * node["Actual Loops"]
    return count


STATEMENTS = {
    "missed": catch_up._MISSED["postgresql"],
    "missed_until": catch_up._MISSED_UNTIL["postgresql"],
    "page": catch_up._PAGE["postgresql"],
    "page_with_personal": catch_up._PAGE_WITH_PERSONAL["postgresql"],
    "news": events._SINCE["postgresql"],
    "by_keys": messages._BY_KEYS["postgresql"],
    "reactions": reactions._GROUPS["postgresql"],
    "receipts_of_all": receipts._ALL["postgresql"],
    "receipts_of_theirs": receipts._THEIRS["postgresql"],
}


MODES = ("auto", "force_custom_plan", "force_generic_plan")

# The same for every connection: of a statement that is executed before there is any row.
NOTHING = {
    "user_id": UUID(int=0),
    "since": "1:1:",
    "until": "1:1:",
    "position": "1000000:1000000:",
    "after_id": 0,
    "personal_after": 0,
    "shown_up_to": receipts.SHOWN_UP_TO,
    "ranges": "[]",
    "share": 1,
    "limit": 1,
    "firsts": [],
    "seconds": [],
}
STAYS = MISSED_IN + QUIET + LEFT
# How many rows of the log a statement may look at: beside what was missed, one more for each stay,
# one more for each end that is looked for, and what was ever addressed to the person, which is
# looked for in two ways.
OWN = 2 * (PERSONAL + PERSONAL_BEFORE)
MOST = {
    "missed": MISSED + STAYS + OWN,
    "missed_until": MISSED + 2 * STAYS + OWN,
    "page": 2 * PAGE,
    "page_with_personal": 2 * PAGE + OWN,
    "news": 0,
    "by_keys": 0,
    "reactions": 0,
    "receipts_of_all": 0,
    "receipts_of_theirs": 0,
}


@contextlib.asynccontextmanager
async def prepared(db: Database) -> AsyncIterator[list[Prepared]]:
    """Yield connections such as requests get one, each with the statements prepared."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for mode in MODES:
            engine = db.apart(30, plan_cache_mode=mode)
            stack.push_async_callback(engine.dispose)
            connection = await stack.enter_async_context(engine.connect())
            statements = Prepared(connection)
            for name, statement in STATEMENTS.items():
                await statements.prepare(name, statement)
            await connection.commit()
            opened.append(statements)
        yield opened


async def analyse(db: Database) -> None:
    async with db.writing() as connection:
        for table in TABLES:
            await connection.execute(sa.text(f"ANALYZE {table}"))


@pytest.mark.parametrize("analysed", ["when full", "when empty", "when empty, and planned then"])
async def test_catching_up_reads_what_was_missed_and_little_else(migrated_postgresql_url, analysed):
    db = Database(migrated_postgresql_url)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(db.close)
        async with db.writing() as connection:
            for table in TABLES:  # else the server might do it in the middle of this
                await connection.execute(sa.text(f"ALTER TABLE {table} SET (autovacuum_enabled=0)"))
        await analyse(db)
        connections = await stack.enter_async_context(prepared(db))
        if analysed == "when empty, and planned then":
            for statements in connections:
                await statements.execute_often(NOTHING)
        filled = await fill(db)
        if analysed == "when full":
            await analyse(db)
        async with db.reading() as connection:
            missed = await catch_up.missed(connection, filled.user_id, since=filled.since)
        assert sum(each.last - each.first + 1 for each in missed.ranges) == MISSED
        chat_ids, seqs = zip(*filled.keys, strict=True)
        ranges = [
            {"chat_id": str(each.chat_id), "first": each.first, "last": each.last}
            for each in missed.ranges
        ]
        values = NOTHING | {
            "user_id": filled.user_id,
            "since": filled.since,
            "until": filled.until,
            "position": filled.until,
            "ranges": json.dumps(ranges),
            "share": 2 * PAGE // MISSED_IN,
            "limit": PAGE,
            "firsts": list(chat_ids),
            "seconds": list(seqs),
        }
        for mode, statements in zip(MODES, connections, strict=True):
            await statements.execute_often(values)
            for name in STATEMENTS:
                plan = await statements.plan(name, values)
                told = f"{name}, {mode}"
                scans = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
                assert {node["Relation Name"] for node in scans} <= {"log_state"}, told  # one row
                assert rows_read(plan, "events") <= MOST[name], told
                assert rows_read(plan, "messages") <= len(filled.keys), told
                assert rows_read(plan, "members") <= STAYS, told
                assert rows_read(plan, "chats") <= STAYS, told
                # Pages: for each row its own, and three of an index.
                pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
                assert pages <= 4 * (MOST[name] + 2 * STAYS + len(filled.keys)), told


# --- SQLite -------------------------------------------------------------------------------------


@pytest.mark.parametrize("analysed", ["never", "when full"])
async def test_catching_up_searches_by_keys_on_sqlite(migrated_sqlite_url, analysed):
    db = Database(migrated_sqlite_url)
    try:
        filled = await fill(db)
        async with db.writing() as connection:
            if analysed == "when full":
                await connection.execute(sa.text("ANALYZE"))
        async with db.reading() as connection:
            missed = await catch_up.missed(connection, filled.user_id, since=filled.since)
            assert sum(each.last - each.first + 1 for each in missed.ranges) == MISSED
            for statement in (
                catch_up._MISSED["sqlite"],
                catch_up._MISSED_UNTIL["sqlite"],
                catch_up._PAGE["sqlite"],
                catch_up._PAGE_WITH_PERSONAL["sqlite"],
                events._SINCE["sqlite"],
                messages._BY_KEYS["sqlite"],
                reactions._GROUPS["sqlite"],
                receipts._ALL["sqlite"],
                receipts._THEIRS["sqlite"],
            ):
                text = str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))
                values = dict.fromkeys(statement.compile().params, "[]")
                rows = await connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"), values)
                steps = [row.detail for row in rows]
                assert [step for step in steps if step.startswith("SEARCH")], text
                # What is scanned was handed in or found before, or is the one row of a counter.
                found = {step.split()[1] for step in steps if step.startswith("SCAN")}
                assert not found & {*TABLES, "e"}, steps
    finally:
        await db.close()
