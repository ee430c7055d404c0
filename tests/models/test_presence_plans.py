"""Who is there is looked up by keys, however many people there are."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from models import presence
from models.base import new_key
from resolvers.services import utc_now
from tests.parts.running import running

STATEMENTS: dict[str, dict[str, Any]] = {
    "seen": presence._SEEN_OF,
    "away": presence._AWAY_OF,
    "invisible": presence._INVISIBLE_AMONG,
    "reserved": presence._RESERVED,
    "members": presence._MEMBERS_OF,
    "mark": presence._MARK_SEEN,
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_nothing_is_read_whole(migrated_database_url, name):
    async with running(migrated_database_url) as server:
        db = server.program.services.db
        asked: dict[str, Any] = {}
        if name == "mark":
            asked |= {"now": utc_now(), "since": utc_now(), "away": False}
        explain = "EXPLAIN" if db.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        statement = STATEMENTS[name][db.dialect]
        text = sa.text(f"{explain} {statement}")
        if name == "mark":
            text = text.bindparams(*statement._bindparams.values())
        async with db.writing() as connection:
            asked["ids"] = presence._as_one(connection, [new_key(), new_key()])
            plan = [str(row) for row in await connection.execute(text, asked)]
    assert not [line for line in plan if re.search(r"Seq Scan|SCAN (?!json_each)", line)], plan
    assert [line for line in plan if re.search(r"Index|SEARCH", line)], plan
