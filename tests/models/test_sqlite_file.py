"""The SQLite file: whom it can be read by, and what is left of a statement that was cancelled."""

import asyncio
import contextlib
import os
import stat

import pytest
import sqlalchemy as sa

from models.database import Database
from tests.parts.hubbub import StartHubbub

SLOW = sa.text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000) "
    "SELECT count(*) FROM n"
)


def rights(path):
    return {each.name: stat.S_IMODE(each.stat().st_mode) for each in (path, *path.iterdir())}


def test_what_a_server_makes_is_its_owners_alone(hubbub: StartHubbub, tmp_path):
    before = os.umask(0o022)
    try:
        hubbub("serve")
    finally:
        os.umask(before)
    found = rights(tmp_path / "data")
    assert found.pop("data") == 0o700
    assert {"hubbub.db", "hubbub.db-wal", "hubbub.db-shm", "secret_key"} <= found.keys()
    assert set(found.values()) == {0o600}


async def test_rights_that_somebody_gave_stay_as_they_are(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    path = folder / "hubbub.db"
    path.touch()
    path.chmod(0o640)
    db = Database(f"sqlite:///{path}")
    try:
        await db.ping()
        assert set(rights(folder).values()) == {0o755, 0o640}
    finally:
        await db.close()


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_statement_that_is_cancelled_again_and_again_leaves_no_task_behind(tmp_path, times):
    db = Database(f"sqlite:///{tmp_path / 'hubbub.db'}")
    running = asyncio.Event()

    @sa.event.listens_for(db.engine.sync_engine, "before_cursor_execute")
    def note(connection, cursor, statement, *_):
        if statement == SLOW.text:
            running.set()

    async def ask():
        async with db.reading() as connection:
            await connection.execute(SLOW)

    asking = asyncio.create_task(ask())
    await running.wait()
    for _ in range(times):
        asking.cancel()
        for _ in range(10):  # each gets as far as it can while the statement runs
            await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        _, pending = await asyncio.wait(others, timeout=10)
        assert not pending
    await db.ping()
    await db.close()
