"""Several processes on one SQLite file, without a bus between them."""

import asyncio

import pytest
import structlog.testing

from realtime import file_watch
from realtime.file_watch import FileWatch
from realtime.tasks import end
from tests.parts.people import PATIENCE, Person
from tests.parts.running import running


@pytest.fixture
def no_polling(monkeypatch):
    """Tailers that read when the doorbell rings, and never by themselves."""
    monkeypatch.setattr("realtime.tailer.POLL_INTERVAL", 1e6)


async def test_a_message_sent_through_one_arrives_at_a_subscriber_of_the_other(
    migrated_sqlite_url, no_polling
):
    async with running(migrated_sqlite_url) as one, running(migrated_sqlite_url) as other:
        ana, ben = await one.registered("ana"), await other.registered("ben")
        async with ben.listening() as at_ben:
            chat_id = await ana.group("Across", ben)
            assert (await at_ben.next())["__typename"] == "ChatCreated"
            for number in range(5):
                await ana.send(chat_id, str(number))
                assert (await at_ben.next())["message"]["text"] == str(number)


async def test_what_a_process_of_its_own_writes_arrives(migrated_sqlite_url, no_polling, hubbub):
    there = hubbub("api", HUBBUB_DATABASE_URL=migrated_sqlite_url)
    async with running(migrated_sqlite_url) as here:
        ana, ben = await here.registered("ana"), Person(there.url)
        await ben.register("ben")
        async with ana.listening() as at_ana:
            chat_id = await ben.group("Across", ana)
            assert (await at_ana.next())["__typename"] == "ChatCreated"
            await ben.send(chat_id, "Hello from over there")
            assert (await at_ana.next())["message"]["text"] == "Hello from over there"
        await ben.close()


async def test_a_file_that_could_not_be_read_is_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(file_watch, "OPEN_AGAIN_AFTER", 0.01)
    file, rung = tmp_path / "not" / "there.db", asyncio.Event()
    watching = asyncio.create_task(FileWatch(str(file), rung.set).run())
    with structlog.testing.capture_logs() as told:
        async with asyncio.timeout(PATIENCE):
            while not told:  # noqa: ASYNC110 - watched from outside, as an operator would
                await asyncio.sleep(0.01)
    assert not rung.is_set()
    file.parent.mkdir()
    async with asyncio.timeout(PATIENCE):
        await rung.wait()
    await end([watching])
