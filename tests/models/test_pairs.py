"""What is looked up by pairs is found row by row, by key, on both databases."""

import re
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models import members, messages, reactions
from models.database import Database
from tests.parts.world import World

MANY = [(uuid4(), number) for number in range(1, 21)]
STAYS = [(chat_id, uuid4()) for chat_id, _ in MANY]


# PostgreSQL plans by how much there is. SQLite, which nobody tells, has to find its way without.
FILL = (
    "SET LOCAL session_replication_role = replica",  # whom the rows belong to does not matter
    """INSERT INTO members (id, chat_id, user_id, role, joined_at, joined_seq, first_message_seq,
                            read_seq)
       SELECT gen_random_uuid(), md5(c::text)::uuid, md5(u::text)::uuid, 'member', now(), 1, 1, 0
       FROM generate_series(1, 300) AS c, generate_series(1, 30) AS u""",
    """INSERT INTO messages (chat_id, seq, sender_id, text, client_message_id, content_hash,
                             created_at)
       SELECT md5(c::text)::uuid, seq, md5('1')::uuid, '', gen_random_uuid(), '', now()
       FROM generate_series(1, 300) AS c, generate_series(1, 100) AS seq""",
    "ANALYZE members, messages",
)


async def explained(db, look_up):
    """Return how the database carries out what `look_up` asks of a connection."""
    asked = []

    def note(connection, cursor, statement, parameters, *_):
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    async with db.writing() as connection:
        for statement in FILL if db.dialect == "postgresql" else ():
            await connection.exec_driver_sql(statement)
        sa.event.listen(db.engine.sync_engine, "before_cursor_execute", note)
        await look_up(connection)
        sa.event.remove(db.engine.sync_engine, "before_cursor_execute", note)
        statement, parameters = asked[-1]
        if db.dialect == "sqlite":
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            return [row[-1] for row in plan]
        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return [row[-1] for row in plan]


@pytest.mark.parametrize(
    ("look_up", "keys"),
    [
        (lambda db: messages.by_keys(db, MANY), ["chat_id, seq"]),
        (
            lambda db: messages.readable_by_keys(db, uuid4(), MANY),
            ["chat_id, seq", "user_id, chat_id"],
        ),
        (lambda db: members.stays(db, STAYS), ["user_id, chat_id", "user_id"]),
        (lambda db: reactions.groups(db, MANY), ["chat_id, message_seq"]),
        (lambda db: reactions.of_user(db, uuid4(), MANY), ["chat_id, message_seq, user_id"]),
    ],
    ids=["messages", "readable messages", "stays", "groups of reactions", "own reactions"],
)
async def test_rows_are_found_by_their_whole_key(migrated_database_url, look_up, keys):
    db = Database(migrated_database_url)
    try:
        plan = await explained(db, look_up)
    finally:
        await db.close()
    whole = re.compile(r"(Seq Scan on|SCAN) (m|messages|members|reactions)\b")
    assert not [line for line in plan if whole.search(line)]
    found_by = [
        set(re.findall(r"(chat_id|user_id|message_seq|seq) ?=", line))
        for line in plan
        if "Index Cond" in line or line.startswith("SEARCH")
    ]
    for key in keys:
        assert set(key.split(", ")) in found_by, plan


async def test_of_every_chat_the_message_that_was_asked_for_is_found_and_no_other(world: World):
    ana, ben = await world.person("ana"), await world.person("ben")
    chats = [await world.group(ana, ben) for _ in range(3)]
    for chat in chats:
        for number in range(1, 4):
            await world.send(ana, chat, str(number))
    wanted = {(chat.id, number) for number, chat in enumerate(chats, 1)}
    absent = {(chats[0].id, 99), (uuid4(), 1)}
    async with world.services.db.reading() as connection:
        for found in (
            await messages.by_keys(connection, wanted | absent),
            await messages.readable_by_keys(connection, ben.user_id, wanted | absent),
        ):
            assert {key: message.text for key, message in found.items()} == {
                key: str(key[1]) for key in wanted
            }
        assert await messages.by_keys(connection, []) == {}
        assert await messages.readable_by_keys(connection, uuid4(), wanted) == {}
        stays = await members.stays(
            connection, {(chats[0].id, ana.user_id), (chats[1].id, ben.user_id)}
        )
    assert {(stay.chat_id, stay.user_id) for stay in stays} == {
        (chats[0].id, ana.user_id),
        (chats[1].id, ben.user_id),
    }
