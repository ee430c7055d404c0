"""What a page of history costs: the rows on it, wherever it lies in a hundred thousand messages."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from models import history
from models.base import new_key
from models.chats import chats
from models.database import Connection, Database
from models.history import Filter, Range
from models.members import members
from models.messages import MessageKind
from models.users import users
from tests.models import test_catch_up_plans as plans

MESSAGES = 100_000
PAGE = 50
START = datetime(2026, 1, 1, tzinfo=UTC)
VIEWER, OFTEN, RARELY = (UUID(int=n) for n in (1, 2, 3))
CHAT = UUID(int=10)

# Each message a second after the one before it. Of a thousand one is by somebody who writes rarely,
# one has a link, and one is a system message; of ten, three are by somebody who writes often.
_NUMBERS = {
    "postgresql": "SELECT generate_series(1, :count) AS n",
    "sqlite": "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) "
    "SELECT n FROM c",
}
_UUIDS = {
    "postgresql": "CAST(lpad(to_hex(n), 32, '0') AS uuid)",
    "sqlite": "printf('%032x', n)",
}
_MOMENTS = {
    "postgresql": "CAST(:start AS timestamptz) + n * interval '1 second'",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f000', :start, n || ' seconds')",
}
_FILL = """
    INSERT INTO messages (chat_id, seq, sender_id, text, client_message_id, content_hash,
                          created_at, kind, has_link)
    SELECT :chat_id, n, CASE WHEN n % 1000 = 500 THEN {rarely} WHEN n % 10 < 3 THEN {often}
           ELSE {viewer} END, 'Hello', {uuid}, :hash, {moment},
           CASE WHEN n % 1000 = 501 THEN 'system' ELSE 'text' END, n % 1000 = 502
    FROM ({numbers}) AS numbers ORDER BY n
"""


async def fill(db: Database) -> None:
    dialect = db.dialect
    of = {
        name: f"CAST('{key}' AS uuid)" if dialect == "postgresql" else f"'{key.hex}'"
        for name, key in (("viewer", VIEWER), ("often", OFTEN), ("rarely", RARELY))
    }
    text = _FILL.format(
        numbers=_NUMBERS[dialect], uuid=_UUIDS[dialect], moment=_MOMENTS[dialect], **of
    )
    async with db.writing() as connection:
        for number, key in enumerate((VIEWER, OFTEN, RARELY)):
            await connection.execute(
                users.insert().values(
                    id=key, handle=f"u{number}", display_name="U", kind="person", created_at=START
                )
            )
        for chat_id in (CHAT, new_key()):
            await connection.execute(
                chats.insert().values(
                    id=chat_id, kind="group", created_by=VIEWER, created_at=START,
                    last_message_seq=MESSAGES, last_activity_at=START, member_count=1,
                )
            )  # fmt: skip
            await connection.execute(
                members.insert().values(
                    id=uuid4(), chat_id=chat_id, user_id=VIEWER, role="owner", joined_at=START,
                    joined_seq=1, first_message_seq=1, read_seq=0,
                )
            )  # fmt: skip
        await connection.execute(
            sa.text(text).bindparams(
                sa.bindparam("chat_id", type_=sa.Uuid),
                sa.bindparam("hash", type_=sa.LargeBinary),
            ),
            {
                "chat_id": CHAT,
                "hash": b"h" * 32,
                "count": MESSAGES,
                "start": START if dialect == "postgresql" else "2026-01-01",
            },
        )


FILTERS = {
    "everything": Filter(),
    "somebody who writes rarely": Filter(sender_id=RARELY),
    "somebody who writes often": Filter(sender_id=OFTEN),
    "links": Filter(has_link=True),
    "system messages": Filter(kind=MessageKind.SYSTEM),
}
PLACES = {
    "first": (Range(), False),
    "last": (Range(), True),
    "before the middle": (Range(before=MESSAGES // 2), True),
    "after the middle": (Range(after=MESSAGES // 2), False),
}


@contextlib.asynccontextmanager
async def filled(url: str) -> AsyncIterator[Database]:
    db = Database(url)
    try:
        await fill(db)
        yield db
    finally:
        await db.close()


async def check_answers(connection: Connection) -> None:
    """Check that pages and dates are right before what they cost is looked at."""
    for name, only in FILTERS.items():
        for place, (range_, newest) in PLACES.items():
            found = await history.pages(
                connection, VIEWER, {CHAT: range_}, limit=PAGE, newest=newest, only=only
            )
            seqs = [message.seq for message in found[CHAT]]
            assert seqs == sorted(seqs), (name, place)
            assert len(seqs) == (50 if only.sender_id != RARELY else min(50, len(seqs)))
    for seconds in (-1, 0, 1, 2, 49_999, 50_000.5, MESSAGES, MESSAGES + 1):
        moment = START + timedelta(seconds=seconds)
        first = await history.first_since(connection, [CHAT, uuid4()], moment)
        expected = min(max(int(-(-seconds // 1)), 1), MESSAGES + 1)
        assert first == {CHAT: expected}, seconds


@pytest.mark.timeout(180)
async def test_a_page_reads_its_own_rows_on_postgresql(migrated_postgresql_url, monkeypatch):
    types = {
        "chat_ids": "uuid[]", "afters": "bigint[]", "befores": "bigint[]", "rows": "bigint",
        "viewer_id": "uuid", "sender_id": "uuid", "kind": "text", "ids": "uuid[]",
        "moment": "timestamptz", "now": "timestamptz",
    }  # fmt: skip
    monkeypatch.setattr(plans, "TYPES", plans.TYPES | types)
    async with filled(migrated_postgresql_url) as db, contextlib.AsyncExitStack() as stack:
        async with db.writing() as connection:
            await connection.execute(sa.text("ANALYZE messages"))
            await connection.execute(sa.text("ANALYZE members"))
        async with db.reading() as connection:
            await check_answers(connection)
        for mode in plans.MODES:
            engine = db.apart(30, plan_cache_mode=mode)
            stack.push_async_callback(engine.dispose)
            connection = await stack.enter_async_context(engine.connect())
            statements = plans.Prepared(connection)
            await statements.prepare("first_since", history._FIRST_SINCE["postgresql"])
            given: dict[str, Any] = {
                "viewer_id": VIEWER, "rows": PAGE, "chat_ids": [CHAT], "ids": [CHAT],
                "sender_id": RARELY, "kind": "system",
                "afters": [0], "befores": [2**62], "moment": START + timedelta(seconds=70_000),
                "now": START,
            }  # fmt: skip
            names = {}
            for newest in (True, False):
                for number, (name, only) in enumerate(FILTERS.items()):
                    key = f"page_{number}_{newest}".lower()
                    names[key] = (name, only, newest)
                    statement = history._page_statement(
                        "postgresql", history._conditions(only), newest
                    )
                    await statements.prepare(key, statement)
            await connection.commit()
            await statements.execute_often(given)
            for key, (name, only, newest) in names.items():
                for range_ in (Range(), Range(after=MESSAGES // 2), Range(before=MESSAGES // 2)):
                    values = given | {
                        "afters": [range_.after], "befores": [range_.before],
                        "sender_id": only.sender_id or RARELY,
                    }  # fmt: skip
                    plan = await statements.plan(key, values)
                    told = f"{name}, {range_}, {newest}, {mode}"
                    assert plans.rows_read(plan, "messages") <= 2 * PAGE, told
                    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
                    assert pages <= 8 * PAGE, told
            plan = await statements.plan("first_since", given)
            assert plans.rows_read(plan, "messages") <= 20, mode
            assert plans.rows_read(plan, "chats") <= 1, mode


@pytest.mark.timeout(180)
async def test_a_page_is_looked_up_by_an_index_on_sqlite(migrated_sqlite_url):
    async with filled(migrated_sqlite_url) as db, db.reading() as connection:
        await check_answers(connection)
        indexes = {
            "everything": "pk",
            "somebody who writes rarely": "ix_messages_chat_id_sender_id_seq",
            "somebody who writes often": "ix_messages_chat_id_sender_id_seq",
            "links": "ix_messages_chat_id_seq_linking",
            "system messages": "ix_messages_chat_id_kind_seq",
        }
        for name, only in FILTERS.items():
            for newest in (True, False):
                steps = await explained(
                    connection,
                    history._page_statement("sqlite", history._conditions(only), newest),
                )
                looked_up = [step for step in steps if " messages " in f"{step} " or " m " in step]
                assert looked_up, steps
                for step in looked_up:
                    if "hidden" in step or " h " in step:
                        continue
                    assert step.startswith("SEARCH"), steps
                    index = indexes[name] if indexes[name] != "pk" else "sqlite_autoindex_messages"
                    assert index in step, (name, steps)
        steps = await explained(connection, history._FIRST_SINCE["sqlite"])
        assert any(step.startswith("SEARCH found USING") for step in steps), steps


async def explained(connection: Connection, statement: sa.TextualSelect) -> list[str]:
    text = str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))
    values = dict.fromkeys(statement.compile().params, "[]")
    rows = await connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"), values)
    return [row.detail for row in rows]
