"""Migrations run up and down, on both databases, and lead to what the models say."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from models.base import metadata
from models.database import Database
from server import migrations


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
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    try:
        async with db.reading() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await db.close()


async def test_two_nodes_that_migrate_at_once_do_not_get_in_each_others_way(database_url):
    import asyncio

    nodes = [Database(database_url), Database(database_url)]
    try:
        await asyncio.gather(*(migrations.migrate(db) for db in nodes))
        assert await migrations.current(nodes[0]) == migrations.newest()
    finally:
        for db in nodes:
            await db.close()
