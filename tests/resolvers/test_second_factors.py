"""One-time passwords and recovery codes: set up, asked for, guessed at, and done without."""

import asyncio

import pytest
import sqlalchemy as sa

from accounts.recovery_codes import COUNT
from models import audit, recovery_codes, totp
from resolvers.log_in_challenges import MAX_TRIES
from resolvers.rates import Rate
from tests.parts.factors import (
    CHALLENGE,
    FACTORS,
    App,
    a_minute_passes,
    acts,
    ask,
    challenged,
    code_of,
    complete,
    enable_totp,
    factors_of,
    tickets_expire,
)
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.running import running

NO_FACTORS = {"totp": False, "passkeys": [], "recoveryCodesLeft": 0}
WHO = "{ viewer { user { handle } } }"


def db(server):
    return server.program.services.db


async def test_an_account_has_no_second_factor_and_the_password_is_enough(server):
    ana = await server.registered("ana")
    assert await factors_of(ana) == NO_FACTORS
    payload = await server.person().done("logIn", CHALLENGE, handle="ana", password=PASSWORD)
    assert payload["challenge"] is None
    assert payload["accessToken"]


async def test_an_app_is_set_up_and_its_code_completes_a_log_in(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    assert len(codes) == COUNT
    assert await factors_of(ana) == {"totp": True, "passkeys": [], "recoveryCodesLeft": COUNT}
    phone = server.person()
    challenge = await challenged(phone, "ana")
    assert challenge["methods"] == ["TOTP", "RECOVERY_CODE"]
    assert challenge["passkeyOptions"] is None
    payload = await complete(phone, challenge["token"], totpCode=app.code(1))
    phone.take(payload)
    assert (await phone.ask(WHO))["viewer"]["user"]["handle"] == "ana"
    assert (await acts(db(server)))[-4:] == [
        "totp_enabled",
        "recovery_codes_made",
        "log_in_challenged",
        "logged_in",
    ]


async def test_the_session_is_called_what_the_first_half_of_the_log_in_said(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    phone = server.person()
    payload = await phone.done(
        "logIn", CHALLENGE, handle="ana", password=PASSWORD, deviceName="Ana's phone"
    )
    phone.take(await complete(phone, payload["challenge"]["token"], totpCode=app.code(1)))
    answer = await phone.ask("{ viewer { session { deviceName } } }")
    assert answer["viewer"]["session"]["deviceName"] == "Ana's phone"


async def test_a_challenge_is_no_token(server):
    ana = await server.registered("ana")
    await enable_totp(ana)
    phone = server.person()
    phone.token = (await challenged(phone, "ana"))["token"]
    answer = await phone.run(WHO)
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    code = await phone.refused("refreshSession", SIGNED_IN, refreshToken=phone.token)
    assert code == "UNAUTHENTICATED"
    async with db(server).reading() as connection:
        count = sa.text("SELECT count(*) FROM sessions")
        assert (await connection.execute(count)).scalar_one() == 1


async def test_a_wrong_password_is_answered_alike_with_and_without_a_second_factor(server):
    ana = await server.registered("ana")
    await server.registered("ben")
    await enable_totp(ana)
    answers = [
        await server.person().do("logIn", CHALLENGE, handle=handle, password="wrong password")
        for handle in ("ana", "ben", "nobody")
    ]
    assert answers[0] == answers[1] == answers[2]
    assert code_of(answers[0]) == "BAD_CREDENTIALS"


async def test_nothing_is_asked_for_before_the_first_code_has_come(server):
    ana = await server.registered("ana")
    begun = await ask(ana, "beginTotp", "secret uri qrSvg")
    assert begun["secret"] in begun["uri"]
    assert begun["qrSvg"].startswith("<svg")
    assert await factors_of(ana) == NO_FACTORS
    await server.person().log_in("ana")
    code = await ana.refused("confirmTotp", "recoveryCodes", code="000000")
    assert code == "BAD_FACTOR"
    assert await factors_of(ana) == NO_FACTORS


async def test_beginning_again_makes_another_secret_until_one_is_confirmed(server):
    ana = await server.registered("ana")
    first = await ask(ana, "beginTotp", "secret")
    await ask(ana, "beginTotp", "secret")
    code = await ana.refused("confirmTotp", "recoveryCodes", code=App(first["secret"]).code())
    assert code == "BAD_FACTOR"
    app, _ = await enable_totp(ana)
    assert code_of(await ask(ana, "beginTotp", "secret")) == "CONFLICT"
    code = await ana.refused("confirmTotp", "recoveryCodes", code=app.code(1))
    assert code == "CONFLICT"


async def test_confirming_what_was_not_begun_is_refused(server):
    ana = await server.registered("ana")
    assert await ana.refused("confirmTotp", "recoveryCodes", code="000000") == "NOT_FOUND"
    assert code_of(await ask(ana, "disableTotp", "__typename")) == "NOT_FOUND"
    assert code_of(await ask(ana, "regenerateRecoveryCodes", "recoveryCodes")) == "NOT_FOUND"


async def test_the_secret_is_not_in_the_database(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    async with db(server).reading() as connection:
        (sealed,) = (await connection.execute(sa.select(totp.totp.c.sealed_secret))).scalars()
        hashes = (await connection.execute(sa.select(recovery_codes.recovery_codes.c.hash))).all()
        details = (await connection.execute(sa.select(audit.audit_log.c.details))).all()
    assert app.secret.encode() not in sealed
    assert len(hashes) == COUNT
    assert not any(code in repr((hashes, details)) for code in (*codes, app.secret))


async def test_the_code_that_set_the_app_up_logs_nobody_in(server):
    ana = await server.registered("ana")
    begun = await ask(ana, "beginTotp", "secret")
    code = App(begun["secret"]).code()
    await ana.done("confirmTotp", "recoveryCodes", code=code)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    assert code_of(await complete(phone, challenge["token"], totpCode=code)) == "BAD_FACTOR"


async def test_a_code_is_good_once_in_whatever_challenge(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    phone, thief = server.person(), server.person()
    code = app.code(1)
    theirs = await challenged(thief, "ana")
    phone.take(await complete(phone, (await challenged(phone, "ana"))["token"], totpCode=code))
    assert code_of(await complete(thief, theirs["token"], totpCode=code)) == "BAD_FACTOR"
    # Nor is the one before it, which nobody has used.
    assert code_of(await complete(thief, theirs["token"], totpCode=app.code())) == "BAD_FACTOR"


async def test_of_many_who_use_a_code_at_once_one_gets_in(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    people = [server.person() for _ in range(6)]
    challenges = [await challenged(person, "ana") for person in people]
    code = app.code(1)
    payloads = await asyncio.gather(
        *(
            complete(person, challenge["token"], totpCode=code)
            for person, challenge in zip(people, challenges, strict=True)
        )
    )
    assert sorted(map(str, map(code_of, payloads))) == ["BAD_FACTOR"] * 5 + ["None"]


@pytest.mark.parametrize("code", ["", "x", "000000", "12345", "\x00", "9" * 5000])
async def test_a_wrong_code_is_refused_and_the_challenge_goes_on(sqlite_server, code):
    ana = await sqlite_server.registered("ana")
    app, _ = await enable_totp(ana)
    phone = sqlite_server.person()
    challenge = await challenged(phone, "ana")
    for factor in ("totpCode", "recoveryCode", "passkey"):
        payload = await complete(phone, challenge["token"], **{factor: code})
        assert code_of(payload) == "BAD_FACTOR"
        assert payload["session"] is None
    assert code_of(await complete(phone, challenge["token"], totpCode=app.code(1))) is None


async def test_a_challenge_takes_one_proof_and_no_more(sqlite_server):
    ana = await sqlite_server.registered("ana")
    await enable_totp(ana)
    phone = sqlite_server.person()
    challenge = await challenged(phone, "ana")
    for factor in ({}, {"totpCode": "000000", "recoveryCode": "x"}, {"totpCode": None}):
        answer = await phone.run(
            "mutation Do($input: CompleteLogInInput!) "
            "{ completeLogIn(input: $input) { accessToken errors { code } } }",
            input={"challengeToken": challenge["token"], "factor": factor},
        )
        assert answer["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


async def test_guessing_ends_the_challenge(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    refusals = [
        code_of(await complete(phone, challenge["token"], totpCode=app.code(9)))
        for _ in range(MAX_TRIES)
    ]
    assert refusals == ["BAD_FACTOR"] * (MAX_TRIES - 1) + ["CHALLENGE_OVER"]
    payload = await complete(phone, challenge["token"], recoveryCode=codes[0])
    assert code_of(payload) == "CHALLENGE_OVER"
    assert (await acts(db(server))).count("second_factor_failed") == MAX_TRIES
    # Another one is to be had with the password, as before.
    challenge = await challenged(phone, "ana")
    assert code_of(await complete(phone, challenge["token"], recoveryCode=codes[0])) is None


async def test_a_mutation_guesses_once(sqlite_server):
    ana = await sqlite_server.registered("ana")
    await enable_totp(ana)
    phone = sqlite_server.person()
    token = (await challenged(phone, "ana"))["token"]
    factor = f'{{ challengeToken: "{token}", factor: {{ totpCode: "000000" }} }}'
    guesses = [f"a{n}: completeLogIn(input: {factor}) {{ accessToken }}" for n in range(2)]
    for others in (guesses[1], 'b: confirmIdentity(input: { password: "x" }) { confirmedUntil }'):
        answer = await phone.run(f"mutation {{ {guesses[0]} {others} }}")
        assert answer["errors"][0]["extensions"]["code"] == "TOO_MANY_FIELDS"
    assert "second_factor_failed" not in await acts(db(sqlite_server))


async def test_guesses_that_come_all_at_once_are_counted_each(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    people = [server.person() for _ in range(4 * MAX_TRIES)]
    challenge = await challenged(people[0], "ana")
    payloads = await asyncio.gather(
        *(complete(person, challenge["token"], totpCode=app.code(9)) for person in people)
    )
    refusals = [code_of(payload) for payload in payloads]
    assert refusals.count("BAD_FACTOR") == MAX_TRIES - 1
    assert (await acts(db(server))).count("second_factor_failed") == MAX_TRIES


async def test_who_guesses_codes_too_often_keeps_the_owner_from_codes_and_from_nothing_else(
    migrated_sqlite_url,
):
    limit = Rate.TOTP_OF_ACCOUNT.items[0].amount
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana = await server.registered("ana")
        app, codes = await enable_totp(ana)
        thief = server.person()
        limited = None
        for _ in range(limit):
            challenge = await challenged(thief, "ana")
            payload = await complete(thief, challenge["token"], totpCode=app.code(9))
            if code_of(payload) == "RATE_LIMITED":
                limited = payload["errors"][0]
                break
        assert limited is not None
        assert limited["__typename"] == "RateLimitedError"
        phone = server.person()
        challenge = await challenged(phone, "ana")
        payload = await complete(phone, challenge["token"], totpCode=app.code(1))
        assert code_of(payload) == "RATE_LIMITED"
        # It did not count as a try, either.
        payload = await complete(phone, challenge["token"], recoveryCode=codes[0])
        assert code_of(payload) is None


async def test_a_challenge_is_met_once(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    await complete(phone, challenge["token"], totpCode=app.code(1))
    for factor in ({"totpCode": app.code(1)}, {"recoveryCode": codes[0]}):
        assert code_of(await complete(phone, challenge["token"], **factor)) == "CHALLENGE_OVER"
    assert (await factors_of(ana))["recoveryCodesLeft"] == COUNT


async def test_of_two_who_meet_a_challenge_at_once_one_gets_in(server):
    ana = await server.registered("ana")
    _, codes = await enable_totp(ana)
    people = [server.person() for _ in range(4)]
    challenge = await challenged(people[0], "ana")
    payloads = await asyncio.gather(
        *(
            complete(person, challenge["token"], recoveryCode=code)
            for person, code in zip(people, codes, strict=False)
        )
    )
    assert sorted(map(str, map(code_of, payloads))) == ["CHALLENGE_OVER"] * 3 + ["None"]


async def test_a_challenge_that_is_late_unknown_or_for_something_else_is_over(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    phone = server.person()
    late = await challenged(phone, "ana")
    await tickets_expire(db(server))
    other = await ask(phone, "beginPasskeyLogIn", "challengeId options")
    for token in (late["token"], other["challengeId"], "", "x", "\x00", "é" * 2000, ana.token):
        payload = await complete(phone, token, totpCode=app.code(1))
        assert code_of(payload) == "CHALLENGE_OVER"


async def test_a_suspended_person_does_not_complete_a_log_in(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    async with db(server).writing() as connection:
        await connection.execute(sa.text("UPDATE users SET suspended_at = created_at"))
    payload = await complete(phone, challenge["token"], totpCode=app.code(1))
    assert code_of(payload) == "CHALLENGE_OVER"


async def test_a_recovery_code_lets_one_in_once(server):
    ana = await server.registered("ana")
    _, codes = await enable_totp(ana)
    phone = server.person()
    typed = codes[3].replace("-", " ").upper()
    challenge = await challenged(phone, "ana")
    phone.take(await complete(phone, challenge["token"], recoveryCode=typed))
    assert (await factors_of(phone))["recoveryCodesLeft"] == COUNT - 1
    challenge = await challenged(phone, "ana")
    payload = await complete(phone, challenge["token"], recoveryCode=codes[3])
    assert code_of(payload) == "BAD_FACTOR"
    assert "recovery_code_used" in await acts(db(server))


async def test_of_many_who_use_a_recovery_code_at_once_one_gets_in(server):
    ana = await server.registered("ana")
    _, codes = await enable_totp(ana)
    people = [server.person() for _ in range(5)]
    challenges = [await challenged(person, "ana") for person in people]
    payloads = await asyncio.gather(
        *(
            complete(person, challenge["token"], recoveryCode=codes[0])
            for person, challenge in zip(people, challenges, strict=True)
        )
    )
    assert sorted(map(str, map(code_of, payloads))) == ["BAD_FACTOR"] * 4 + ["None"]
    assert (await factors_of(ana))["recoveryCodesLeft"] == COUNT - 1


async def test_a_recovery_code_of_somebody_else_is_none(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await enable_totp(ana)
    _, bens = await enable_totp(ben)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    payload = await complete(phone, challenge["token"], recoveryCode=bens[0])
    assert code_of(payload) == "BAD_FACTOR"
    assert (await factors_of(ben))["recoveryCodesLeft"] == COUNT


async def test_new_recovery_codes_take_the_place_of_the_old_ones(server):
    ana = await server.registered("ana")
    _, old = await enable_totp(ana)
    new = (await ask(ana, "regenerateRecoveryCodes", "recoveryCodes"))["recoveryCodes"]
    assert len(new) == COUNT
    assert not set(new) & set(old)
    phone = server.person()
    challenge = await challenged(phone, "ana")
    payload = await complete(phone, challenge["token"], recoveryCode=old[0])
    assert code_of(payload) == "BAD_FACTOR"
    assert code_of(await complete(phone, challenge["token"], recoveryCode=new[0])) is None


async def test_without_the_app_the_password_is_enough_again_and_the_codes_are_gone(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    phone = server.person()
    waiting = await challenged(phone, "ana")
    payload = await ask(ana, "disableTotp", f"secondFactors {{ {FACTORS} }}")
    assert payload["secondFactors"] == NO_FACTORS == await factors_of(ana)
    for factor in ({"totpCode": app.code(1)}, {"recoveryCode": codes[0]}):
        assert code_of(await complete(phone, waiting["token"], **factor)) == "BAD_FACTOR"
    await phone.log_in("ana")
    assert "totp_disabled" in await acts(db(server))


async def test_a_secret_that_cannot_be_read_fits_no_code(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    async with db(server).writing() as connection:
        await connection.execute(totp.totp.update().values(sealed_secret=b"x" * 64))
    await a_minute_passes(db(server))
    phone = server.person()
    challenge = await challenged(phone, "ana")
    payload = await complete(phone, challenge["token"], totpCode=app.code())
    assert code_of(payload) == "BAD_FACTOR"
    assert code_of(await complete(phone, challenge["token"], recoveryCode=codes[0])) is None
