"""How PostgreSQL carries out a batch: by keys, also with a plan made before there was any row."""

import re

import pytest
import sqlalchemy as sa

from models import marking, reacting, sending_postgresql, storing_postgresql
from models.database import Database

TYPES = {
    "chat_ids": "uuid[]",
    "sender_ids": "uuid[]",
    "client_ids": "uuid[]",
    "user_ids": "uuid[]",
    "ids": "uuid[]",
    "hashes": "bytea[]",
    "texts": "text[]",
    "extras": "jsonb[]",
    "words": "text[]",
    "replies": "bigint[]",
    "delivered": "bigint[]",
    "read": "bigint[]",
    "seqs": "bigint[]",
    "emojis": "text[]",
    "wanted": "boolean[]",
    "naming": "bigint[]",
    "named": "uuid[]",
    "may_write": "text[]",
    "may_mention_all": "text[]",
    "may_hurry": "text[]",
}


@pytest.mark.parametrize(
    "statement",
    [
        sending_postgresql._LOCK_FIRST,
        storing_postgresql._ON_POSTGRESQL,
        marking._ON_POSTGRESQL,
        reacting._ON_POSTGRESQL,
    ],
    ids=["lock", "messages", "marks", "reactions"],
)
async def test_every_table_is_looked_up_by_key(migrated_postgresql_url, statement):
    db = Database(migrated_postgresql_url)
    engine = db.apart(5, plan_cache_mode="force_generic_plan")
    names = list(statement.compile().params)
    text = str(statement)
    for number, name in enumerate(names, 1):
        text = re.sub(rf":{name}\b", f"${number}", text)
    empty = ", ".join("'{}'" for _ in names)
    async with engine.connect() as connection:
        await connection.execute(
            sa.text(f"PREPARE batch ({', '.join(TYPES[name] for name in names)}) AS {text}")
        )
        explained = await connection.execute(sa.text(f"EXPLAIN EXECUTE batch ({empty})"))
        plan = explained.scalars().all()
    await engine.dispose()
    await db.close()
    by_index = [line for line in plan if re.search("Index (Only )?Scan", line)]
    assert by_index
    assert not [line for line in plan if "Seq Scan" in line]
    # Without a condition the whole index would be read, and with it the table.
    assert len([line for line in plan if "Index Cond:" in line]) == len(by_index)
