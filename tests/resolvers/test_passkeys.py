"""Passkeys over the network: registered, used with and without a password, and attacked."""

import asyncio
import json

import pytest
import sqlalchemy as sa

from accounts.recovery_codes import COUNT
from models import second_factors, users
from models.passkeys import passkeys
from resolvers.passkeys import MAX_PASSKEYS
from tests.parts.authenticator import Authenticator, encoded
from tests.parts.factors import (
    FACTORS,
    ORIGIN,
    acts,
    ask,
    challenged,
    code_of,
    complete,
    enable_totp,
    factors_of,
    register_passkey,
    tickets_expire,
)
from tests.parts.people import SIGNED_IN
from tests.parts.running import running

WHO = "{ viewer { user { handle } } }"
NO_FACTORS = {"totp": False, "passkeys": [], "recoveryCodesLeft": 0}


def db(server):
    return server.program.services.db


@pytest.fixture
def authenticator():
    return Authenticator(ORIGIN)


async def begun(person):
    """Ask for any passkey, as who is not signed in; returns the challenge's id and the options."""
    payload = await ask(person, "beginPasskeyLogIn", "challengeId options")
    assert payload["errors"] == []
    return payload["challengeId"], payload["options"]


async def finish(person, challenge_id, credential, **more):
    """Log in with a passkey's answer; returns the payload, which may be a refusal."""
    return await person.do(
        "finishPasskeyLogIn", SIGNED_IN, challengeId=challenge_id, credential=credential, **more
    )


async def log_in(person, authenticator, passkey=None, **lies):
    challenge_id, options = await begun(person)
    return await finish(person, challenge_id, authenticator.get(options, passkey, **lies))


async def test_a_passkey_is_registered_and_opens_a_session_with_nothing_else(server, authenticator):
    ana = await server.registered("ana")
    payload = await register_passkey(ana, authenticator, " Ana's phone ")
    assert len(payload["recoveryCodes"]) == COUNT
    (passkey,) = (await factors_of(ana))["passkeys"]
    assert passkey == payload["passkey"]
    assert passkey["name"] == "Ana's phone"
    assert passkey["lastUsedAt"] is None
    assert passkey["backedUp"] is False
    phone = server.person()
    challenge_id, options = await begun(phone)
    assert json.loads(options)["allowCredentials"] == []
    payload = await finish(phone, challenge_id, authenticator.get(options), deviceName="Phone")
    phone.take(payload)
    answer = await phone.ask("{ viewer { user { handle } session { deviceName } } }")
    assert answer["viewer"] == {"user": {"handle": "ana"}, "session": {"deviceName": "Phone"}}
    assert (await factors_of(ana))["passkeys"][0]["lastUsedAt"] is not None
    assert (await acts(db(server)))[-3:] == [
        "passkey_registered",
        "recovery_codes_made",
        "logged_in",
    ]


async def test_what_is_begun_without_a_session_tells_nothing(server, authenticator):
    nobody = server.person()
    _, before = await begun(nobody)
    await register_passkey(await server.registered("ana"), authenticator)
    _, after = await begun(nobody)
    changed = {"challenge": ""}
    assert {**json.loads(before), **changed} == {**json.loads(after), **changed}


async def test_a_passkey_is_a_second_factor_for_who_logs_in_with_a_password(server, authenticator):
    ana = await server.registered("ana")
    codes = (await register_passkey(ana, authenticator))["recoveryCodes"]
    phone = server.person()
    challenge = await challenged(phone, "ana")
    assert challenge["methods"] == ["PASSKEY", "RECOVERY_CODE"]
    allowed = json.loads(challenge["passkeyOptions"])["allowCredentials"]
    assert [each["id"] for each in allowed] == [encoded(authenticator.passkeys[0].id)]
    answer = authenticator.get(challenge["passkeyOptions"])
    phone.take(await complete(phone, challenge["token"], passkey=answer))
    assert (await phone.ask(WHO))["viewer"]["user"]["handle"] == "ana"
    challenge = await challenged(phone, "ana")
    assert code_of(await complete(phone, challenge["token"], recoveryCode=codes[0])) is None


async def test_a_second_passkey_and_an_app_leave_the_recovery_codes_as_they_are(
    server, authenticator
):
    ana = await server.registered("ana")
    assert len((await register_passkey(ana, authenticator))["recoveryCodes"]) == COUNT
    assert (await register_passkey(ana, authenticator, "Key"))["recoveryCodes"] == []
    _, codes = await enable_totp(ana)
    assert codes == []
    assert (await factors_of(ana))["recoveryCodesLeft"] == COUNT
    challenge = await challenged(server.person(), "ana")
    assert challenge["methods"] == ["TOTP", "PASSKEY", "RECOVERY_CODE"]
    begun_again = await ask(ana, "beginPasskeyRegistration", "options")
    assert [each["id"] for each in json.loads(begun_again["options"])["excludeCredentials"]] == [
        encoded(passkey.id) for passkey in authenticator.passkeys
    ]


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://evil.test"},
        {"origin": "http://localhost:8001"},
        {"challenge": encoded(b"c" * 32)},
        {"domain": "evil.test"},
        {"flags": 1},
        {"type": "webauthn.nonsense"},
        {"cross_origin": True},
    ],
)
async def test_an_answer_for_something_else_is_refused_everywhere(
    sqlite_server, authenticator, lie
):
    ana = await sqlite_server.registered("ana")
    payload = await register_passkey(ana, Authenticator(ORIGIN), **lie)
    assert code_of(payload) == "BAD_FACTOR"
    assert payload["passkey"] is None
    assert payload["recoveryCodes"] == []
    assert await factors_of(ana) == NO_FACTORS

    await register_passkey(ana, authenticator)
    phone = sqlite_server.person()
    payload = await log_in(phone, authenticator, **lie)
    assert code_of(payload) == "BAD_FACTOR"
    assert payload["accessToken"] is None
    challenge = await challenged(phone, "ana")
    answer = authenticator.get(challenge["passkeyOptions"], **lie)
    payload = await complete(phone, challenge["token"], passkey=answer)
    assert code_of(payload) == "BAD_FACTOR"
    # And with the truth it works.
    assert code_of(await log_in(phone, authenticator)) is None


@pytest.mark.parametrize("text", ["", "{}", "null", "x" * 20_000, "[" * 10_000, "\x00", "é"])
async def test_what_is_no_answer_is_refused_everywhere(sqlite_server, authenticator, text):
    ana = await sqlite_server.registered("ana")
    registration = await ask(ana, "beginPasskeyRegistration", "challengeId")
    code = await ana.refused(
        "finishPasskeyRegistration",
        "recoveryCodes",
        challengeId=registration["challengeId"],
        name="Phone",
        credential=text,
    )
    assert code == "BAD_FACTOR"
    await register_passkey(ana, authenticator)
    phone = sqlite_server.person()
    challenge_id, _ = await begun(phone)
    assert code_of(await finish(phone, challenge_id, text)) == "BAD_FACTOR"
    challenge = await challenged(phone, "ana")
    assert code_of(await complete(phone, challenge["token"], passkey=text)) == "BAD_FACTOR"


async def test_an_answer_is_good_once(server, authenticator):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    phone, thief = server.person(), server.person()
    challenge_id, options = await begun(phone)
    answer = authenticator.get(options)
    assert code_of(await finish(phone, challenge_id, answer)) is None
    assert code_of(await finish(thief, challenge_id, answer)) == "CHALLENGE_OVER"
    other, _ = await begun(thief)
    assert code_of(await finish(thief, other, answer)) == "BAD_FACTOR"


async def test_of_many_who_send_an_answer_at_once_one_gets_in(server):
    # Its counter stays at zero, so nothing but the challenge keeps it from being used twice.
    authenticator = Authenticator(ORIGIN, counts=False)
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    people = [server.person() for _ in range(5)]
    challenge_id, options = await begun(people[0])
    answer = authenticator.get(options)
    payloads = await asyncio.gather(*(finish(person, challenge_id, answer) for person in people))
    assert sorted(map(str, map(code_of, payloads))) == ["CHALLENGE_OVER"] * 4 + ["None"]


async def test_a_wrong_answer_spends_the_challenge(server, authenticator):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    phone = server.person()
    challenge_id, options = await begun(phone)
    wrong = authenticator.get(options, origin="https://evil.test")
    assert code_of(await finish(phone, challenge_id, wrong)) == "BAD_FACTOR"
    right = authenticator.get(options)
    assert code_of(await finish(phone, challenge_id, right)) == "CHALLENGE_OVER"
    assert "log_in_failed" in await acts(db(server))


async def test_challenges_are_over_when_they_are_late_or_for_something_else(server, authenticator):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    phone = server.person()
    late, options = await begun(phone)
    await tickets_expire(db(server))
    answer = authenticator.get(options)
    log_in_challenge = await challenged(phone, "ana")
    confirmation = await ask(ana, "beginPasskeyConfirmation", "challengeId options")
    for challenge_id in (late, log_in_challenge["token"], confirmation["challengeId"], "", "\x00"):
        assert code_of(await finish(phone, challenge_id, answer)) == "CHALLENGE_OVER"
        code = await ana.refused(
            "finishPasskeyRegistration",
            "recoveryCodes",
            challengeId=challenge_id,
            name="Phone",
            credential=answer,
        )
        assert code == "CHALLENGE_OVER"


async def test_a_registration_is_finished_by_the_session_that_began_it(server, authenticator):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    tablet = server.person()
    await tablet.log_in("ana")
    for other in (ben, tablet):
        payload = await ask(ana, "beginPasskeyRegistration", "challengeId options")
        code = await other.refused(
            "finishPasskeyRegistration",
            "recoveryCodes",
            challengeId=payload["challengeId"],
            name="Phone",
            credential=authenticator.create(payload["options"]),
        )
        assert code == "CHALLENGE_OVER"
    assert await factors_of(ana) == NO_FACTORS == await factors_of(ben)


@pytest.mark.parametrize("count", [0, 1, 2])
async def test_a_cloned_passkey_is_refused_and_goes_into_the_log(server, authenticator, count):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    phone = server.person()
    for _ in range(2):
        assert code_of(await log_in(phone, authenticator)) is None
    assert code_of(await log_in(phone, authenticator, sign_count=count)) == "BAD_FACTOR"
    assert (await acts(db(server)))[-2:] == ["passkey_cloned", "log_in_failed"]
    challenge = await challenged(phone, "ana")
    answer = authenticator.get(challenge["passkeyOptions"], sign_count=count)
    payload = await complete(phone, challenge["token"], passkey=answer)
    assert code_of(payload) == "BAD_FACTOR"


async def test_of_many_uses_at_once_none_is_accepted_twice(server, authenticator):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    people = [server.person() for _ in range(4)]
    begun_by = [await begun(person) for person in people]
    same = [authenticator.get(options, sign_count=7) for _, options in begun_by]
    payloads = await asyncio.gather(
        *(
            finish(person, challenge_id, answer)
            for person, (challenge_id, _), answer in zip(people, begun_by, same, strict=True)
        )
    )
    assert sorted(map(str, map(code_of, payloads))) == ["BAD_FACTOR"] * 3 + ["None"]
    assert (await acts(db(server))).count("passkey_cloned") == 3


async def test_nobody_without_the_key_gets_a_passkey_into_the_log(server, authenticator):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    await log_in(server.person(), authenticator)
    forged = {"sign_count": 0, "signature": b"x" * 70}
    assert code_of(await log_in(server.person(), authenticator, **forged)) == "BAD_FACTOR"
    assert "passkey_cloned" not in await acts(db(server))


async def test_a_passkey_that_nobody_has_registered_is_answered_like_a_wrong_signature(
    server, authenticator
):
    ana = await server.registered("ana")
    await register_passkey(ana, authenticator)
    stranger = Authenticator(ORIGIN)
    stranger.create((await ask(ana, "beginPasskeyRegistration", "options"))["options"])
    phone = server.person()
    unknown = await log_in(phone, stranger)
    unsigned = await log_in(phone, authenticator, signature=b"x" * 70)
    assert unknown == unsigned
    assert code_of(unknown) == "BAD_FACTOR"


async def test_somebody_elses_passkey_meets_no_challenge(server, authenticator):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await register_passkey(ana, authenticator)
    bens = Authenticator(ORIGIN)
    await register_passkey(ben, bens)
    phone = server.person()
    for claimed in (bens.passkeys[0].user_handle, authenticator.passkeys[0].user_handle):
        challenge = await challenged(phone, "ana")
        options = {**json.loads(challenge["passkeyOptions"]), "allowCredentials": []}
        answer = bens.get(json.dumps(options), user_handle=claimed)
        payload = await complete(phone, challenge["token"], passkey=answer)
        assert code_of(payload) == "BAD_FACTOR"
    # Nor does it log in whom it says it is.
    lie = {"user_handle": authenticator.passkeys[0].user_handle}
    assert code_of(await log_in(phone, bens, **lie)) == "BAD_FACTOR"


async def test_a_credential_of_somebody_else_cannot_be_registered(server, authenticator):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await register_passkey(ana, authenticator)
    known = authenticator.passkeys[0].id
    for person in (ana, ben):
        payload = await register_passkey(person, Authenticator(ORIGIN), id=known)
        assert code_of(payload) == "CONFLICT"
    assert await factors_of(ben) == NO_FACTORS
    assert code_of(await log_in(server.person(), authenticator)) is None


async def test_a_password_log_in_without_a_passkey_asks_for_none(server, authenticator):
    ana = await server.registered("ana")
    await enable_totp(ana)
    await register_passkey(await server.registered("ben"), authenticator)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    _, options = await begun(phone)
    payload = await complete(phone, challenge["token"], passkey=authenticator.get(options))
    assert code_of(payload) == "BAD_FACTOR"


async def test_a_suspended_person_does_not_get_in(server, authenticator):
    await register_passkey(await server.registered("ana"), authenticator)
    async with db(server).writing() as connection:
        await connection.execute(sa.text("UPDATE users SET suspended_at = created_at"))
    assert code_of(await log_in(server.person(), authenticator)) == "BAD_FACTOR"


async def test_a_passkey_is_renamed_and_removed_by_its_owner_alone(server, authenticator):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    passkey_id = (await register_passkey(ana, authenticator))["passkey"]["id"]
    for mutation, more in (("renamePasskey", {"name": "Mine"}), ("removePasskey", {})):
        code = await ben.refused(mutation, "__typename", passkeyId=passkey_id, **more)
        assert code == "NOT_FOUND"
        code = await ana.refused(mutation, "__typename", passkeyId=ana.user_id, **more)
        assert code == "INVALID_ID"
    payload = await ana.done(
        "renamePasskey", "passkey { name }", passkeyId=passkey_id, name=" Old phone "
    )
    assert payload["passkey"]["name"] == "Old phone"
    payload = await ana.done(
        "removePasskey", f"secondFactors {{ {FACTORS} }}", passkeyId=passkey_id
    )
    assert payload["secondFactors"] == NO_FACTORS
    assert await ana.refused("removePasskey", "__typename", passkeyId=passkey_id) == "NOT_FOUND"
    assert code_of(await log_in(server.person(), authenticator)) == "BAD_FACTOR"
    await server.person().log_in("ana")
    assert (await acts(db(server))).count("passkey_removed") == 1


async def test_the_recovery_codes_go_with_the_last_factor_and_not_before(server, authenticator):
    ana = await server.registered("ana")
    passkey_id = (await register_passkey(ana, authenticator))["passkey"]["id"]
    await enable_totp(ana)
    payload = await ana.done(
        "removePasskey", f"secondFactors {{ {FACTORS} }}", passkeyId=passkey_id
    )
    assert payload["secondFactors"] == {"totp": True, "passkeys": [], "recoveryCodesLeft": COUNT}
    payload = await ask(ana, "disableTotp", f"secondFactors {{ {FACTORS} }}")
    assert payload["secondFactors"] == NO_FACTORS


async def test_when_both_last_factors_go_at_once_the_recovery_codes_go_too(server, authenticator):
    ana = await server.registered("ana")
    for _ in range(3):
        passkey_id = (await register_passkey(ana, authenticator))["passkey"]["id"]
        await enable_totp(ana)
        await asyncio.gather(
            ask(ana, "disableTotp", "__typename"),
            ana.done("removePasskey", "__typename", passkeyId=passkey_id),
        )
        assert await factors_of(ana) == NO_FACTORS


async def test_an_account_that_ends_keeps_no_factor(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    for person in (ana, ben):
        await register_passkey(person, Authenticator(ORIGIN))
        await enable_totp(person)
    async with db(server).writing() as connection:
        user = await users.by_handle(connection, "ana")
        assert user is not None
        await second_factors.remove(connection, user.id)
    assert await factors_of(ana) == NO_FACTORS
    left = await factors_of(ben)
    assert (left["totp"], len(left["passkeys"]), left["recoveryCodesLeft"]) == (True, 1, COUNT)


@pytest.mark.parametrize(
    ("name", "code"), [("", "INVALID_INPUT"), ("a\nb", "INVALID_INPUT"), ("x" * 65, "TOO_LONG")]
)
async def test_a_passkeys_name_is_a_line(sqlite_server, authenticator, name, code):
    ana = await sqlite_server.registered("ana")
    assert code_of(await register_passkey(ana, authenticator, name)) == code
    passkey_id = (await register_passkey(ana, authenticator))["passkey"]["id"]
    refused = await ana.refused("renamePasskey", "__typename", passkeyId=passkey_id, name=name)
    assert refused == code


async def test_there_are_so_many_passkeys_and_no_more(sqlite_server, authenticator):
    ana = await sqlite_server.registered("ana")
    pending = await ask(ana, "beginPasskeyRegistration", "challengeId options")
    for _ in range(MAX_PASSKEYS):
        assert code_of(await register_passkey(ana, authenticator)) is None
    assert code_of(await ask(ana, "beginPasskeyRegistration", "options")) == "CONFLICT"
    code = await ana.refused(
        "finishPasskeyRegistration",
        "recoveryCodes",
        challengeId=pending["challengeId"],
        name="One more",
        credential=authenticator.create(pending["options"]),
    )
    assert code == "CONFLICT"
    async with db(sqlite_server).reading() as connection:
        count = (
            await connection.execute(sa.select(sa.func.count()).select_from(passkeys))
        ).scalar()
    assert count == MAX_PASSKEYS


async def test_passkeys_are_for_the_domain_and_the_origins_of_the_settings(migrated_sqlite_url):
    settings = {
        "public_url": "https://api.Example.org/",
        "passkey_domain": "example.org",
        "allowed_origins": "https://chat.example.org",
    }
    async with running(migrated_sqlite_url, **settings) as server:
        ana = await server.registered("ana")
        for origin in ("https://chat.example.org", "https://api.example.org"):
            browser = Authenticator(origin)
            assert code_of(await register_passkey(ana, browser)) is None
            assert browser.passkeys[0].domain == "example.org"
            assert code_of(await log_in(server.person(), browser)) is None
        for origin in (ORIGIN, "https://example.org", "https://evil.example.org"):
            assert code_of(await register_passkey(ana, Authenticator(origin))) == "BAD_FACTOR"
