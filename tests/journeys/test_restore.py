"""A restored backup: nobody resumes into a log that tells another story."""

import shutil
from pathlib import Path

import pytest

from tests.journeys.test_resume import cursor_of, hear, texts
from tests.parts.databases import FILE
from tests.parts.hubbub import run_hubbub
from tests.parts.running import running


@pytest.fixture
def back_up(request, migrated_database_url, tmp_path):
    """Copy the database, and return how to restore the copy, which gives the URL to use then."""
    url = migrated_database_url

    def on_sqlite():
        copy = shutil.copytree(tmp_path, tmp_path / "backup", ignore=only_the_database)

        def restore():
            for file in tmp_path.glob(f"{FILE}*"):
                file.unlink()
            for file in Path(copy).glob(f"{FILE}*"):
                shutil.copy(file, tmp_path)
            return url

        return restore

    def on_postgresql():
        # A copy in the same cluster, as a dump that is loaded into it again.
        postgres = request.getfixturevalue("postgres")
        copy = postgres.create(template=url.rpartition("/")[2])
        request.addfinalizer(lambda: postgres.drop(copy))
        return lambda: postgres.url(copy)

    return on_sqlite if url.startswith("sqlite") else on_postgresql


def only_the_database(_, names):
    return [name for name in names if not name.startswith(FILE)]


async def lived_on_after_a_backup(url, back_up):
    """Return a chat, Ben's cursor of a time after the backup, and how to restore that."""
    async with running(url) as server:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        chat_id = await ana.group("Talk", ben)
        await ana.send(chat_id, "in the backup")
    restore = back_up()
    async with running(url) as server:
        ana, ben = server.person(), server.person()
        await ana.log_in("ana")
        await ben.log_in("ben")
        for n in range(5):
            await ana.send(chat_id, f"lost {n}")
        return chat_id, await cursor_of(ben), restore


async def test_after_a_restore_and_a_reset_everybody_is_told_to_fetch_afresh(
    migrated_database_url, back_up, tmp_path
):
    chat_id, after, restore = await lived_on_after_a_backup(migrated_database_url, back_up)
    restored = restore()
    done = run_hubbub("log", "reset", directory=tmp_path, HUBBUB_DATABASE_URL=restored)
    assert "begins anew" in done.stdout
    async with running(restored) as server:
        ana, ben = server.person(), server.person()
        await ana.log_in("ana")
        await ben.log_in("ben")
        for n in range(8):  # the log has overtaken the cursor's place
            await ana.send(chat_id, f"new {n}")
        (event,) = await hear(ben, after, 1)
        assert (event["__typename"], event["reason"]) == ("ResyncRequired", "LOG_REPLACED")
        query = (
            "query($id: ID!) { chat(id: $id) { messages { nodes { text } } } viewer { cursor } }"
        )
        state = await ben.ask(query, id=chat_id)
        assert [each["text"] for each in state["chat"]["messages"]["nodes"]] == [
            "in the backup",
            *(f"new {n}" for n in range(8)),
        ]
        await ana.send(chat_id, "and on")
        assert texts(await hear(ben, state["viewer"]["cursor"], 1)) == ["and on"]


# On PostgreSQL a cluster's transaction numbers go on, whatever is loaded into it.
@pytest.mark.parametrize("migrated_database_url", ["sqlite"], indirect=True)
async def test_a_cursor_ahead_of_a_restored_log_asks_to_fetch_afresh_also_without_a_reset(
    migrated_database_url, back_up
):
    _, after, restore = await lived_on_after_a_backup(migrated_database_url, back_up)
    async with running(restore()) as server:
        ben = server.person()
        await ben.log_in("ben")
        (event,) = await hear(ben, after, 1)
        assert (event["__typename"], event["reason"]) == ("ResyncRequired", "LOG_REPLACED")


async def test_a_reset_leaves_what_is_not_the_log_as_it_is(migrated_database_url, tmp_path):
    async with running(migrated_database_url) as server:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        chat_id = await ana.group("Talk", ben)
        for n in range(3):
            await ana.send(chat_id, str(n))
        await ben.done("markRead", "chat { id }", chatId=chat_id, seq=2)
    run_hubbub("log", "reset", directory=tmp_path, HUBBUB_DATABASE_URL=migrated_database_url)
    async with running(migrated_database_url) as server:
        ana, ben = server.person(), server.person()
        await ana.log_in("ana")
        await ben.log_in("ben")
        query = "query($id: ID!) { chat(id: $id) { viewerMembership { unreadCount } } }"
        assert (await ben.ask(query, id=chat_id))["chat"]["viewerMembership"]["unreadCount"] == 1
        after = await cursor_of(ben)
        await ana.send(chat_id, "the fourth")
        (event,) = await hear(ben, after, 1)
        assert (event["seq"], event["message"]["seq"]) == (5, 4)
