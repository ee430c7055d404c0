"""What is under way when an account changes beneath it: it does not get its way afterwards."""

import contextlib

import pytest

from models import bots as stored_bots
from models import sessions as stored_sessions
from resolvers import accounts
from resolvers.services import utc_now
from tests.parts.factors import ask, enable_totp, time_passes_for_sessions
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.roles import administrator, bot, bot_token, code

NEW, MALLORYS = "another good one", "the one of mallory"
VIEWER = "{ viewer { user { handle } } }"


@pytest.fixture
def meanwhile(server, monkeypatch):
    """Return what has something happen right after the next password was hashed or checked."""
    passwords = server.program.services.credentials.passwords

    def meanwhile(name, happening):
        work = getattr(passwords, name)

        async def overtaken(*arguments):
            monkeypatch.setattr(passwords, name, work)
            done = await work(*arguments)
            await happening()
            return done

        monkeypatch.setattr(passwords, name, overtaken)

    return meanwhile


async def works(server, password, handle="ana"):
    payload = await server.person().do("logIn", SIGNED_IN, handle=handle, password=password)
    return payload["errors"] == []


async def test_who_knew_the_password_before_does_not_change_it_after_its_owner(server, meanwhile):
    ana = await server.registered("ana")
    mallory = server.person()
    await mallory.log_in("ana")

    async def owner_changes_it():
        await ana.done("changePassword", "", currentPassword=PASSWORD, newPassword=NEW)

    meanwhile("hash", owner_changes_it)
    answer = await mallory.run(
        "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { errors { code } } }",
        i={"currentPassword": PASSWORD, "newPassword": MALLORYS},
    )
    assert "data" in answer
    assert (await works(server, NEW), await works(server, MALLORYS)) == (True, False)
    assert "errors" not in await ana.run(VIEWER)


async def test_a_session_that_is_revoked_meanwhile_changes_no_password(server, meanwhile):
    ana = await server.registered("ana")
    mallory = server.person()
    await mallory.log_in("ana")

    async def owner_is_in_a_hurry():
        await ask(ana, "revokeOtherSessions", "sessionIds")

    meanwhile("hash", owner_is_in_a_hurry)
    await mallory.run(
        "mutation($i: ChangePasswordInput!) { changePassword(input: $i) { errors { code } } }",
        i={"currentPassword": PASSWORD, "newPassword": MALLORYS},
    )
    assert (await works(server, PASSWORD), await works(server, MALLORYS)) == (True, False)


async def test_a_password_confirms_nothing_once_a_second_factor_is_there(server, meanwhile):
    ana = await server.registered("ana")
    mallory = server.person()
    await mallory.log_in("ana")
    await time_passes_for_sessions(server.program.services.db)
    await ana.done("confirmIdentity", "confirmedUntil", password=PASSWORD)

    async def owner_sets_up_an_app():
        await enable_totp(ana)

    meanwhile("verify", owner_sets_up_an_app)
    await mallory.do("confirmIdentity", "confirmedUntil", password=PASSWORD)
    assert await code(mallory, "mutation { disableTotp { errors { code } } }") == (
        "CONFIRMATION_REQUIRED"
    )


async def test_a_session_that_has_ended_changes_nothing_dangerous_wherever_it_ended(server):
    ana = await server.registered("ana")
    await ana.run(VIEWER)
    # On another node, which cannot tell this one: for some seconds it believes in the session.
    async with server.program.services.db.writing() as connection:
        claims = server.program.services.credentials.access_tokens.read(ana.token)
        await stored_sessions.revoke(connection, claims.session_id, utc_now())
    assert await code(ana, "mutation { beginTotp { secret } }") == "UNAUTHENTICATED"


async def test_who_is_suspended_while_their_password_is_checked_gets_no_session(
    server, monkeypatch
):
    root, ana = await administrator(server), await server.registered("ana")
    check = accounts.check_password

    async def suspended_meanwhile(*arguments, **more):
        checked = await check(*arguments, **more)
        await root.done("adminSuspendUser", "", userId=ana.user_id, reason="spam")
        return checked

    monkeypatch.setattr(accounts, "check_password", suspended_meanwhile)
    given = {"handle": "ana", "password": PASSWORD}
    assert await server.person().refused("logIn", SIGNED_IN, **given) == "ACCOUNT_SUSPENDED"


async def test_nothing_that_was_opened_around_a_suspension_outlives_it(server):
    root, ana = await administrator(server), await server.registered("ana")
    await root.done("adminSuspendUser", "", userId=ana.user_id, reason="spam")
    # As a log-in does whose person was looked at just before: it is told nothing any more.
    services = server.program.services
    async with services.db.writing() as connection:
        await connection.execute(stored_sessions.sessions.update().values(revoked_at=None))
    await root.done("adminReinstateUser", "", userId=ana.user_id)
    assert await code(ana, VIEWER) == "UNAUTHENTICATED"
    await root.run(VIEWER)


async def test_a_bots_token_that_ends_while_it_is_looked_up_is_not_taken_for_good(
    server, monkeypatch
):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    token_id, beep.token = await bot_token(ana, beep.user_id)
    look_up, looked_up = stored_bots.by_hash, 0

    async def revoked_meanwhile(connection, hash_):
        nonlocal looked_up
        found = await look_up(connection, hash_)
        looked_up += 1
        if looked_up == 1:
            await ana.done("revokeBotToken", "bot { tokens { name } }", tokenId=token_id)
        return found

    monkeypatch.setattr(stored_bots, "by_hash", revoked_meanwhile)
    assert await code(beep, VIEWER) == "UNAUTHENTICATED"
    assert await code(beep, VIEWER) == "UNAUTHENTICATED"


async def test_who_is_no_administrator_any_more_reads_and_decides_nothing_on_an_open_socket(server):
    root, _ = await administrator(server), await administrator(server, "other")
    async with root.socket() as socket:
        await root.done("adminRevokeAdministrator", "", userId=root.user_id)
        for query in (
            "{ admin { openSockets } }",
            "mutation { adminSetSignUpPolicy(input: { policy: OPEN }) { errors { code } } }",
            "mutation { adminCreateInvitation(input: {}) { token errors { code } } }",
        ):
            await socket.subscribe("q", query)
            answer = await socket.receive()
            while answer["type"] == "complete":
                answer = await socket.receive()
            with contextlib.suppress(TypeError, KeyError):
                answer["payload"] = answer["payload"]["errors"]
            assert answer["payload"][0]["extensions"]["code"] == "FORBIDDEN", answer
