"""What is erased with an account, whatever happens meanwhile, and what is not."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import own_data
from models.base import metadata
from models.bots import bots
from models.deletions import account_deletions
from models.exports import export_chunks, exports
from models.members import members
from models.messages import messages
from models.reactions import reactions
from models.sessions import sessions
from models.tickets import tickets
from models.users import users
from resolvers import erasing
from resolvers.services import utc_now
from server import worker
from server.app import open_services
from tests.parts.endings import (
    acts,
    asked,
    change,
    count,
    erased,
    id_of,
    lively,
    prove_address,
    row_of,
    time_passes,
)
from tests.parts.people import PASSWORD
from tests.parts.running import running
from tests.resolvers.test_exports import points_to_a_person


async def named_in(server, user_id):
    """Return the columns that name somebody."""
    async with server.program.services.db.reading() as connection:
        return {
            str(column)
            for table in metadata.tables.values()
            for column in table.columns
            if points_to_a_person(column)
            and (await connection.execute(sa.select(table).where(column == user_id))).first()
        }


async def test_nothing_is_left_that_tells_who_it_was(server):
    ana, _, _ = await lively(server)
    assert await count(server, export_chunks) > 0
    await erased(server, ana)
    row = await row_of(server, ana)
    assert row.display_name == "Deleted account"
    assert row.handle.startswith("deleted_")
    known = {"id", "handle", "display_name", "kind", "created_at"}
    for name, value in row._mapping.items():
        if name not in known | {"deleted_at"}:
            assert value in (None, False), name
    assert await count(server, exports) == await count(server, export_chunks) == 0
    async with server.program.services.db.reading() as connection:
        for table in metadata.tables.values():
            for stored in (await connection.execute(sa.select(table))).all():
                told = repr(stored).lower()
                assert "ana" not in told.replace("pizza", ""), table.name
    assert "account_erased" in await acts(server)


async def test_nothing_names_the_account_any_more_but_what_is_kept_for_a_reason(server):
    ana, _, _ = await lively(server)
    async with server.program.services.db.reading() as connection:
        user_id = await id_of(connection, "ana")
    own = await named_in(server, user_id) - own_data.KEPT.keys()
    assert own > {"settings.user_id", "user_words.user_id", "verified_emails.user_id"}
    await erased(server, ana)
    left = await named_in(server, user_id) - own_data.KEPT.keys()
    assert left == {"users.id", "members.user_id"}


async def test_whose_address_it_was_may_prove_it_for_another_account(server):
    ana, _, _ = await lively(server)
    await erased(server, ana)
    await server.registered("anna")
    await prove_address(server, "anna", "ana@example.org")


async def test_mailed_codes_of_an_erased_account_are_void(posting):
    server = posting.server
    ana = server.person()
    await ana.register("ana", email="ana@example.org")
    first = (await posting.letter("ana@example.org")).token
    await ana.done("verifyEmail", "email", token=first)
    await ana.done("changeEmail", "errors { code }", newEmail="new@example.org")
    second = (await posting.letter("new@example.org")).token
    await erased(server, ana)
    code = await server.person().refused("verifyEmail", "email", token=second)
    assert code == "INVALID_TOKEN"
    assert await count(server, tickets) == 0


def test_every_column_that_names_a_person_is_erased_or_said_why_not():
    """A new table fails here: add it to `own_data.ERASED`, or to `KEPT` with a reason."""
    naming = {
        str(column)
        for table in metadata.tables.values()
        for column in table.columns
        if points_to_a_person(column)
    }
    erased_by = {owner for eraser in erasing.ERASERS for owner in eraser.owners} | erasing.LAST
    assert naming == erased_by | own_data.KEPT.keys()
    assert not erased_by & own_data.KEPT.keys()


async def test_what_is_anybody_elses_stays(server):
    ana, bob, chat_id = await lively(server)
    before = [await count(server, table) for table in (messages, reactions, members)]
    await erased(server, ana)
    before[0] += 1  # that they left
    assert [await count(server, table) for table in (messages, reactions, members)] == before
    seen = await bob.ask(
        "query($id: ID!) { chat(id: $id) { messages(first: 9) { nodes { text } } } }", id=chat_id
    )
    texts = [message["text"] for message in seen["chat"]["messages"]["nodes"]]
    assert texts == ["hello", "hello yourself", ""]
    assert len((await bob.ask("{ viewer { sessions { id } } }"))["viewer"]["sessions"]) == 1


async def test_their_bots_go_with_them(server):
    ana = await server.registered("ana")
    for handle in ("helper", "retired_helper"):
        made = await ana.done(
            "createBot",
            "bot { user { id } }",
            handle=handle,
            displayName="Ana's bot",
            scopes=["CHATS_READ"],
        )
    await ana.done("deleteBot", "errors { code }", botId=made["bot"]["user"]["id"])
    await erased(server, ana)
    async with server.program.services.db.reading() as connection:
        rows = (await connection.execute(sa.select(users))).all()
    assert len(rows) == 3
    assert {row.display_name for row in rows} == {"Deleted account"}
    assert all(row.handle.startswith("deleted_") for row in rows)
    assert await count(server, bots) == 0


async def test_an_eraser_that_fails_is_gone_on_with_later(server, monkeypatch):
    ana, _, _ = await lively(server)
    await asked(ana)
    await time_passes(server)
    services = server.program.services
    for place in range(len(erasing.ERASERS)):

        async def broken(*_):
            raise RuntimeError("on purpose")

        with monkeypatch.context() as patched:
            erasers = list(erasing.ERASERS)
            erasers[place] = replace(erasers[place], erase=broken)
            patched.setattr(erasing, "ERASERS", erasers)
            with pytest.raises(RuntimeError):
                await erasing.erase_next(services)
        # Closed from the first step on, whatever else is still to go.
        refused = {"handle": "ana", "password": PASSWORD}
        code = await server.person().refused("logIn", "session { id }", **refused)
        assert code == "BAD_CREDENTIALS"
        assert not await erasing.erase_next(services)  # claimed
        await change(server, account_deletions, claimed_until=utc_now() - timedelta(seconds=1))
    await worker.erase_accounts(services, server.settings)
    assert (await row_of(server, ana)).display_name == "Deleted account"
    assert await count(server, account_deletions) == 0


async def test_rows_are_deleted_a_few_at_a_time(server, monkeypatch):
    monkeypatch.setattr(erasing, "BATCH", 2)
    ana = await server.registered("ana")
    for _ in range(4):
        await server.person().log_in("ana")
    await erased(server, ana)
    assert await count(server, sessions) == 0


async def test_two_workers_erase_an_account_once(server):
    import asyncio

    ana, _, _ = await lively(server)
    await asked(ana)
    await time_passes(server)
    services = server.program.services
    turns = await asyncio.gather(*(erasing.erase_next(services) for _ in range(4)))
    assert turns.count(True) == 1
    assert (await acts(server)).count("account_erased") == 1


async def test_a_worker_in_a_process_of_its_own_erases_and_others_hear_of_it(server):
    ana, bob, chat_id = await lively(server)
    await asked(ana)
    await ana.log_in("ana")
    await time_passes(server)
    async with bob.listening(chat_id) as heard, ana.socket() as socket:
        async with open_services(server.settings) as alone:
            await worker.erase_accounts(alone, server.settings)
        assert (await heard.next())["__typename"] == "MemberRoleChanged"
        assert (await heard.next())["__typename"] == "MemberLeft"
        assert (await socket.closed())[0] == 4403


async def test_without_a_waiting_time_the_worker_erases_at_once(migrated_sqlite_url):
    async with running(migrated_sqlite_url, deletion_days=0) as server:
        ana = await server.registered("ana")
        await asked(ana)
        await worker.erase_accounts(server.program.services, server.settings)
        assert (await row_of(server, ana)).display_name == "Deleted account"
