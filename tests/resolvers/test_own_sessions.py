"""The list of one's own sessions, and ending them, over the network on both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import sessions as stored_sessions
from models.audit import Act, audit_log
from models.sessions import sessions
from resolvers.services import utc_now
from tests.parts.factors import ask, challenged, complete, enable_totp
from tests.parts.people import SIGNED_IN

SESSIONS = "{ viewer { sessions { id deviceName current address userAgent lastSeenAt } } }"
OTHERS = "mutation { revokeOtherSessions { sessionIds errors { code } } }"


async def another(server, handle, **more):
    """Log a person in once more; returns their client and the session's id."""
    person = server.person()
    payload = await person.log_in(handle, **more)
    return person, payload["session"]["id"]


async def code_of(person):
    """Return the code with which a person's token is refused, None if it is good."""
    errors = (await person.run("{ viewer { email } }")).get("errors")
    return errors[0]["extensions"]["code"] if errors else None


async def recorded(server, act):
    async with server.program.services.db.reading() as connection:
        rows = await connection.execute(sa.select(audit_log).where(audit_log.c.act == act.value))
        return list(rows)


async def test_the_list_says_what_tells_a_session_from_the_others(server):
    laptop = server.person()
    await laptop.post(
        {
            "query": "mutation($input: RegisterInput!) { register(input: $input) "
            "{ session { id } errors { code } } }",
            "variables": {
                "input": {"handle": "ana", "password": "correct horse battery", "displayName": "A"}
            },
        },
        **{"user-agent": "Lapwing/1.0"},
    )
    phone, phone_id = await another(server, "ana")
    listed = (await phone.ask(SESSIONS))["viewer"]["sessions"]
    assert [session["current"] for session in listed] == [True, False]
    assert listed[0]["id"] == phone_id
    assert [session["address"] for session in listed] == ["127.0.0.0/24"] * 2
    assert listed[0]["userAgent"].startswith("python-httpx")
    assert listed[1]["userAgent"] == "Lapwing/1.0"


async def test_a_session_that_was_just_opened_is_the_current_one(sqlite_server):
    payload = await sqlite_server.person().done(
        "register", "session { current }", handle="ana", password="a" * 12, displayName="Ana"
    )
    assert payload["session"]["current"] is True


async def test_each_device_is_told_of_a_new_session_as_it_is_for_that_device(server):
    laptop = await server.registered("ana")
    phone, _ = await another(server, "ana")
    query = """subscription { events { ... on SessionStarted {
        session { id current address userAgent } } } }"""
    async with laptop.listening() as ready, phone.listening():
        await ready.subscribe("sessions", query)
        # What is answered to a query is answered after what was subscribed to before.
        await ready.subscribe("ask", "{ server { name } }")
        while (await ready.receive())["type"] != "complete":
            pass
        _, id_ = await another(server, "ana")
        while (message := await ready.receive())["id"] != "sessions":
            pass
        told = message["payload"]["data"]["events"]["session"]
    assert (told["id"], told["current"], told["address"]) == (id_, False, "127.0.0.0/24")


async def test_a_session_that_is_revoked_ends_at_once_with_its_sockets_and_no_other(server):
    laptop = await server.registered("ana")
    phone, phone_id = await another(server, "ana")
    assert await code_of(phone) is None  # its session was looked at just now
    async with phone.listening() as socket, laptop.listening() as at_laptop:
        payload = await laptop.done("revokeSession", "sessionId", sessionId=phone_id)
        assert payload["sessionId"] == phone_id
        assert await socket.closed() == (4403, "The session has ended")
        assert await code_of(phone) == "UNAUTHENTICATED"
        code = await phone.refused(
            "refreshSession", "accessToken", refreshToken=phone.refresh_token
        )
        assert code == "UNAUTHENTICATED"
        assert (await at_laptop.next())["__typename"] == "SessionEnded"
    assert await code_of(laptop) is None
    assert [s["current"] for s in (await laptop.ask(SESSIONS))["viewer"]["sessions"]] == [True]


async def test_the_session_that_asks_may_end_itself_and_is_answered(server):
    ana = await server.registered("ana")
    (own,) = (await ana.ask(SESSIONS))["viewer"]["sessions"]
    await ana.done("revokeSession", "sessionId", sessionId=own["id"])
    assert await code_of(ana) == "UNAUTHENTICATED"


async def test_all_others_are_ended_at_once_without_a_password_asked(server):
    laptop = await server.registered("ana")
    ben = await server.registered("ben")
    others = [await another(server, "ana") for _ in range(3)]
    # However long ago the person proved to be who they are: who has lost a phone is in a hurry.
    async with server.program.services.db.writing() as connection:
        await connection.execute(sessions.update().values(confirmed_at=None))
    async with others[0][0].listening() as socket:
        payload = (await laptop.ask(OTHERS))["revokeOtherSessions"]
        assert sorted(payload["sessionIds"]) == sorted(id_ for _, id_ in others)
        assert (await socket.closed())[0] == 4403
    assert [await code_of(person) for person, _ in others] == ["UNAUTHENTICATED"] * 3
    assert await code_of(laptop) is None
    assert await code_of(ben) is None
    assert (await laptop.ask(OTHERS))["revokeOtherSessions"] == {"sessionIds": [], "errors": []}


@pytest.mark.parametrize("whose", ["another's", "ended", "expired", "nobody's"])
async def test_a_session_that_is_not_ones_own_and_live_is_not_found(server, whose):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    twin, id_ = await another(server, "ben" if whose == "another's" else "ana")
    if whose == "ended":
        await twin.ask("mutation { logOut { errors { code } } }")
    elif whose == "expired":
        async with server.program.services.db.writing() as connection:
            past = utc_now() - timedelta(seconds=1)
            newest = sa.select(sa.func.max(sessions.c.created_at)).scalar_subquery()
            await connection.execute(
                sessions.update().where(sessions.c.created_at == newest).values(expires_at=past)
            )
    elif whose == "nobody's":
        from models.base import new_key
        from schema.ids import Kind, encode

        id_ = encode(Kind.SESSION, new_key())
    payload = await ana.do("revokeSession", "sessionId", sessionId=id_)
    assert payload["sessionId"] is None
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [
        ("NOT_FOUND", ["sessionId"])
    ]
    assert await code_of(ben) is None
    assert (await code_of(twin) is None) == (whose in ("another's", "nobody's"))
    assert await recorded(server, Act.SESSION_REVOKED) == []


@pytest.mark.parametrize("id_", ["", "x", "dQAAAAAAAAAAAAAAAAAAAAAA"])
async def test_what_is_no_session_id_is_refused_as_that(sqlite_server, id_):
    ana = await sqlite_server.registered("ana")
    assert await ana.refused("revokeSession", "sessionId", sessionId=id_) == "INVALID_ID"


async def test_nobody_who_is_not_signed_in_ends_sessions(sqlite_server):
    ana = await sqlite_server.registered("ana")
    (own,) = (await ana.ask(SESSIONS))["viewer"]["sessions"]
    nobody = sqlite_server.person()
    for mutation in (
        OTHERS,
        f'mutation {{ revokeSession(input: {{sessionId: "{own["id"]}"}}) {{ sessionId }} }}',
    ):
        (error,) = (await nobody.run(mutation))["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert await code_of(ana) is None


async def test_ending_sessions_is_recorded_with_who_did_it_from_where(server):
    ana = await server.registered("ana")
    _, phone_id = await another(server, "ana")
    await another(server, "ana")
    await ana.done("revokeSession", "sessionId", sessionId=phone_id)
    await ana.ask(OTHERS)
    (one,) = await recorded(server, Act.SESSION_REVOKED)
    (others,) = await recorded(server, Act.OTHER_SESSIONS_REVOKED)
    assert one.actor_id == others.actor_id is not None
    assert one.session_id == others.session_id != one.subject_id
    assert (one.address, others.details) == ("127.0.0.1", {"count": 1})


async def test_reuse_of_a_refresh_token_is_recorded_with_where_it_came_from(server, monkeypatch):
    monkeypatch.setattr("resolvers.sessions.REFRESH_GRACE", timedelta(seconds=-1))
    ana = await server.registered("ana")
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)
    await ana.refused("refreshSession", "accessToken", refreshToken=ana.refresh_token)
    (entry,) = await recorded(server, Act.REFRESH_TOKEN_REUSED)
    assert entry.actor_id is None  # whoever it was, it need not have been the person
    assert entry.subject_id is not None
    assert entry.address == "127.0.0.1"
    assert ana.refresh_token not in str(entry)


@pytest.mark.parametrize(("seconds", "good"), [(9, True), (11, False)])
async def test_a_spent_refresh_token_is_good_for_ten_seconds_more(server, seconds, good):
    ana = await server.registered("ana")
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)
    async with server.program.services.db.writing() as connection:
        before = utc_now() - timedelta(seconds=seconds)
        await connection.execute(sessions.update().values(refreshed_at=before))
    payload = await ana.do("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)
    assert [error["code"] for error in payload["errors"]] == ([] if good else ["UNAUTHENTICATED"])
    assert (await code_of(ana) is None) == good
    assert len(await recorded(server, Act.REFRESH_TOKEN_REUSED)) == (0 if good else 1)


async def test_a_spent_refresh_token_ends_the_session_once_its_successor_was_used(server):
    ana = await server.registered("ana")
    first = ana.refresh_token
    ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=first))
    ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token))
    # It is still within ten seconds, but the client has had its answer.
    assert await ana.refused("refreshSession", "accessToken", refreshToken=first)
    assert await code_of(ana) == "UNAUTHENTICATED"


async def test_a_session_that_ends_while_it_is_looked_up_is_not_taken_for_live(server, monkeypatch):
    ana = await server.registered("ana")
    look_up = stored_sessions.with_user
    looked_up = 0

    async def revoked_meanwhile(connection, session_id):
        nonlocal looked_up
        found = await look_up(connection, session_id)
        looked_up += 1
        if looked_up == 1:
            async with server.program.services.db.writing() as other:
                await stored_sessions.revoke(other, session_id, utc_now())
            await server.program.services.node.end_session(session_id)
        return found

    monkeypatch.setattr(stored_sessions, "with_user", revoked_meanwhile)
    assert await code_of(ana) == "UNAUTHENTICATED"


async def test_a_log_in_that_waits_for_its_second_factor_ends_with_the_other_sessions(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    mallory = server.person()
    challenge = await challenged(mallory, "ana")
    await ask(ana, "revokeOtherSessions", "sessionIds")
    payload = await complete(mallory, challenge["token"], totpCode=app.code(1))
    assert [error["code"] for error in payload["errors"]] == ["CHALLENGE_OVER"]
