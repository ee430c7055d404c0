"""The end of an account: the waiting time, what is erased, and what others see afterwards."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from models import own_data, verified_emails
from models.audit import audit_log
from models.base import metadata
from models.bots import bots
from models.deletions import account_deletions
from models.exports import export_chunks, exports
from models.handles import handles
from models.members import members
from models.messages import messages
from models.reactions import reactions
from models.sessions import sessions
from models.settings import settings
from models.tickets import tickets
from models.users import users
from resolvers import erasing, exporting
from resolvers.services import utc_now
from server import worker
from server.app import open_services
from tests.parts.issuer import AUDIENCE
from tests.parts.people import PASSWORD, until_subscribed
from tests.parts.roles import administrator
from tests.parts.running import running
from tests.resolvers.test_exports import REQUEST, change, count, points_to_a_person

DUE = "{ viewer { deletionDueAt } }"
CANCEL = "mutation { cancelAccountDeletion { errors { code } } }"


async def asked(person):
    return await person.done("deleteAccount", "deletionDueAt", handle=person.handle)


async def erased(server, person):
    """Delete an account, to the end."""
    await asked(person)
    await time_passes(server)
    await worker.erase_accounts(server.program.services, server.settings)
    assert await count(server, account_deletions) == 0


async def time_passes(server):
    await change(server, account_deletions, due_at=utc_now())


async def row_of(server, person):
    """Return the row of the account that used to be a person's."""
    async with server.program.services.db.reading() as connection:
        (row,) = (
            await connection.execute(sa.select(users).where(users.c.deleted_at.is_not(None)))
        ).all()
    return row


async def acts(server):
    async with server.program.services.db.reading() as connection:
        return (await connection.execute(sa.select(audit_log.c.act))).scalars().all()


# --- the waiting time -----------------------------------------------------------------------------


async def test_asking_ends_every_session_and_nothing_else_for_now(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    phone = server.person()
    await phone.log_in("ana")
    async with phone.listening() as socket:
        payload = await asked(ana)
        assert (await socket.closed())[0] == 4403
    due_at = datetime.fromisoformat(payload["deletionDueAt"])
    assert timedelta(days=13) < due_at - utc_now() < timedelta(days=14)
    for device in (ana, phone):
        answer = await device.run("{ viewer { email } }")
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await worker.erase_accounts(server.program.services, server.settings)
    assert (await bob.ask('{ user(handle: "ana") { displayName } }'))["user"] == {
        "displayName": "Ana"
    }
    again = server.person()
    await again.log_in("ana")
    shown = (await again.ask(DUE))["viewer"]["deletionDueAt"]
    assert shown == payload["deletionDueAt"]
    assert "deletion_requested" in await acts(server)


async def test_over_a_socket_the_answer_comes_before_the_end(server):
    ana = await server.registered("ana")
    async with ana.socket() as socket:
        mutation = 'mutation { deleteAccount(input: {handle: "ana"}) { deletionDueAt } }'
        await socket.subscribe("end", mutation)
        assert (await socket.next("end"))["deletionDueAt"] is not None
        assert (await socket.closed())[0] == 4403


async def test_whoever_logs_in_again_in_time_may_keep_the_account(server):
    ana = await server.registered("ana")
    await asked(ana)
    await ana.log_in("ana")
    assert (await ana.ask(CANCEL))["cancelAccountDeletion"] == {"errors": []}
    assert (await ana.ask(DUE))["viewer"] == {"deletionDueAt": None}
    await worker.erase_accounts(server.program.services, server.settings)
    assert (await ana.ask(DUE))["viewer"] == {"deletionDueAt": None}
    assert "deletion_cancelled" in await acts(server)
    payload = (await ana.ask(CANCEL))["cancelAccountDeletion"]
    assert payload == {"errors": [{"code": "NOT_FOUND"}]}


async def test_logging_in_alone_cancels_nothing(server):
    ana = await server.registered("ana")
    await asked(ana)
    await ana.log_in("ana")
    await time_passes(server)
    await worker.erase_accounts(server.program.services, server.settings)
    refused = {"handle": "ana", "password": PASSWORD}
    assert await ana.refused("logIn", "session { id }", **refused) == "BAD_CREDENTIALS"


async def test_what_has_begun_cannot_be_cancelled(server, monkeypatch):
    ana = await server.registered("ana")
    await asked(ana)
    await ana.log_in("ana")
    await change(server, account_deletions, begun_at=utc_now())
    payload = (await ana.ask(CANCEL))["cancelAccountDeletion"]
    assert payload == {"errors": [{"code": "NOT_FOUND"}]}


async def test_asking_twice_is_refused_and_puts_nothing_off(server):
    ana = await server.registered("ana")
    due_at = (await asked(ana))["deletionDueAt"]
    await ana.log_in("ana")
    assert await ana.refused("deleteAccount", "deletionDueAt", handle="ana") == "CONFLICT"
    assert (await ana.ask(DUE))["viewer"] == {"deletionDueAt": due_at}


@pytest.mark.parametrize("handle", ["", "bob", "ana\x00", "an"])
async def test_another_handle_deletes_nothing(server, handle):
    ana = await server.registered("ana")
    payload = await ana.do("deleteAccount", "deletionDueAt", handle=handle)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["handle"])
    assert (await ana.ask(DUE))["viewer"] == {"deletionDueAt": None}


async def test_the_last_administrator_makes_another_one_before_going(server):
    root, other = await administrator(server), await administrator(server, "other")
    given = {"handle": "root"}
    await other.done("deleteAccount", "", handle="other")
    assert await root.refused("deleteAccount", "", **given) == "CONFLICT"
    assert await root.refused("adminRevokeAdministrator", "", userId=root.user_id) == "CONFLICT"
    ana = await server.registered("ana")
    await root.done("adminGrantAdministrator", "", userId=ana.user_id)
    await root.done("deleteAccount", "", **given)


async def test_two_administrators_who_go_at_once_do_not_both(server):
    people = [await administrator(server), await administrator(server, "other")]
    asked_ = [person.do("deleteAccount", "", handle=person.handle) for person in people]
    payloads = await asyncio.gather(*asked_)
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["CONFLICT"]


async def test_deleting_takes_somebody_who_has_just_proved_who_they_are(server):
    ana = await server.registered("ana")
    await change(server, sessions, confirmed_at=utc_now() - timedelta(minutes=16))
    answer = await ana.run('mutation { deleteAccount(input: {handle: "ana"}) { errors { code } } }')
    assert answer["errors"][0]["extensions"]["code"] == "CONFIRMATION_REQUIRED"
    assert (await ana.ask(DUE))["viewer"] == {"deletionDueAt": None}


@pytest.mark.parametrize("kind", ["guest", "bot"])
async def test_guests_and_bots_do_not_delete_themselves(server, kind):
    ana = await server.registered("ana")
    await change(server, users, kind=kind)
    await ana.log_in("ana")
    for mutation in ('deleteAccount(input: {handle: "ana"})', "cancelAccountDeletion"):
        answer = await ana.run(f"mutation {{ {mutation} {{ errors {{ code }} }} }}")
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


# --- what is erased -------------------------------------------------------------------------------


async def lively(server):
    """Return Ana with something in every table that names her, and Bob."""
    ana = server.person()
    await ana.register("ana", email="ana@example.org", displayName="Ana Ruiz")
    bob = await server.registered("bob")
    chat_id = await ana.group("Plans", bob)
    sent = await ana.send(chat_id, "hello")
    await bob.send(chat_id, "hello yourself")
    await bob.done("markRead", "errors { code }", chatId=chat_id, seq=1)
    await ana.done(
        "addReaction", "message { id }", messageId=sent["id"], emoji="\N{SLICE OF PIZZA}"
    )
    await ana.done("updateProfile", "errors { code }", bio="Ana speaking", timeZone="Europe/Berlin")
    await ana.done("updateSettings", "errors { code }", whoMayCall="NOBODY")
    await prove_address(server, "ana", "ana@example.org")
    await ana.ask(REQUEST)
    await exporting.make_next(server.program.services)
    return ana, bob, chat_id


async def prove_address(server, handle, address):
    """Let somebody have proven their address, as with a mailed code."""
    async with server.program.services.db.writing() as connection:
        user_id = await id_of(connection, handle)
        now = utc_now()
        await verified_emails.prove(connection, user_id, address=address, key=address, now=now)


async def id_of(connection, handle):
    found = await connection.execute(sa.select(users.c.id).where(users.c.handle == handle))
    return found.scalar_one()


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
    assert await count(server, settings) == 0
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
    assert [await count(server, table) for table in (messages, reactions, members)] == before
    seen = await bob.ask(
        "query($id: ID!) { chat(id: $id) { messages(first: 9) { nodes { text } } } }", id=chat_id
    )
    texts = [message["text"] for message in seen["chat"]["messages"]["nodes"]]
    assert texts == ["hello", "hello yourself"]
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


# --- what others see ------------------------------------------------------------------------------


async def test_others_hear_that_they_left_and_who_owns_the_group_now(server):
    ana, bob, chat_id = await lively(server)
    async with bob.listening(chat_id) as socket:
        await erased(server, ana)
        promoted = await socket.next()
        assert promoted["__typename"] == "MemberRoleChanged"
        assert promoted["membership"] == {"user": {"handle": "bob"}, "role": "OWNER"}
        assert (await socket.next())["__typename"] == "MemberLeft"
        sent = await bob.send(chat_id, "anybody there?")
        assert (await socket.next())["message"]["id"] == sent["id"]
    seen = await bob.ask(
        "query($id: ID!) { chat(id: $id) { memberCount members { nodes { user { handle } } } } }",
        id=chat_id,
    )
    assert seen["chat"]["memberCount"] == 1
    assert [each["user"]["handle"] for each in seen["chat"]["members"]["nodes"]] == ["bob"]


async def test_their_messages_stay_and_are_nobodys(server):
    ana, bob, chat_id = await lively(server)
    await erased(server, ana)
    query = """query($id: ID!) { chat(id: $id) { messages(first: 9) { nodes {
        text sender { handle } reactions { emoji count } } } } }"""
    first, second = (await bob.ask(query, id=chat_id))["chat"]["messages"]["nodes"]
    assert (first["text"], first["sender"]) == ("hello", None)
    assert first["reactions"] == [{"emoji": "\N{SLICE OF PIZZA}", "count": 1}]
    assert second["sender"] == {"handle": "bob"}


async def test_what_happens_to_their_messages_later_is_told_without_them(server):
    ana, bob, chat_id = await lively(server)
    carol = await server.registered("carol")
    await ana.done("addMembers", "errors { code }", chatId=chat_id, userIds=[carol.user_id])
    sent = await ana.send(chat_id, "the last word")
    await erased(server, ana)
    query = """subscription { events { __typename
        ... on ReactionsChanged { message { text sender { handle } } } } }"""
    async with bob.socket() as one, carol.socket() as other:
        for socket in (one, other):
            await socket.subscribe("events", query)
        await until_subscribed(server.url, 2)
        await bob.done(
            "addReaction", "message { id }", messageId=sent["id"], emoji="\N{WAVING HAND SIGN}"
        )
        for socket in (one, other):
            heard = await socket.next()
            assert heard["message"] == {"text": "the last word", "sender": None}


async def test_a_direct_chat_stays_with_the_other_person(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    started = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bob.user_id])
    chat_id = started["chat"]["id"]
    await ana.send(chat_id, "just between us")
    async with bob.listening(chat_id) as socket:
        await erased(server, ana)
        assert (await socket.next())["__typename"] == "MemberLeft"
    seen = await bob.ask(
        "query($id: ID!) { chat(id: $id) { kind memberCount lastMessage { text sender { id } } } }",
        id=chat_id,
    )
    assert seen["chat"] == {
        "kind": "DIRECT",
        "memberCount": 1,
        "lastMessage": {"text": "just between us", "sender": None},
    }


async def test_who_comes_back_hears_of_what_a_deleted_account_did(server):
    ana, bob, chat_id = await lively(server)
    cursor = (await bob.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    await ana.send(chat_id, "one more")
    await erased(server, ana)
    async with bob.socket() as socket:
        await socket.subscribe(
            "events",
            """subscription($after: Cursor) { events(after: $after) {
                __typename actor { handle displayName }
                ... on MessageSent { message { text sender { handle } } }
                ... on MemberLeft { membership { user { displayName } } }
            } }""",
            after=cursor,
        )
        sent = await socket.next()
        assert sent["message"] == {"text": "one more", "sender": None}
        assert sent["actor"]["displayName"] == "Deleted account"
        assert (await socket.next())["__typename"] == "MemberRoleChanged"
        left = await socket.next()
        assert left["membership"] == {"user": {"displayName": "Deleted account"}}


async def test_nobody_finds_them_or_starts_anything_with_them(server):
    ana, bob, chat_id = await lively(server)
    await erased(server, ana)
    row = await row_of(server, ana)
    for handle in ("ana", row.handle):
        assert (await bob.ask(f'{{ user(handle: "{handle}") {{ id }} }}'))["user"] is None
    for search in ("ana", "deleted"):
        found = await bob.ask(f'{{ users(search: "{search}") {{ nodes {{ id }} }} }}')
        assert found["users"]["nodes"] == []
    assert (await bob.ask("query($id: ID!) { node(id: $id) { id } }", id=ana.user_id))[
        "node"
    ] is None
    adding = {"chatId": chat_id, "userIds": [ana.user_id]}
    assert await bob.refused("addMembers", "errors { code }", **adding) == "NOT_FOUND"
    for kind in ("DIRECT", "GROUP"):
        starting = {"kind": kind, "memberIds": [ana.user_id]}
        if kind == "GROUP":
            starting["title"] = "Again"
        assert await bob.refused("createChat", "chat { id }", **starting) == "NOT_FOUND"


async def test_nobody_gets_their_handle(server):
    ana = await server.registered("ana")
    await erased(server, ana)
    register = {"handle": "ana", "password": PASSWORD, "displayName": "Another"}
    code = await server.person().refused("register", "session { id }", **register)
    assert code == "HANDLE_TAKEN"
    async with server.program.services.db.reading() as connection:
        kept = sa.select(handles.c.hash).where(handles.c.user_id.is_(None))
        (hash_,) = (await connection.execute(kept)).scalars().all()
    assert b"ana" not in bytes(hash_)


async def test_tokens_of_before_open_nothing(server):
    ana = await server.registered("ana")
    token, refresh_token = ana.token, ana.refresh_token
    await erased(server, ana)
    ana.token = token
    answer = await ana.run("{ viewer { email } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    code = await ana.refused("refreshSession", "accessToken", refreshToken=refresh_token)
    assert code == "UNAUTHENTICATED"


async def test_who_comes_from_an_issuer_comes_back_as_somebody_new(migrated_database_url, issuer):
    async with running(
        migrated_database_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE
    ) as server:

        async def arrive(**claims):
            person = server.person()
            now = int(utc_now().timestamp())
            person.token = issuer.sign("ana-1", preferred_username="ana", auth_time=now, **claims)
            user = (await person.ask("{ viewer { user { id handle } } }"))["viewer"]["user"]
            person.user_id, person.handle = user["id"], user["handle"]
            return person

        ana = await arrive(sid="1")
        await asked(ana)
        again = await arrive(sid="2")
        assert again.user_id == ana.user_id  # in the waiting time
        await time_passes(server)
        await worker.erase_accounts(server.program.services, server.settings)
        anew = await arrive(sid="3")
        assert anew.user_id != ana.user_id
        assert anew.handle == "ana_2"
