"""What a search costs where much has been said: what is on its page, not what there is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from models import search
from models.base import new_key
from models.database import Database
from models.search_query import parse
from models.terms import Terms
from resolvers.services import utc_now
from tests.models.test_catch_up_plans import rows_read

MANY = 5_000  # chats of the person, with one entry in each
BIG = 60_000  # entries of one chat of theirs, and as many of a chat that they are not in
PAGE = 21
# Half of all entries have `common`, one in a thousand `middling`, three have `rare`.
TERMS = Terms()

FILL = """
    INSERT INTO search_entries (id, chat_id, seq, words)
    SELECT id, chat_id, seq, CAST(
        '''some'':1 ''words'':2 ''_c' || replace(CAST(chat_id AS text), '-', '') || ''' '
        || CASE WHEN n % 2 = 0 THEN '''common'':3 ' ELSE '' END
        || CASE WHEN n % 1000 = 7 THEN '''middling'':4 ' ELSE '' END
        || CASE WHEN n % 20000 = 9 THEN '''rare'':5 ' ELSE '' END
        || '''_e' || (id >> 10) || '''' AS tsvector)
    FROM (
        SELECT nextval('search_entries_id_seq') AS id, n, {chat} AS chat_id, {seq} AS seq
        FROM generate_series(1, {count}) AS n
    ) AS made
"""
MESSAGES = """
    INSERT INTO messages
        (chat_id, seq, sender_id, text, client_message_id, content_hash, created_at)
    SELECT chat_id, seq, '{sender}', 'some words', gen_random_uuid(), '', now() FROM search_entries
"""


@dataclass
class Filled:
    """Who searches, and where."""

    viewer_id: UUID
    big: UUID


async def fill(db: Database) -> Filled:
    """Fill a PostgreSQL database with 125,000 messages."""
    viewer, other, big, elsewhere = (new_key() for _ in range(4))
    async with db.writing() as connection:
        for user, handle in ((viewer, "viewer"), (other, "other")):
            await connection.execute(
                sa.text(
                    "INSERT INTO users (id, handle, display_name, password_hash, created_at) "
                    "VALUES (:id, :handle, :handle, '', now())"
                ),
                {"id": user, "handle": handle},
            )
        chat = "'{}'::uuid"
        numbered = "md5('chat ' || n)::uuid"
        of_many = f"SELECT {numbered} AS id FROM generate_series(1, {MANY}) AS n"
        for which in (of_many, f"SELECT '{big}'::uuid", f"SELECT '{elsewhere}'::uuid"):
            await connection.execute(
                sa.text(
                    "INSERT INTO chats (id, kind, created_by, created_at, last_activity_at) "
                    f"SELECT id, 'group', '{other}', now(), now() FROM ({which}) AS made (id)"
                )
            )
        await connection.execute(
            sa.text(
                "INSERT INTO members (id, chat_id, user_id, role, joined_at, joined_seq, "
                "first_message_seq, read_seq) SELECT gen_random_uuid(), id, "
                f"'{viewer}', 'member', now(), 1, 1, 0 FROM chats WHERE id <> '{elsewhere}'"
            )
        )
        for where, seq, count in (
            (numbered, "1", MANY),
            (chat.format(elsewhere), "n", BIG),
            (chat.format(big), "n", BIG),
        ):
            await connection.exec_driver_sql(FILL.format(chat=where, seq=seq, count=count))
        await connection.exec_driver_sql(MESSAGES.format(sender=other))
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(sa.text("VACUUM ANALYZE"))
    return Filled(viewer, big)


@pytest.fixture
async def filled(migrated_postgresql_url) -> AsyncIterator[tuple[Database, Filled]]:
    db = Database(migrated_postgresql_url)
    yield db, await fill(db)
    await db.close()


@pytest.mark.timeout(300)
async def test_a_page_costs_what_is_on_it_however_much_has_been_said(filled):
    db, where = filled
    # (what is looked for, in one chat only, entries read at most)
    worlds = [
        ("common", False, 40),
        ("common", True, 40),
        ("middling", False, 300),
        ("middling", True, 300),
        ("rare", False, 30),
        ("rare", True, 30),
        ("nowhere", False, 0),
        ("nowhere", True, 0),
        ('"some words"', False, 60),
    ]
    async with db.reading() as connection:
        # The plan that is kept, made for no words in particular.
        await connection.execute(sa.text("SET plan_cache_mode = force_generic_plan"))
        newest = (await connection.execute(search._NEWEST)).scalar_one()
        for words, in_big, most in worlds:
            conditions = parse(words, TERMS)
            among = [[search._of_chat(where.big)]] if in_big else []
            found: list[Any] = []
            read = {"search_entries": 0, "messages": 0, "members": 0}
            for eras in await search._windows(connection, newest + 1):
                plan = await explained(
                    connection, where, search._query("postgresql", conditions, *among, eras)
                )
                for table in read:
                    read[table] += rows_read(plan, table)
                found = [None] * plan["Actual Rows"]
                if len(found) == PAGE:
                    break
            # Of two eras all that fits is gathered; then the hits are looked up one by one.
            assert read["search_entries"] <= 3 * 1024 + most, (words, in_big, read)
            assert read["messages"] <= 3 * PAGE + most, (words, in_big, read)


async def explained(connection, where, query) -> dict[str, Any]:
    values = {
        "query": query,
        "viewer_id": str(where.viewer_id),
        "now": utc_now().isoformat(),
        "kind": None,
        "sent_from": None,
        "sent_until": None,
        "has_link": None,
        "before": search.BEYOND_ALL,
        "limit": PAGE,
    }
    types = {"viewer_id": "uuid", "now": "timestamptz", "before": "bigint", "limit": "bigint"}
    text = str(search._FIND["postgresql"].compile(dialect=postgresql.dialect(paramstyle="named")))
    names = [*dict.fromkeys(re.findall(r"(?<!:):(\w+)", text))]
    for number, name in enumerate(names, 1):
        text = re.sub(rf"(?<!:):{name}\b", f"${number}", text)
    declared = ", ".join(types.get(name, "text") for name in names)
    given = ", ".join(
        "NULL" if values[name] is None else "'" + str(values[name]).replace("'", "''") + "'"
        for name in names
    )
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    await driver.execute("DEALLOCATE ALL")
    await driver.execute(f"PREPARE find ({declared}) AS {text}")
    explained = await driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE find ({given})")
    plan: dict[str, Any] = explained[0]
    whole: dict[str, Any] = plan["Plan"]
    return whole
