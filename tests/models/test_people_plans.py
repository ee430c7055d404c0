"""How people are looked up: by keys, page by page, whatever the databases know of the tables."""

import re

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models import administration, chats, members, user_words, users
from models.base import new_key
from models.database import Database
from models.users import UserKind
from resolvers.services import utc_now

PEOPLE = 3000
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SEARCH = {
    "prefix": "ana",
    "end": "ana\U0010ffff",
    "after_word": "ana",
    "after_id": new_key(),
    "limit": 21,
}
LOOK_UP = {"viewer_id": new_key(), "ids": [new_key() for _ in range(3)]}
STATEMENTS = [
    pytest.param(user_words._FIND, SEARCH, id="search"),
    pytest.param(users._VISIBLE[UserKind.PERSON], LOOK_UP, id="visible"),
    pytest.param(users._VISIBLE[UserKind.GUEST], LOOK_UP, id="visible to a guest"),
    pytest.param(users._CONTACTS, LOOK_UP, id="contacts"),
    pytest.param(users._HAVING, LOOK_UP, id="having a contact"),
]


async def fill(db):
    """Store people with the same few first names, as people have."""
    rows = []
    for number in range(PEOPLE):
        first, last = LETTERS[number % 3] + "na", LETTERS[number % 26] + f"son {number}"
        rows.append((new_key(), f"person{number}", f"{first} {last}"))
    async with db.writing() as connection:
        await connection.execute(
            users.users.insert(),
            [
                {"id": id_, "handle": handle, "display_name": name, "created_at": utc_now()}
                for id_, handle, name in rows
            ],
        )
        await connection.execute(
            user_words.user_words.insert(),
            [
                {"user_id": id_, "word": word}
                for id_, *names in rows
                for word in user_words.entries(names)
            ],
        )
        chats_ = [new_key() for _ in range(PEOPLE // 10)]
        await connection.execute(
            chats.chats.insert(),
            [
                {
                    "id": id_,
                    "kind": "group",
                    "created_by": rows[0][0],
                    "created_at": utc_now(),
                    "last_activity_at": utc_now(),
                }
                for id_ in chats_
            ],
        )
        await members.add(
            connection,
            [
                members.Member(
                    id=new_key(),
                    chat_id=chat_id,
                    user_id=rows[(start * 10 + number) % PEOPLE][0],
                    role="member",
                    joined_at=utc_now(),
                    joined_seq=1,
                    first_message_seq=1,
                    left_seq=None if number % 20 else 9,
                    delivered_seq=0,
                    read_seq=0,
                )
                for start, chat_id in enumerate(chats_)
                for number in range(40)
            ],
        )
    if db.dialect == "postgresql":
        async with db.engine.connect() as connection:
            connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(sa.text("ANALYZE"))


@pytest.mark.parametrize(("statement", "parameters"), STATEMENTS)
async def test_sqlite_reads_no_table_whole_and_sorts_nothing(
    migrated_sqlite_url, statement, parameters
):
    db = Database(migrated_sqlite_url)
    bound = statement.params(parameters)
    query = str(bound.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
    for filled in (False, True):
        if filled:
            await fill(db)
        async with db.reading() as connection:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
            plan = [row.detail for row in rows]
        assert [line for line in plan if line.startswith("SEARCH")]
        assert not [line for line in plan if re.match("SCAN|USE TEMP B-TREE", line)], plan
    await db.close()


@pytest.mark.parametrize(("statement", "parameters"), STATEMENTS)
async def test_postgresql_does_neither_whatever_it_is_asked_for(
    migrated_postgresql_url, statement, parameters
):
    db = Database(migrated_postgresql_url)
    await fill(db)
    compiled = statement.compile(dialect=postgresql.dialect())
    expanded = compiled.construct_expanded_state(parameters)
    query, values = expanded.statement, []
    for number, (name, value) in enumerate(expanded.parameters.items(), 1):
        query = query.replace(f"%({name})s", f"${number}")
        values.append(str(value) if isinstance(value, int) else f"'{value}'")
    engine = db.apart(5, plan_cache_mode="force_generic_plan")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"PREPARE people AS {query}")
        explained = await connection.exec_driver_sql(
            f"EXPLAIN EXECUTE people ({', '.join(values)})"
        )
        plan = explained.scalars().all()
    await engine.dispose()
    await db.close()
    by_index = [line for line in plan if re.search("Index (Only )?Scan", line)]
    assert by_index
    # Who has settings is few, and all of them may be looked through at once.
    whole = [
        line
        for line in plan
        if re.search("Seq Scan on (users|user_words|members|chats|messages)|Sort", line)
    ]
    assert not whole, plan
    # Without a condition the whole index would be read, and with it the table.
    assert len([line for line in plan if "Index Cond:" in line]) == len(by_index), plan


async def test_the_administrators_are_found_without_looking_at_everybody(migrated_database_url):
    db = Database(migrated_database_url)
    await fill(db)
    query = str(administration._ADMINISTRATORS.compile(db.engine))
    explain = "EXPLAIN" if db.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    async with db.reading() as connection:
        plan = str((await connection.exec_driver_sql(f"{explain} {query}")).all())
    await db.close()
    assert "ix_users_administrators" in plan
