"""The end of an account: the waiting time, and what others see afterwards."""

import asyncio
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from models.deletions import account_deletions
from models.handles import handles
from models.sessions import sessions
from models.users import users
from resolvers.services import utc_now
from server import worker
from tests.parts.endings import (
    acts,
    asked,
    change,
    erased,
    lively,
    row_of,
    time_passes,
)
from tests.parts.issuer import AUDIENCE
from tests.parts.people import PASSWORD, until_subscribed
from tests.parts.roles import administrator
from tests.parts.running import running

DUE = "{ viewer { deletionDueAt } }"
CANCEL = "mutation { cancelAccountDeletion { errors { code } } }"


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


# --- what others see ------------------------------------------------------------------------------


async def test_others_hear_that_they_left_and_who_owns_the_group_now(server):
    ana, bob, chat_id = await lively(server)
    async with bob.listening(chat_id) as socket:
        await erased(server, ana)
        promoted = await socket.next()
        assert promoted["__typename"] == "MemberRoleChanged"
        assert promoted["membership"] == {"user": {"handle": "bob"}, "role": "OWNER"}
        assert (await socket.next())["__typename"] == "MemberLeft"
        # What the history tells of it by itself.
        assert (await socket.next())["__typename"] == "MessageSent"
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
        kind text sender { handle } reactions { emoji count } } } } }"""
    first, second, left = (await bob.ask(query, id=chat_id))["chat"]["messages"]["nodes"]
    assert (first["text"], first["sender"]) == ("hello", None)
    assert first["reactions"] == [{"emoji": "\N{SLICE OF PIZZA}", "count": 1}]
    assert second["sender"] == {"handle": "bob"}
    assert (left["kind"], left["sender"]) == ("SYSTEM", None)


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
