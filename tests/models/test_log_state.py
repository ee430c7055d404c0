"""What is written so that a place in the log stays true."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from models import log_state
from models.database import Database
from tests.parts.people import PATIENCE

WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
async def nodes(migrated_postgresql_url):
    made = [Database(migrated_postgresql_url) for _ in range(3)]
    yield made
    for db in made:
        await db.close()


async def test_nodes_that_settle_in_the_same_moment_wait_for_each_other(nodes):
    one, other, watching = nodes

    async def settle(connection):
        await log_state.present(connection)
        await connection.commit()
        await log_state.touch(connection)
        await connection.commit()
        return "settled"

    async with one.writing() as connection:
        await log_state.touch(connection)
        settling = asyncio.create_task(other.read_whole(settle))
        async with watching.reading() as watcher, asyncio.timeout(PATIENCE):
            while not (await watcher.execute(WAITING)).scalar_one():
                await watcher.commit()
    assert await settling == "settled"
