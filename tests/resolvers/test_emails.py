"""Addresses: proven by a mailed code, one account each, changed with a way back."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models.audit import audit_log
from models.sessions import sessions
from models.tickets import tickets
from resolvers.services import utc_now
from tests.parts.factors import ask
from tests.parts.people import PASSWORD
from tests.parts.roles import administrator
from tests.parts.smtp import posting_to

ANA, NEW = "ana@example.org", "ana.new@example.org"
EMAIL = "{ viewer { email emailVerified } }"


async def email_of(person):
    return tuple((await person.ask(EMAIL))["viewer"].values())


async def registered(posting, handle="ana", email=ANA):
    """Return the client of somebody with an address that is not proven, and the code for it."""
    person = posting.server.person()
    await person.register(handle, email=email)
    return person, (await posting.letter(email)).token


async def verified(posting, handle="ana", email=ANA):
    """Return the client of somebody with a proven address."""
    person, token = await registered(posting, handle, email)
    await posting.server.person().done("verifyEmail", "email", token=token)
    return person


async def request(person):
    data = await person.ask("mutation { requestEmailVerification { errors { code } } }")
    return [error["code"] for error in data["requestEmailVerification"]["errors"]]


async def acts(posting):
    async with posting.server.program.services.db.reading() as connection:
        query = sa.select(audit_log.c.act).order_by(audit_log.c.id)
        return (await connection.execute(query)).scalars().all()


async def test_who_registers_with_an_address_proves_it_with_a_mailed_code(posting):
    ana, token = await registered(posting)
    assert await email_of(ana) == (ANA, False)
    payload = await posting.server.person().done("verifyEmail", "email", token=token)
    assert payload["email"] == ANA
    assert await email_of(ana) == (ANA, True)
    assert (await acts(posting))[-1] == "email_verified"


async def test_who_registers_without_an_address_is_mailed_nothing(posting):
    ana = await posting.server.registered("ana")
    assert await email_of(ana) == (None, False)
    assert await posting.delivered() == []
    assert await request(ana) == ["CONFLICT"]


async def test_an_address_is_kept_in_its_normal_form(posting):
    ana, token = await registered(posting, email="Ana@xn--bcher-kva.example")
    await ana.done("verifyEmail", "email", token=token)
    assert await email_of(ana) == ("Ana@bücher.example", True)
    assert await posting.server.person().log_in("ana@BÜCHER.example")


async def test_a_code_works_once(posting):
    ana, token = await registered(posting)
    await ana.done("verifyEmail", "email", token=token)
    assert await ana.refused("verifyEmail", "email", token=token) == "INVALID_TOKEN"


async def test_of_two_who_use_a_code_at_once_one_may(posting):
    _, token = await registered(posting)
    people = [posting.server.person() for _ in range(4)]
    payloads = await asyncio.gather(
        *(person.do("verifyEmail", "email", token=token) for person in people)
    )
    assert sorted(payload["email"] or "" for payload in payloads) == ["", "", "", ANA]


async def test_a_code_is_good_for_three_days(posting):
    ana, token = await registered(posting)
    async with posting.server.program.services.db.writing() as connection:
        (expires_at,) = (await connection.execute(sa.select(tickets.c.expires_at))).scalars()
        assert timedelta(days=2.99) < expires_at - utc_now() < timedelta(days=3)
        await connection.execute(tickets.update().values(expires_at=utc_now()))
    assert await ana.refused("verifyEmail", "email", token=token) == "INVALID_TOKEN"
    assert await email_of(ana) == (ANA, False)


async def test_a_new_code_replaces_the_one_before(posting):
    ana, first = await registered(posting)
    assert await request(ana) == []
    second = (await posting.letter(ANA)).token
    assert await ana.refused("verifyEmail", "email", token=first) == "INVALID_TOKEN"
    await ana.done("verifyEmail", "email", token=second)
    assert await request(ana) == ["CONFLICT"]


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "a\x00b", "ñ"])
async def test_what_is_no_code_is_refused(sqlite_posting, token):
    person = sqlite_posting.server.person()
    for mutation in ("verifyEmail", "restoreEmail"):
        payload = await person.do(mutation, "email", token=token)
        (error,) = payload["errors"]
        assert payload["email"] is None
        assert (error["code"], error["path"]) == ("INVALID_TOKEN", ["token"])


async def test_a_code_for_something_else_is_refused(posting):
    ana = await verified(posting)
    await posting.server.person().done("requestPasswordReset", "", handle="ana")
    reset = (await posting.letter(ANA)).token
    for mutation in ("verifyEmail", "restoreEmail"):
        assert await ana.refused(mutation, "email", token=reset) == "INVALID_TOKEN"
    await ana.done("changeEmail", "", newEmail=NEW)
    verification = (await posting.letter(NEW)).token
    new = {"newPassword": "another good one"}
    assert await ana.refused("resetPassword", "", token=verification, **new) == "INVALID_TOKEN"
    await ana.done("resetPassword", "", token=reset, **new)


async def test_an_address_that_nobody_has_proven_is_anybody_s_to_claim(posting):
    mallory, _ = await registered(posting, "mallory")
    ana = await verified(posting)
    assert await email_of(ana) == (ANA, True)
    assert await email_of(mallory) == (ANA, False)


async def test_who_proves_an_address_second_is_told_that_it_is_another_account_s(posting):
    _, first = await registered(posting, "first")
    second, token = await registered(posting, "second")
    await posting.server.person().done("verifyEmail", "email", token=first)
    assert await second.refused("verifyEmail", "email", token=token) == "CONFLICT"
    assert await email_of(second) == (ANA, False)


async def test_of_two_who_prove_an_address_at_once_one_gets_it(posting):
    people = [await registered(posting, handle) for handle in ("first", "second", "third")]
    payloads = await asyncio.gather(
        *(person.do("verifyEmail", "email", token=token) for person, token in people)
    )
    assert [error["code"] for payload in payloads for error in payload["errors"]] == [
        "CONFLICT"
    ] * 2
    assert sorted([(await email_of(person))[1] for person, _ in people]) == [False, False, True]


async def test_who_claims_a_proven_address_is_answered_as_always_and_its_owner_is_told(posting):
    await verified(posting)
    mallory = posting.server.person()
    await mallory.register("mallory", email="Ana@Example.org")
    assert await email_of(mallory) == ("Ana@example.org", False)
    letter = await posting.letter("Ana@example.org")
    assert letter.mail["Subject"] == "You already have an account – Hubbub"
    assert "@ana " in letter.text
    assert "code" not in letter.text
    assert await request(mallory) == []
    letter = await posting.letter("Ana@example.org")
    assert letter.mail["Subject"].startswith("You already")


async def test_another_address_counts_when_it_is_proven_and_the_one_before_is_told(posting):
    ana = await verified(posting)
    await ana.done("changeEmail", "", newEmail=NEW)
    token = (await posting.letter(NEW)).token
    assert await email_of(ana) == (ANA, True)
    assert (await posting.server.person().done("verifyEmail", "email", token=token)) == {
        "email": NEW,
        "errors": [],
    }
    assert await email_of(ana) == (NEW, True)
    notice = await posting.letter(ANA)
    assert notice.mail["Subject"] == "Your e-mail address was changed – Hubbub"
    assert NEW in notice.text
    assert "127.0.0.0/24" in notice.text
    assert (await acts(posting))[-2:] == ["email_change_requested", "email_changed"]


async def test_the_way_back_restores_the_address_and_ends_every_session(posting):
    ana = await verified(posting)
    async with ana.listening() as socket:
        await ana.done("changeEmail", "", newEmail=NEW)
        await ana.done("verifyEmail", "email", token=(await posting.letter(NEW)).token)
        back = (await posting.letter(ANA)).token
        await ana.done("requestPasswordReset", "", handle="ana")
        reset = (await posting.letter(NEW)).token
        await ana.done("changeEmail", "", newEmail="third@example.org")
        third = (await posting.letter("third@example.org")).token
        owner = posting.server.person()
        assert (await owner.done("restoreEmail", "email", token=back))["email"] == ANA
        assert (await socket.closed())[0] == 4403
    (error,) = (await ana.run(EMAIL))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    # What was mailed meanwhile opens nothing.
    assert await owner.refused("verifyEmail", "email", token=third) == "INVALID_TOKEN"
    new = {"newPassword": "another good one"}
    assert await owner.refused("resetPassword", "", token=reset, **new) == "INVALID_TOKEN"
    assert await owner.refused("restoreEmail", "email", token=back) == "INVALID_TOKEN"
    notice = await posting.letter(NEW)
    assert notice.mail["Subject"] == "Your e-mail address was changed back – Hubbub"
    await owner.log_in(ANA)
    assert await email_of(owner) == (ANA, True)


async def test_whoever_took_an_account_cannot_cut_off_its_owner_s_way_back(posting):
    ana = await verified(posting)
    backs = []
    for before, after in [(ANA, "m1@example.org"), ("m1@example.org", "m2@example.org")]:
        await ana.done("changeEmail", "", newEmail=after)
        await ana.done("verifyEmail", "email", token=(await posting.letter(after)).token)
        backs.append((await posting.letter(before)).token)
    owner = posting.server.person()
    await owner.done("restoreEmail", "email", token=backs[1])
    assert (await owner.done("restoreEmail", "email", token=backs[0]))["email"] == ANA
    await owner.log_in("ana")
    assert await email_of(owner) == (ANA, True)


async def test_whoever_took_an_account_cannot_cut_off_the_way_back_with_a_new_password(posting):
    ana = await verified(posting)
    await ana.done("changeEmail", "", newEmail=NEW)
    await ana.done("verifyEmail", "email", token=(await posting.letter(NEW)).token)
    back = (await posting.letter(ANA)).token
    change = {"currentPassword": PASSWORD, "newPassword": "the one of mallory"}
    await ana.done("changePassword", "", **change)
    await posting.letter(NEW)
    owner = posting.server.person()
    await owner.done("restoreEmail", "email", token=back)
    await posting.letter(NEW)
    await owner.done("requestPasswordReset", "", handle="ana")
    token = (await posting.letter(ANA)).token
    await owner.done("resetPassword", "", token=token, newPassword="another good one")
    await owner.log_in("ana", "another good one")
    assert await email_of(owner) == (ANA, True)


async def test_a_change_of_address_that_was_begun_does_not_outlive_a_new_password(posting):
    mallory = await verified(posting)  # with a session of Ana's
    await mallory.done("changeEmail", "", newEmail="mallory@example.org")
    code = (await posting.letter("mallory@example.org")).token
    owner = posting.server.person()
    await owner.done("requestPasswordReset", "", handle="ana")
    token = (await posting.letter(ANA)).token
    await owner.done("resetPassword", "", token=token, newPassword="another good one")
    assert await mallory.refused("verifyEmail", "email", token=code) == "INVALID_TOKEN"


async def test_the_owner_s_way_back_voids_the_later_ones(posting):
    ana = await verified(posting)
    backs = []
    for before, after in [(ANA, "m1@example.org"), ("m1@example.org", "m2@example.org")]:
        await ana.done("changeEmail", "", newEmail=after)
        await ana.done("verifyEmail", "email", token=(await posting.letter(after)).token)
        backs.append((await posting.letter(before)).token)
    owner = posting.server.person()
    await owner.done("restoreEmail", "email", token=backs[0])
    assert await owner.refused("restoreEmail", "email", token=backs[1]) == "INVALID_TOKEN"


async def test_who_has_not_proved_lately_to_be_who_they_are_changes_no_address(posting):
    ana = await verified(posting)
    async with posting.server.program.services.db.writing() as connection:
        past = utc_now() - timedelta(minutes=16)
        await connection.execute(sessions.update().values(confirmed_at=past))
    mutation = 'mutation { changeEmail(input: {newEmail: "b@example.org"}) { errors { code } } }'
    (error,) = (await ana.run(mutation))["errors"]
    assert error["extensions"]["code"] == "CONFIRMATION_REQUIRED"
    assert await posting.delivered() == []


@pytest.mark.parametrize(
    ("email", "code"),
    [
        ("", "INVALID_INPUT"),
        ("ana", "INVALID_INPUT"),
        ("ana@localhost", "INVALID_INPUT"),
        ("ana@example.org\r\nBcc: ben@example.org", "INVALID_INPUT"),
        ("ana@example.org, ben@example.org", "INVALID_INPUT"),
        ("Ana <b@example.org>", "INVALID_INPUT"),
        ("x" * 300 + "@example.org", "TOO_LONG"),
        ("ANA@example.org", "CONFLICT"),
    ],
)
async def test_what_cannot_be_one_s_new_address_is_refused(sqlite_posting, email, code):
    ana = await verified(sqlite_posting)
    payload = await ana.do("changeEmail", "", newEmail=email)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (code, ["newEmail"])
    assert await sqlite_posting.delivered() == []


async def test_nobody_is_written_to_too_often(migrated_sqlite_url, mail_server):
    async with posting_to(mail_server, migrated_sqlite_url, rate_limits=True) as posting:
        people = [posting.server.person() for _ in range(7)]
        for n, person in enumerate(people[:-1]):
            await person.register(f"person{n}", email=ANA)
        given = {"handle": "last", "password": PASSWORD, "displayName": "Last"}
        code = await people[-1].refused(
            "register", "session { id }", email="ANA@example.org", **given
        )
        assert code == "RATE_LIMITED"
        await people[-1].done("register", "session { id }", email="ben@example.org", **given)


async def test_an_administrator_s_log_of_acts_has_no_address_in_it(posting):
    ana = await verified(posting)
    await ana.done("changeEmail", "", newEmail=NEW)
    async with posting.server.program.services.db.reading() as connection:
        details = (await connection.execute(sa.select(audit_log.c.details))).scalars().all()
    assert "@" not in str(details)


@pytest.mark.parametrize("ends_it", ["revokeSession", "revokeOtherSessions", "adminEndSessions"])
async def test_a_change_of_address_does_not_outlive_the_session_that_began_it(posting, ends_it):
    owner = await verified(posting)
    mallory = posting.server.person()  # with a session of Ana's
    session = (await mallory.log_in("ana"))["session"]["id"]
    await mallory.done("changeEmail", "", newEmail="mallory@example.org")
    code = (await posting.letter("mallory@example.org")).token
    if ends_it == "revokeSession":
        await owner.done("revokeSession", "", sessionId=session)
    elif ends_it == "revokeOtherSessions":
        await ask(owner, "revokeOtherSessions", "sessionIds")
    else:
        root = await administrator(posting.server)
        await root.done("adminEndSessions", "", userId=owner.user_id)
    assert await mallory.refused("verifyEmail", "email", token=code) == "INVALID_TOKEN"


async def test_ones_own_change_of_address_goes_on_when_the_other_sessions_end(posting):
    ana = await verified(posting)
    await posting.server.person().log_in("ana")
    await ana.done("changeEmail", "", newEmail=NEW)
    code = (await posting.letter(NEW)).token
    await ask(ana, "revokeOtherSessions", "sessionIds")
    await ana.done("verifyEmail", "email", token=code)
    assert await email_of(ana) == (NEW, True)
