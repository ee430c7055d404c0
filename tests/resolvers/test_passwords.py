"""Passwords: which may be chosen, changing one's own, and a mailed code for a new one."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models.audit import audit_log
from models.sessions import sessions
from models.tickets import tickets
from models.users import users
from resolvers.services import utc_now
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.running import running
from tests.parts.smtp import posting_to
from tests.resolvers.test_emails import ANA, verified

NEW = "another good one"
SIGNED_OUT = "UNAUTHENTICATED"


async def asked(posting, handle="ana"):
    """Return the code that is mailed to Ana when she asks for a new password."""
    await posting.server.person().done("requestPasswordReset", "", handle=handle)
    return (await posting.letter(ANA)).token


async def works(posting, password, handle="ana"):
    payload = await posting.server.person().do("logIn", SIGNED_IN, handle=handle, password=password)
    return payload["errors"] == []


async def signed_in(person):
    return "errors" not in await person.run("{ viewer { email } }")


# --- which may be chosen --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("7 chars", "INVALID_INPUT"),
        ("", "INVALID_INPUT"),
        ("        ", "INVALID_INPUT"),
        ("password", "INVALID_INPUT"),
        ("PassWord", "INVALID_INPUT"),
        ("12345678", "INVALID_INPUT"),
        ("ana_ruiz", "INVALID_INPUT"),
        ("Ana Ruiz 1990", "INVALID_INPUT"),
        ("ana.ruiz@example.org", "INVALID_INPUT"),
        ("hubbub2026", "INVALID_INPUT"),
        ("x" * 257, "TOO_LONG"),
    ],
)
async def test_a_password_that_is_short_or_easily_guessed_is_refused_everywhere(
    sqlite_posting, password, code
):
    person = sqlite_posting.server.person()
    ana = {"handle": "ana_ruiz", "displayName": "Ana Ruiz", "email": "ana.ruiz@example.org"}
    payload = await person.do("register", "session { id }", password=password, **ana)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (code, ["password"])
    await person.register(**ana)
    token = (await sqlite_posting.letter(ana["email"])).token
    await person.done("verifyEmail", "email", token=token)
    change = {"currentPassword": PASSWORD, "newPassword": password}
    (error,) = (await person.do("changePassword", "", **change))["errors"]
    assert (error["code"], error["path"]) == (code, ["newPassword"])
    await person.done("requestPasswordReset", "", handle="ana_ruiz")
    token = (await sqlite_posting.letter(ana["email"])).token
    (error,) = (await person.do("resetPassword", "", token=token, newPassword=password))["errors"]
    assert (error["code"], error["path"]) == (code, ["newPassword"])
    assert await works(sqlite_posting, PASSWORD, "ana_ruiz")
    # The code is still good for a better one.
    await person.done("resetPassword", "", token=token, newPassword=NEW)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        "zzyyxxww",
        "\N{PILE OF POO}" * 8,
        "пароль мой",
        "8 chars!",
        " leading and trailing ",
        "x" * 256,
    ],
)
async def test_any_other_password_will_do_and_every_character_of_it_counts(sqlite_server, password):
    ana = sqlite_server.person()
    await ana.register("ana", password=password)
    await ana.log_in("ana", password)
    code = await ana.refused("logIn", "accessToken", handle="ana", password=password[:-1])
    assert code == "BAD_CREDENTIALS"


async def test_the_same_letters_make_the_same_password_however_they_are_composed(sqlite_server):
    ana = sqlite_server.person()
    await ana.register("ana", password="cafe\N{COMBINING ACUTE ACCENT} con leche")
    await ana.log_in("ana", "caf\N{LATIN SMALL LETTER E WITH ACUTE} con leche")


async def test_an_installation_may_ask_for_longer_ones(migrated_sqlite_url):
    async with running(migrated_sqlite_url, password_length=15) as server:
        given = {"handle": "ana", "displayName": "Ana"}
        payload = await server.person().do("register", "session { id }", password=NEW[:14], **given)
        assert payload["errors"][0]["message"] == "The password needs at least 15 characters."
        await server.person().done("register", "session { id }", password=NEW[:15], **given)


# --- changing -------------------------------------------------------------------------------------


async def test_changing_the_password_ends_the_other_sessions_and_tells_the_owner(posting):
    laptop = await verified(posting)
    phone = posting.server.person()
    await phone.log_in("ana")
    async with phone.listening() as at_phone, laptop.listening() as at_laptop:
        await laptop.done("changePassword", "", currentPassword=PASSWORD, newPassword=NEW)
        assert (await at_phone.closed())[0] == 4403
        assert (await at_laptop.next())["__typename"] == "SessionEnded"
    assert (await signed_in(laptop), await signed_in(phone)) == (True, False)
    code = await phone.refused("refreshSession", "accessToken", refreshToken=phone.refresh_token)
    assert code == SIGNED_OUT
    assert (await works(posting, PASSWORD), await works(posting, NEW)) == (False, True)
    notice = await posting.letter(ANA)
    assert notice.mail["Subject"] == "Your password was changed – Hubbub"


async def test_what_was_begun_with_the_password_before_cannot_be_finished(posting):
    ana = await verified(posting)
    db, now = posting.server.program.services.db, utc_now()
    async with db.writing() as connection:
        (user_id,) = (await connection.execute(sa.select(users.c.id))).scalars()
        # As that of a log-in which waits for a second factor: none of ours is known by name.
        await connection.execute(
            tickets.insert().values(
                id=user_id,
                hash=b"h" * 32,
                purpose="some log-in",
                user_id=user_id,
                data={},
                created_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
    await ana.done("changePassword", "", currentPassword=PASSWORD, newPassword=NEW)
    async with db.reading() as connection:
        assert (await connection.execute(sa.select(tickets.c.id))).all() == []


async def test_who_does_not_know_the_password_does_not_change_it(posting):
    ana = await verified(posting)
    for wrong in ("wrong", "", PASSWORD + "x" * 300, PASSWORD + "\x00"):
        payload = await ana.do("changePassword", "", currentPassword=wrong, newPassword=NEW)
        (error,) = payload["errors"]
        assert (error["code"], error["path"]) == ("BAD_CREDENTIALS", ["currentPassword"])
    assert (await works(posting, PASSWORD), await works(posting, NEW)) == (True, False)
    assert await posting.delivered() == []
    async with posting.server.program.services.db.reading() as connection:
        rows = await connection.execute(sa.select(audit_log.c.act))
        assert list(rows.scalars()).count("password_change_failed") == 4


async def test_an_account_without_a_password_has_none_to_change(posting):
    ana = await verified(posting)
    async with posting.server.program.services.db.writing() as connection:
        await connection.execute(users.update().values(password_hash=None))
    change = {"currentPassword": "", "newPassword": NEW}
    assert await ana.refused("changePassword", "", **change) == "BAD_CREDENTIALS"
    # Nor one to forget: another issuer vouches for them, or a passkey.
    await ana.done("requestPasswordReset", "", handle="ana")
    assert await posting.delivered() == []


async def test_guesses_at_the_current_password_are_counted(migrated_sqlite_url, mail_server):
    async with posting_to(mail_server, migrated_sqlite_url, rate_limits=True) as posting:
        ana = await posting.server.registered("ana")
        change = {"newPassword": NEW}
        codes = [
            await ana.refused("changePassword", "", currentPassword=f"wrong {n}", **change)
            for n in range(11)
        ]
        assert codes == ["BAD_CREDENTIALS"] * 10 + ["RATE_LIMITED"]


# --- a new one ------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["ana", " @ANA ", ANA, "Ana@EXAMPLE.org"])
async def test_a_mailed_code_sets_a_password_and_ends_every_session(posting, login):
    ana = await verified(posting)
    async with ana.listening() as socket:
        token = await asked(posting, login)
        stranger = posting.server.person()
        await stranger.done("resetPassword", "", token=token, newPassword=NEW)
        assert (await socket.closed())[0] == 4403
    assert not await signed_in(ana)
    assert (await works(posting, PASSWORD), await works(posting, NEW)) == (False, True)
    notice = await posting.letter(ANA)
    assert notice.mail["Subject"] == "Your password was changed – Hubbub"


async def test_resetting_opens_no_session(posting):
    await verified(posting)
    token = await asked(posting)
    await posting.server.person().done("resetPassword", "", token=token, newPassword=NEW)
    async with posting.server.program.services.db.reading() as connection:
        rows = await connection.execute(sa.select(sessions.c.revoked_at))
        assert None not in rows.scalars().all()


async def test_a_code_sets_one_password_once(posting):
    await verified(posting)
    token = await asked(posting)
    person = posting.server.person()
    await person.done("resetPassword", "", token=token, newPassword=NEW)
    code = await person.refused("resetPassword", "", token=token, newPassword="yet another one")
    assert code == "INVALID_TOKEN"
    assert await works(posting, NEW)


async def test_of_two_who_use_a_reset_code_at_once_one_sets_the_password(posting):
    await verified(posting)
    token = await asked(posting)
    choices = [f"choice number {n}" for n in range(3)]
    payloads = await asyncio.gather(
        *(
            posting.server.person().do("resetPassword", "", token=token, newPassword=choice)
            for choice in choices
        )
    )
    chosen = [
        choice for choice, payload in zip(choices, payloads, strict=True) if not payload["errors"]
    ]
    assert len(chosen) == 1
    assert await works(posting, chosen[0])


async def test_a_reset_code_is_good_for_an_hour(posting):
    await verified(posting)
    token = await asked(posting)
    async with posting.server.program.services.db.writing() as connection:
        (expires_at,) = (await connection.execute(sa.select(tickets.c.expires_at))).scalars()
        assert timedelta(minutes=59) < expires_at - utc_now() < timedelta(hours=1)
        await connection.execute(tickets.update().values(expires_at=utc_now()))
    person = posting.server.person()
    assert (
        await person.refused("resetPassword", "", token=token, newPassword=NEW) == "INVALID_TOKEN"
    )
    assert await works(posting, PASSWORD)


async def test_a_new_reset_code_replaces_the_one_before_and_a_new_password_every_code(posting):
    ana = await verified(posting)
    first, second = await asked(posting), await asked(posting)
    person = posting.server.person()
    assert (
        await person.refused("resetPassword", "", token=first, newPassword=NEW) == "INVALID_TOKEN"
    )
    await ana.done("changePassword", "", currentPassword=PASSWORD, newPassword=NEW)
    code = await person.refused("resetPassword", "", token=second, newPassword="yet another one")
    assert code == "INVALID_TOKEN"


async def test_the_code_for_an_address_before_sets_no_password_once_it_is_another(posting):
    ana = await verified(posting)
    token = await asked(posting)
    await ana.done("changeEmail", "", newEmail="ana.new@example.org")
    verification = (await posting.letter("ana.new@example.org")).token
    await ana.done("verifyEmail", "email", token=verification)
    code = await ana.refused("resetPassword", "", token=token, newPassword=NEW)
    assert code == "INVALID_TOKEN"


@pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
async def test_a_closed_account_gets_no_code_and_its_code_is_void(posting, column):
    await verified(posting)
    token = await asked(posting)
    async with posting.server.program.services.db.writing() as connection:
        await connection.execute(users.update().values({column: utc_now()}))
    person = posting.server.person()
    assert (
        await person.refused("resetPassword", "", token=token, newPassword=NEW) == "INVALID_TOKEN"
    )
    await person.done("requestPasswordReset", "", handle="ana")
    assert await posting.delivered() == []


@pytest.mark.parametrize(
    "login", ["nobody", "nobody@example.org", "", "@", "ana\x00", "x" * 100_000, "ben@example.org"]
)
async def test_who_cannot_be_mailed_a_code_is_answered_as_everybody_is(posting, login):
    await verified(posting)
    ben = posting.server.person()
    await ben.register("ben", email="ben@example.org")  # which is not proven
    await posting.delivered()
    person = posting.server.person()
    for asked_for in ("ana", login):
        payload = await person.do("requestPasswordReset", "", handle=asked_for)
        assert payload == {"errors": []}
    assert [taken.recipients for taken in await posting.delivered()] == [[ANA]]


async def test_requests_for_codes_are_counted_alike_for_who_exists_and_who_does_not(
    migrated_sqlite_url, mail_server
):
    async with posting_to(mail_server, migrated_sqlite_url, rate_limits=True) as posting:
        await verified(posting)
        person = posting.server.person()
        for login in ("ana", "nobody"):
            answers = [
                (await person.do("requestPasswordReset", "", handle=login))["errors"]
                for _ in range(6)
            ]
            assert [len(errors) for errors in answers] == [0] * 5 + [1]
            assert answers[-1][0]["code"] == "RATE_LIMITED"


# --- logging in by address ------------------------------------------------------------------------


async def test_who_has_proven_an_address_logs_in_with_it(posting):
    await verified(posting)
    await posting.server.person().log_in("ANA@example.org")


async def test_who_has_not_does_not(posting):
    ben = posting.server.person()
    await ben.register("ben", email="ben@example.org")
    assert not await works(posting, PASSWORD, "ben@example.org")


async def test_an_address_signs_in_its_owner_and_nobody_who_claims_it(posting):
    await verified(posting)
    mallory = posting.server.person()
    await mallory.register("mallory", email=ANA, password="the one of mallory")
    assert not await works(posting, "the one of mallory", ANA)
    ana = posting.server.person()
    await ana.log_in(ANA)
    assert ana.handle == "ana"
