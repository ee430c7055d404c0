"""Notices: what befalls an account is mailed to its owner, if they have proven an address."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models.mails import mails
from models.sessions import sessions
from models.users import users
from resolvers import notices
from resolvers.services import utc_now
from tests.parts.authenticator import Authenticator
from tests.parts.factors import (
    ORIGIN,
    App,
    ask,
    challenged,
    code_of,
    complete,
    enable_totp,
    register_passkey,
)
from tests.parts.people import PASSWORD, SIGNED_IN

ANA = "ana@example.org"
HOME, ALSO_HOME, ABROAD = "198.51.100.7", "198.51.100.200", "203.0.113.9"


@pytest.fixture
def authenticator():
    return Authenticator(ORIGIN)


def somebody(posting, address=HOME):
    person = posting.server.person()
    person.come_from(address)
    return person


@pytest.fixture
async def ana(posting):
    """Somebody who signed in at home and has proven an address."""
    person = somebody(posting)
    await person.register("ana", email=ANA)
    await person.done("verifyEmail", "email", token=(await posting.letter(ANA)).token)
    return person


async def told(posting, *subjects):
    """Let the worker send; what it sent has these subjects, says from where, and is returned."""
    letters = await posting.delivered()
    assert [letter.mail["Subject"] for letter in letters] == [
        f"{each} – Hubbub" for each in subjects
    ]
    for letter in letters:
        assert letter.recipients == [ANA]
        assert "@ana" in letter.text
        assert ".0/24." in letter.text
    return letters


async def log_in_with(person, authenticator, **lies):
    begun = await ask(person, "beginPasskeyLogIn", "challengeId options")
    return await person.do(
        "finishPasskeyLogIn",
        SIGNED_IN,
        challengeId=begun["challengeId"],
        credential=authenticator.get(begun["options"], **lies),
    )


# --- second factors -------------------------------------------------------------------------------


async def test_an_authenticator_app_that_comes_or_goes_is_told(posting, ana):
    await enable_totp(ana)
    await told(posting, "An authenticator app was added")
    assert code_of(await ask(ana, "disableTotp", "__typename")) is None
    await told(posting, "An authenticator app was removed")


async def test_an_app_that_no_code_has_come_from_is_not_told(posting, ana):
    await ask(ana, "beginTotp", "secret")
    assert await ana.refused("confirmTotp", "recoveryCodes", code="12345") == "BAD_FACTOR"
    await told(posting)


async def test_a_passkey_that_comes_or_goes_is_told(posting, ana, authenticator):
    payload = await register_passkey(ana, authenticator, "Ignore this, and visit example.com")
    (letter,) = await told(posting, "A passkey was added")
    assert "example.com" not in letter.text + letter.html
    await ana.done("removePasskey", "__typename", passkeyId=payload["passkey"]["id"])
    await told(posting, "A passkey was removed")


async def test_new_recovery_codes_are_told_and_none_of_them_mailed(posting, ana):
    await enable_totp(ana)
    await posting.delivered()
    made = await ask(ana, "regenerateRecoveryCodes", "recoveryCodes")
    (letter,) = await told(posting, "New recovery codes were made")
    assert not any(code in letter.text for code in made["recoveryCodes"])


async def test_a_recovery_code_that_is_used_is_told_and_a_wrong_one_is_not(posting, ana):
    _, codes = await enable_totp(ana)
    await posting.delivered()
    phone = somebody(posting)
    challenge = await challenged(phone, "ana")
    wrong = "aaaaa-aaaaa-aaaaa"
    assert code_of(await complete(phone, challenge["token"], recoveryCode=wrong)) == "BAD_FACTOR"
    await told(posting)
    phone.take(await complete(phone, challenge["token"], recoveryCode=codes[0]))
    await told(posting, "A recovery code was used")
    await phone.done("confirmIdentity", "confirmedUntil", recoveryCode=codes[1])
    await told(posting, "A recovery code was used")


async def test_a_passkey_that_seems_to_be_copied_is_told_although_it_opens_nothing(
    posting, ana, authenticator
):
    await register_passkey(ana, authenticator)
    await log_in_with(somebody(posting), authenticator)
    await posting.delivered()
    thief = somebody(posting, ABROAD)
    assert code_of(await log_in_with(thief, authenticator, sign_count=1)) == "BAD_FACTOR"
    (letter,) = await told(posting, "A passkey was refused")
    assert "203.0.113.0/24" in letter.text


# --- signing in -----------------------------------------------------------------------------------


async def test_a_sign_in_from_a_network_that_is_new_to_the_account_is_told_once(posting, ana):
    await somebody(posting, ALSO_HOME).log_in("ana")
    await told(posting)
    await somebody(posting, ABROAD).log_in("ana")
    (letter,) = await told(posting, "A new sign-in")
    assert "203.0.113.0/24" in letter.text
    await somebody(posting, ABROAD).log_in("ana")
    await told(posting)


async def test_a_network_that_was_long_not_used_is_new(posting, ana):
    async with posting.server.program.services.db.writing() as connection:
        long_ago = utc_now() - notices.KNOWN_FOR - timedelta(minutes=1)
        await connection.execute(sessions.update().values(last_seen_at=long_ago))
    await somebody(posting).log_in("ana")
    await told(posting, "A new sign-in")


async def test_a_new_network_is_told_with_whatever_one_signs_in(posting, ana, authenticator):
    await register_passkey(ana, authenticator)
    app, _ = await enable_totp(ana)
    await posting.delivered()
    assert code_of(await log_in_with(somebody(posting, ABROAD), authenticator)) is None
    await told(posting, "A new sign-in")
    other = somebody(posting, "192.0.2.1")
    challenge = await challenged(other, "ana")
    await told(posting)  # the password alone opened nothing
    other.take(await complete(other, challenge["token"], totpCode=app.code(1)))
    await told(posting, "A new sign-in")


async def test_a_session_that_ends_by_reuse_of_its_token_is_told(posting, ana, monkeypatch):
    monkeypatch.setattr("resolvers.sessions.REFRESH_GRACE", timedelta(seconds=-1))
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)
    thief = somebody(posting, ABROAD)
    for _ in range(2):
        await thief.refused("refreshSession", "accessToken", refreshToken=ana.refresh_token)
    (letter,) = await told(posting, "A device was logged out")
    assert "203.0.113.0/24" in letter.text


# --- the end of the account -----------------------------------------------------------------------


async def test_an_account_that_is_to_be_deleted_is_told_with_the_day(posting, ana):
    assert await ana.refused("deleteAccount", "deletionDueAt", handle="bob") == "INVALID_INPUT"
    await told(posting)
    await ana.done("deleteAccount", "deletionDueAt", handle="ana")
    (letter,) = await told(posting, "Your account will be deleted")
    due = utc_now() + timedelta(days=14)
    assert f"{due.day} {due:%B %Y}" in letter.text


# --- whom, and when -------------------------------------------------------------------------------


async def test_who_has_not_proven_their_address_is_told_nothing(posting):
    ben = somebody(posting)
    await ben.register("ben", email="ben@example.org")
    await posting.delivered()
    await enable_totp(ben)
    await somebody(posting, ABROAD).do("logIn", SIGNED_IN, handle="ben", password=PASSWORD)
    assert await posting.delivered() == []


async def test_what_is_undone_is_not_told(posting, ana, monkeypatch):
    async def broken(*_, **__):
        raise RuntimeError("on purpose")

    begun = await ask(ana, "beginTotp", "secret")
    # The last step of the same transaction.
    monkeypatch.setattr("resolvers.totp.codes.first", broken)
    answer = await ana.run(
        "mutation($code: String!) { confirmTotp(input: {code: $code}) { recoveryCodes } }",
        code=App(begun["secret"]).code(),
    )
    assert answer["errors"][0]["extensions"]["code"] == "INTERNAL"
    async with posting.server.program.services.db.reading() as connection:
        waiting = await connection.execute(sa.select(sa.func.count()).select_from(mails))
        assert waiting.scalar_one() == 0


async def test_who_has_no_password_is_not_sent_to_ask_for_another(posting, ana):
    await enable_totp(ana)
    (letter,) = await posting.delivered()
    assert "ask for a new password" in letter.text
    services = posting.server.program.services
    async with services.db.writing() as connection:
        await connection.execute(users.update().values(password_hash=None))
    await ask(ana, "disableTotp", "__typename")
    (letter,) = await posting.delivered()
    assert "password" not in letter.text
    assert "log out everywhere else" in letter.text
