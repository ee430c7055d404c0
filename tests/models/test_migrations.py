"""Migrations run up and down, on both databases, and lead to what the models say."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from models import handles, members, search, users
from models.base import UtcDateTime, metadata, new_key
from models.chats import chats
from models.database import Database
from models.errors import HandleTaken
from models.members import Member
from models.messages import messages
from models.search_query import parse
from models.terms import Terms
from server import migrations

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def table_names(db: Database) -> set[str]:
    async with db.reading() as connection:
        return set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


async def test_migrations_run_up_down_and_up_again(database_url):
    db = Database(database_url)
    try:
        await migrations.migrate(db)
        assert await migrations.current(db) == migrations.newest()
        assert set(metadata.tables) <= await table_names(db)
        await migrations.revert(db, "base")
        assert await migrations.current(db) is None
        assert await table_names(db) - {"alembic_version", "sqlite_sequence"} == set()
        await migrations.migrate(db)
        assert set(metadata.tables) <= await table_names(db)
    finally:
        await db.close()


async def test_a_migrated_database_is_what_the_models_say(migrated_database_url):
    db = Database(migrated_database_url)

    def differences(connection: sa.Connection) -> list[object]:
        opts = {"compare_type": True, "include_object": _OURS[connection.dialect.name]}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, metadata))

    try:
        async with db.reading() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await db.close()


def _ours_on_sqlite(_: object, name: str | None, *__: object) -> bool:
    """Whether it is one of the models': FTS5 keeps its index in tables of its own."""
    return not (name or "").startswith("search_index") and name != "ix_search_entries_words"


_OURS = {"sqlite": _ours_on_sqlite, "postgresql": lambda *_: True}


async def test_two_nodes_that_migrate_at_once_do_not_get_in_each_others_way(database_url):
    import asyncio

    nodes = [Database(database_url), Database(database_url)]
    try:
        await asyncio.gather(*(migrations.migrate(db) for db in nodes))
        assert await migrations.current(nodes[0]) == migrations.newest()
    finally:
        for db in nodes:
            await db.close()


async def test_people_from_before_are_found_and_keep_their_handles(database_url):
    people = [("bern", "Bern Ångström"), ("bem", "Bem"), ("ana", "😀"), *_many(1500)]
    db = Database(database_url)
    try:
        await migrations.migrate(db, "0007")
        table = sa.table(
            "users",
            *(sa.column(name) for name in ("handle", "display_name", "display_name_folded")),
            sa.column("id", sa.Uuid),
            sa.column("created_at", UtcDateTime),
        )
        async with db.writing() as connection:
            rows = [
                {"id": new_key(), "handle": handle, "display_name": name, "created_at": NOW}
                for handle, name in people
            ]
            folded = [
                {**row, "display_name_folded": row["display_name"].casefold()} for row in rows
            ]
            await connection.execute(table.insert(), folded)
        await migrations.migrate(db)
        async with db.writing() as connection:
            for search, handle in (("angs", "bern"), ("bem", "bem"), ("ana", "ana")):
                ((_, user),) = await users.search(connection, search, after=None, limit=2)
                assert user.handle == handle
            found = await users.search(connection, "many", after=None, limit=2000)
            assert len({user.id for _, user in found}) == 1500
            # Of two that look alike, the first has the claim.
            with pytest.raises(HandleTaken):
                await handles.claim(connection, rows[1]["id"], "bem", NOW)
        await migrations.revert(db, "0007")
        async with db.reading() as connection:
            query = sa.select(table.c.display_name_folded).order_by(table.c.id)
            names = (await connection.execute(query)).scalars().all()
        assert names == [row["display_name_folded"] for row in folded]
    finally:
        await db.close()


def _many(count):
    return [(f"p{number}", f"{number} Many") for number in range(count)]


async def test_what_was_said_before_there_was_a_search_is_found(database_url):
    db = Database(database_url)
    ana, chat_id = new_key(), new_key()
    said = ["The first bicycle", "", "Велосипеды", "The last bicycles"]
    try:
        await migrations.migrate(db, "0018")
        async with db.writing() as connection:
            await connection.execute(
                sa.text(
                    "INSERT INTO users (id, handle, display_name, created_at) "
                    "VALUES (:id, 'ana', 'Ana', :now)"
                ).bindparams(
                    sa.bindparam("id", type_=sa.Uuid), sa.bindparam("now", type_=UtcDateTime)
                ),
                {"id": ana, "now": NOW},
            )
            await connection.execute(
                chats.insert().values(
                    id=chat_id, kind="group", created_by=ana, created_at=NOW, last_activity_at=NOW
                )
            )
            stay = Member(new_key(), chat_id, ana, "owner", NOW, 1, 1, None, 0, 0)
            await members.add(connection, [stay])
            await connection.execute(
                messages.insert(),
                [
                    {
                        "chat_id": chat_id,
                        "seq": number,
                        "sender_id": ana,
                        "text": text,
                        "client_message_id": new_key(),
                        "content_hash": b"",
                        "created_at": NOW,
                        "deleted_at": None if text else NOW,
                    }
                    for number, text in enumerate(said, 1)
                ],
            )
        await migrations.migrate(db)
        terms = Terms()
        async with db.reading() as connection:
            for query, found in (("bicycle", [4, 1]), ("велосипед", [3]), ("nothing", [])):
                hits = await search.find(
                    connection,
                    ana,
                    parse(query, terms),
                    search.Wanted(),
                    now=NOW,
                    before=None,
                    limit=9,
                )
                assert [hit.message.seq for hit in hits] == found
    finally:
        await db.close()
