"""What administrators do to accounts, and that nobody else does."""

import asyncio
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from models import sessions, users
from models import suspensions as suspension_rows
from models.base import new_key
from models.suspensions import suspensions
from realtime.session_watch import SessionWatch
from resolvers import administration
from schema.connections import encode_cursor
from schema.ids import Kind, decode
from tests.parts.people import PASSWORD
from tests.parts.roles import administrator, bot, code, guest, guest_link

NAMES = "{ __schema { types { name } queryType { fields { name } } } }"
ACCOUNT = "user { user { handle } suspendedAt isAdministrator }"
VIEWER = "{ viewer { user { handle } } }"
LISTED = """
query($search: String, $filter: AdminUserFilter, $first: Int, $after: String) {
  admin { users(search: $search, filter: $filter, first: $first, after: $after) {
    nodes { user { handle kind } email isAdministrator suspension { reason until }
            sessions { deviceName } }
    pageInfo { hasNextPage endCursor }
  } }
}
"""
LOG = """
query($filter: AuditFilter, $first: Int, $after: String) {
  admin { auditLog(filter: $filter, first: $first, after: $after) {
    nodes { act actor { handle } subject { handle } details { name value } }
    pageInfo { hasNextPage endCursor }
  } }
}
"""
MUTATIONS = {
    "adminSuspendUser": {"userId": "x", "reason": "x"},
    "adminReinstateUser": {"userId": "x"},
    "adminEndSessions": {"userId": "x"},
    "adminGrantAdministrator": {"userId": "x"},
    "adminRevokeAdministrator": {"userId": "x"},
    "adminSetSignUpPolicy": {"policy": "CLOSED"},
    "adminCreateInvitation": {},
    "adminRevokeInvitation": {"invitationId": "x"},
    "adminResolveReport": {"reportId": "x"},
}


def asked(mutation):
    type_ = mutation[0].upper() + mutation[1:]
    return (
        f"mutation($input: {type_}Input!) {{ {mutation}(input: $input) {{ errors {{ code }} }} }}"
    )


async def acts(admin, **filter_):
    data = await admin.ask(LOG, filter=filter_)
    return [entry["act"] for entry in data["admin"]["auditLog"]["nodes"]]


# --- who is none ---------------------------------------------------------------------------------


async def test_for_others_the_administrators_fields_do_not_exist(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Robots")
    gast = await guest(sqlite_server, (await guest_link(ana, chat_id))[1])
    beep = await bot(sqlite_server, ana, "beep")
    for person in (ana, gast, beep, sqlite_server.person()):
        told = await person.run(NAMES)
        assert "admin" not in str(told).lower().replace("chat admin", "")
        assert await code(person, "{ admin { openSockets } }") == "BAD_REQUEST"
        for mutation, input_ in MUTATIONS.items():
            assert await code(person, asked(mutation), input=input_) == "BAD_REQUEST"
        async with person.socket() as socket:
            await socket.subscribe("a", "{ admin { openSockets } }")
            answer = await socket.receive()
            assert answer["type"] == "error"
            assert answer["payload"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_an_administrator_confirms_who_they_are_before_each_dangerous_change(sqlite_server):
    root = await administrator(sqlite_server)
    async with sqlite_server.program.services.db.writing() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        await connection.execute(sessions.sessions.update().values(confirmed_at=long_ago))
    for mutation, input_ in MUTATIONS.items():
        assert await code(root, asked(mutation), input=input_) == "CONFIRMATION_REQUIRED"
    assert "admin" in (await root.ask(NAMES))["__schema"]["queryType"]["fields"][-1]["name"]


# --- suspending ----------------------------------------------------------------------------------


async def test_who_is_suspended_is_out_at_once_and_told_so_only_with_the_right_password(server):
    root, ana = await administrator(server), await server.registered("ana")
    async with ana.listening() as socket:
        payload = await root.done("adminSuspendUser", ACCOUNT, userId=ana.user_id, reason="spam")
        assert payload["user"]["suspendedAt"] is not None
        assert (await socket.closed())[0] == 4403
    assert await code(ana, VIEWER) == "UNAUTHENTICATED"
    refresh = await ana.refused("refreshSession", "", refreshToken=ana.refresh_token)
    assert refresh == "UNAUTHENTICATED"
    person = server.person()
    given = {"handle": "ana", "password": PASSWORD}
    assert await person.refused("logIn", "session { id }", **given) == "ACCOUNT_SUSPENDED"
    given["password"] = "wrong password"
    assert await person.refused("logIn", "session { id }", **given) == "BAD_CREDENTIALS"
    await root.done("adminReinstateUser", ACCOUNT, userId=ana.user_id)
    await ana.log_in("ana")
    await ana.ask(VIEWER)
    assert await root.refused("adminReinstateUser", "", userId=ana.user_id) == "CONFLICT"
    assert await acts(root, subjectId=ana.user_id) == [
        "USER_REINSTATED",
        "LOG_IN_FAILED",
        "LOG_IN_FAILED",
        "USER_SUSPENDED",
    ]


async def test_bots_are_suspended_with_their_owner_and_come_back_with_them(server, monkeypatch):
    async def looks_at_nothing(_):
        """So that sockets close because somebody says so, and not for being found later."""

    monkeypatch.setattr(SessionWatch, "check", looks_at_nothing)
    root, ana = await administrator(server), await server.registered("ana")
    beep = await bot(server, ana, "beep")
    bad = await bot(server, ana, "bad")
    await root.done("adminSuspendUser", ACCOUNT, userId=bad.user_id, reason="noise")
    assert await code(bad, VIEWER) == "UNAUTHENTICATED"
    async with beep.listening() as socket:
        await root.done("adminSuspendUser", ACCOUNT, userId=ana.user_id, reason="spam")
        assert (await socket.closed())[0] == 4403
    assert await code(beep, VIEWER) == "UNAUTHENTICATED"
    await root.done("adminReinstateUser", ACCOUNT, userId=ana.user_id)
    await beep.ask(VIEWER)
    assert await code(bad, VIEWER) == "UNAUTHENTICATED"
    await root.done("adminReinstateUser", ACCOUNT, userId=bad.user_id)
    await bad.ask(VIEWER)


async def test_sockets_of_a_suspended_account_close_also_when_nobody_says_so(server):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    async with beep.listening() as socket:
        async with server.program.services.db.writing() as connection:
            await connection.execute(users.users.update().values(suspended_at=datetime.now(UTC)))
        await server.program.services.node._session_watch.check()
        assert (await socket.closed())[0] == 4403


async def test_a_suspension_ends_when_it_was_to_end(server):
    root, ana = await administrator(server), await server.registered("ana")
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await root.done("adminSuspendUser", ACCOUNT, userId=ana.user_id, reason="spam", until=until)
    assert await administration.reinstate_due(server.program.services) == 0
    async with server.program.services.db.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(suspensions.update().values(until=past))
    assert await administration.reinstate_due(server.program.services) == 1
    assert await administration.reinstate_due(server.program.services) == 0
    await ana.log_in("ana")


async def test_who_is_suspended_anew_when_it_was_to_end_stays_out(postgres_world, monkeypatch):
    services = postgres_world.services
    root, ana = [await postgres_world.person(handle) for handle in ("rex", "ana")]
    async with services.db.writing() as connection:
        await users.make_administrator(connection, root.user_id, is_admin=True)
    given = {"user_id": ana.user_id, "reason": "spam"}
    now = datetime.now(UTC)
    await administration.suspend(services, root, **given, until=now + timedelta(days=1))
    async with services.db.writing() as connection:
        past = now - timedelta(seconds=1)
        await connection.execute(suspensions.update().values(until=past))
    over = suspension_rows.over

    async def found_and_suspended_anew(*asked_, **more):
        found = await over(*asked_, **more)
        await administration.suspend(services, root, **given, until=None)
        return found

    monkeypatch.setattr(suspension_rows, "over", found_and_suspended_anew)
    await administration.reinstate_due(services)
    async with services.db.reading() as connection:
        (row,) = (await users.by_ids(connection, [ana.user_id])).values()
    assert not row.may_sign_in


async def test_who_was_just_renaming_themselves_is_found_again_after_a_suspension(server):
    root, ana = await administrator(server), await server.registered("ana")
    await root.done("adminSuspendUser", ACCOUNT, userId=ana.user_id, reason="spam")
    async with server.program.services.db.writing() as connection:
        # As a request does that was let in before.
        (user,) = (await users.by_ids(connection, [decode(Kind.USER, ana.user_id)])).values()
        await users.change_profile(connection, replace(user, display_name="Maria"))
        assert await users.search(connection, "maria", after=None, limit=9) == []
    await root.done("adminReinstateUser", ACCOUNT, userId=ana.user_id)
    async with server.program.services.db.reading() as connection:
        ((_, found),) = await users.search(connection, "maria", after=None, limit=9)
    assert found.handle == "ana"


async def test_a_guest_can_be_suspended(server):
    root, ana = await administrator(server), await server.registered("ana")
    _, token = await guest_link(ana, await ana.group("Picnic"))
    gast = await guest(server, token)
    await root.done("adminSuspendUser", ACCOUNT, userId=gast.user_id, reason="noise")
    assert await code(gast, VIEWER) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("change", "refusal", "path"),
    [
        ({"reason": " "}, "INVALID_INPUT", ["reason"]),
        ({"reason": "x" * 501}, "TOO_LONG", ["reason"]),
        ({"until": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", ["until"]),
        ({"until": "2999-01-01T00:00:00"}, "INVALID_INPUT", ["until"]),
        ({"userId": "$self"}, "FORBIDDEN", ["userId"]),
        ({"userId": "dQAAAAAAAAAAAAAAAAAAAAA"}, "NOT_FOUND", ["userId"]),
        ({"userId": "x"}, "INVALID_ID", ["userId"]),
    ],
)
async def test_a_suspension_that_cannot_be_is_refused(sqlite_server, change, refusal, path):
    root, ana = await administrator(sqlite_server), await sqlite_server.registered("ana")
    if change.get("userId") == "$self":
        change = {"userId": root.user_id}
    given = {"userId": ana.user_id, "reason": "spam", **change}
    payload = await root.do("adminSuspendUser", ACCOUNT, **given)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (refusal, path)
    await ana.ask(VIEWER)
    await root.ask(VIEWER)


async def test_all_of_somebodys_sessions_end(server):
    root, ana = await administrator(server), await server.registered("ana")
    phone = server.person()
    await phone.log_in("ana")
    beep = await bot(server, ana, "beep")
    async with ana.listening() as laptop, phone.listening() as pocket:
        await root.done("adminEndSessions", ACCOUNT, userId=ana.user_id)
        assert (await laptop.closed())[0] == 4403
        assert (await pocket.closed())[0] == 4403
    await beep.ask(VIEWER)  # a bot's tokens are its own
    async with beep.listening() as socket:
        await root.done("adminEndSessions", ACCOUNT, userId=beep.user_id)
        assert (await socket.closed())[0] == 4403
    assert await code(beep, VIEWER) == "UNAUTHENTICATED"
    await ana.log_in("ana")
    data = await ana.ask("{ viewer { bots { tokens { name } } } }")
    assert data["viewer"]["bots"] == [{"tokens": []}]


# --- administrators ------------------------------------------------------------------------------


async def test_an_administrator_is_made_and_unmade(server):
    root, ana = await administrator(server), await server.registered("ana")
    payload = await root.done("adminGrantAdministrator", ACCOUNT, userId=ana.user_id)
    assert payload["user"]["isAdministrator"] is True
    assert await root.refused("adminGrantAdministrator", "", userId=ana.user_id) == "CONFLICT"
    await ana.log_in("ana")
    await ana.ask("{ admin { openSockets } }")
    async with ana.listening() as socket:
        await root.done("adminRevokeAdministrator", ACCOUNT, userId=ana.user_id)
        assert (await socket.closed())[0] == 4403
    await ana.log_in("ana")
    assert await code(ana, "{ admin { openSockets } }") == "BAD_REQUEST"
    assert await acts(root, subjectId=ana.user_id) == [
        "ADMINISTRATOR_REVOKED",
        "ADMINISTRATOR_GRANTED",
    ]


async def test_a_socket_that_an_administrator_opened_is_good_for_nothing_more_than_they_are(server):
    root, _ = await administrator(server), await administrator(server, "other")
    async with root.socket() as socket:
        await root.done("adminRevokeAdministrator", ACCOUNT, userId=root.user_id)
        for number, (operation, given) in enumerate(
            [
                ("{ admin { users { nodes { email } } } }", None),
                (asked("adminSetSignUpPolicy"), {"policy": "CLOSED"}),
                (asked("adminCreateInvitation"), {}),
            ]
        ):
            await socket.subscribe(str(number), operation, input=given)
            answer = (await socket.receive())["payload"]
            assert "FORBIDDEN" in str(answer), answer
            assert (await socket.receive())["type"] == "complete"
    assert (await root.ask("{ server { signUpPolicy } }"))["server"] == {"signUpPolicy": "OPEN"}


async def test_there_is_always_an_administrator_left(server):
    root = await administrator(server)
    assert await root.refused("adminRevokeAdministrator", "", userId=root.user_id) == "CONFLICT"
    other = await administrator(server, "other")
    answers = await asyncio.gather(
        *(
            person.run(asked("adminRevokeAdministrator"), input={"userId": victim.user_id})
            for person, victim in ((root, other), (other, root))
        )
    )
    left = await administration.administrators(server.program.services)
    assert len(left) == 1, answers


async def test_two_who_suspend_each_other_at_once_are_not_both_gone(server):
    root, other = await administrator(server), await administrator(server, "other")
    await asyncio.gather(
        *(
            person.run(asked("adminSuspendUser"), input={"userId": victim.user_id, "reason": "you"})
            for person, victim in ((root, other), (other, root))
        )
    )
    assert len(await administration.administrators(server.program.services)) == 1


async def test_guests_and_bots_are_no_administrators(server):
    root, ana = await administrator(server), await server.registered("ana")
    beep = await bot(server, ana, "beep")
    _, token = await guest_link(ana, await ana.group("Picnic"))
    gast = await guest(server, token)
    for account in (beep, gast):
        refused = await root.refused("adminGrantAdministrator", "", userId=account.user_id)
        assert refused == "FORBIDDEN"


# --- lists ---------------------------------------------------------------------------------------


async def test_accounts_are_listed_with_what_only_administrators_see(server):
    root = await administrator(server)
    ana = server.person()
    await ana.register("ana", email="Ana@example.org", deviceName="Laptop")
    bob = await server.registered("bob")
    await bot(server, bob, "beep")
    await root.done("adminSuspendUser", ACCOUNT, userId=bob.user_id, reason="spam")

    async def handles(**asked_):
        nodes = (await root.ask(LISTED, **asked_))["admin"]["users"]["nodes"]
        return [node["user"]["handle"] for node in nodes]

    assert await handles() == ["ana", "beep", "bob", "root"]
    assert await handles(search="b") == ["beep", "bob"]
    assert await handles(search="B") == ["beep", "bob"]
    assert await handles(search="ana@EXAMPLE.org") == ["ana"]
    assert await handles(search="%") == []
    assert await handles(filter={"kind": "BOT"}) == ["beep"]
    assert await handles(filter={"suspended": True}) == ["beep", "bob"]
    assert await handles(filter={"suspended": False, "kind": "PERSON"}) == ["ana", "root"]
    page = (await root.ask(LISTED, first=1))["admin"]["users"]
    assert page["nodes"] == [
        {
            "user": {"handle": "ana", "kind": "PERSON"},
            "email": "Ana@example.org",
            "isAdministrator": False,
            "suspension": None,
            "sessions": [{"deviceName": "Laptop"}],
        }
    ]
    after = page["pageInfo"]["endCursor"]
    assert page["pageInfo"]["hasNextPage"]
    assert await handles(after=after) == ["beep", "bob", "root"]
    assert await code(root, LISTED, after=encode_cursor("a\0")) == "INVALID_INPUT"
    (node,) = (await root.ask(LISTED, search="bob"))["admin"]["users"]["nodes"]
    assert node["suspension"] == {"reason": "spam", "until": None}
    assert node["sessions"] == []


async def test_of_very_many_sessions_the_last_ones_are_listed(server):
    root, ana = await administrator(server), await server.registered("ana")
    now = datetime.now(UTC)
    session = sessions.Session(
        id=new_key(),
        user_id=decode(Kind.USER, ana.user_id),
        device_name="Script",
        created_at=now,
        last_seen_at=now,
        expires_at=now + timedelta(days=1),
        revoked_at=None,
        confirmed_at=None,
    )
    async with server.program.services.db.writing() as connection:
        for number in range(sessions.SHOWN + 5):
            seen = now - timedelta(hours=1, seconds=number)
            another = replace(session, id=new_key(), last_seen_at=seen)
            await sessions.create(connection, another, secrets.token_bytes(32))
    mine = (await ana.ask("{ viewer { session { id } sessions { id } } }"))["viewer"]
    assert len(mine["sessions"]) == sessions.SHOWN
    assert mine["sessions"][0] == mine["session"]
    page = "{ admin { users { nodes { sessions { id } } } } }"
    hers, roots = (await root.ask(page))["admin"]["users"]["nodes"]
    assert hers["sessions"] == mine["sessions"][:20]
    assert len(roots["sessions"]) == 1


async def test_the_audit_log_is_read_newest_first_page_by_page(server):
    root, ana = await administrator(server), await server.registered("ana")
    await root.done("adminSuspendUser", ACCOUNT, userId=ana.user_id, reason="a secret")
    first = (await root.ask(LOG, first=2))["admin"]["auditLog"]
    assert [entry["act"] for entry in first["nodes"]] == ["USER_SUSPENDED", "REGISTERED"]
    assert first["nodes"][0] == {
        "act": "USER_SUSPENDED",
        "actor": {"handle": "root"},
        "subject": {"handle": "ana"},
        "details": [{"name": "until", "value": None}],
    }
    rest = await root.ask(LOG, after=first["pageInfo"]["endCursor"])
    assert [entry["act"] for entry in rest["admin"]["auditLog"]["nodes"]] == [
        "LOGGED_IN",
        "ADMINISTRATOR_CREATED",
    ]
    assert await acts(root, act="REGISTERED") == ["REGISTERED"]
    assert await acts(root, actorId=ana.user_id) == ["REGISTERED"]
    now = datetime.now(UTC)
    assert len(await acts(root, since=(now - timedelta(hours=1)).isoformat())) == 4
    assert await acts(root, until=(now - timedelta(hours=1)).isoformat()) == []
    assert "a secret" not in str(await root.ask(LOG))
    naive = await root.run(LOG, filter={"since": "2026-01-01T00:00:00"})
    assert naive["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
    assert await code(root, LOG, after="x") == "INVALID_INPUT"
    assert await code(root, LOG, first=0) == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("mutation", "field"),
    [("register", "isAdmin"), ("register", "kind"), ("joinAsGuest", "role"), ("logIn", "kind")],
)
async def test_nobody_makes_themselves_more_than_they_are(sqlite_server, mutation, field):
    given = {
        "register": {"handle": "eve", "password": PASSWORD, "displayName": "Eve"},
        "joinAsGuest": {"token": "x", "displayName": "Eve"},
        "logIn": {"handle": "eve", "password": PASSWORD},
    }[mutation]
    person = sqlite_server.person()
    assert await code(person, asked(mutation), input={**given, field: True}) == "BAD_REQUEST"
    assert await person.refused("logIn", "", handle="eve", password=PASSWORD) == "BAD_CREDENTIALS"
