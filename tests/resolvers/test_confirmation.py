"""Step-up: dangerous changes are for who has proved lately to be who they are."""

from datetime import UTC, datetime, timedelta

import pytest

from resolvers.confirmation import CONFIRMED_FOR
from tests.parts.authenticator import Authenticator
from tests.parts.factors import (
    ORIGIN,
    App,
    a_minute_passes,
    acts,
    ask,
    challenged,
    code_of,
    complete,
    enable_totp,
    factors_of,
    register_passkey,
    tickets_expire,
    time_passes_for_sessions,
)
from tests.parts.people import PASSWORD
from tests.parts.running import running

DANGEROUS = [
    "mutation { beginTotp { secret errors { code } } }",
    "mutation { disableTotp { errors { code } } }",
    "mutation { regenerateRecoveryCodes { recoveryCodes errors { code } } }",
    "mutation { beginPasskeyRegistration { options errors { code } } }",
    'mutation { removePasskey(input: { passkeyId: "x" }) { errors { code } } }',
]
REGENERATE = DANGEROUS[2]


def db(server):
    return server.program.services.db


async def confirm(person, **proof):
    return await person.do("confirmIdentity", "confirmedUntil", **proof)


async def top_level(person, mutation):
    answer = await person.run(mutation)
    return [error["extensions"]["code"] for error in answer.get("errors", [])]


@pytest.mark.parametrize("mutation", DANGEROUS)
async def test_a_dangerous_change_is_not_made_long_after_the_log_in(sqlite_server, mutation):
    ana = await sqlite_server.registered("ana")
    await enable_totp(ana)
    before = await factors_of(ana)
    await time_passes_for_sessions(db(sqlite_server))
    assert await top_level(ana, mutation) == ["CONFIRMATION_REQUIRED"]
    assert await factors_of(ana) == before


async def test_the_password_confirms_who_has_no_second_factor(server):
    ana = await server.registered("ana")
    await time_passes_for_sessions(db(server))
    assert await top_level(ana, DANGEROUS[0]) == ["CONFIRMATION_REQUIRED"]
    assert code_of(await confirm(ana, password="wrong password")) == "BAD_CREDENTIALS"
    assert await top_level(ana, DANGEROUS[0]) == ["CONFIRMATION_REQUIRED"]
    payload = await confirm(ana, password=PASSWORD)
    until = datetime.fromisoformat(payload["confirmedUntil"])
    assert timedelta() < until - datetime.now(UTC) <= CONFIRMED_FOR
    assert await top_level(ana, DANGEROUS[0]) == []
    assert (await acts(db(server)))[-2:] == ["log_in_failed", "identity_confirmed"]


async def test_a_confirmation_is_of_one_session(server):
    ana = await server.registered("ana")
    phone = server.person()
    await phone.log_in("ana")
    await time_passes_for_sessions(db(server))
    await confirm(ana, password=PASSWORD)
    assert await top_level(phone, DANGEROUS[0]) == ["CONFIRMATION_REQUIRED"]


async def test_the_password_alone_does_not_confirm_who_has_a_second_factor(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    await time_passes_for_sessions(db(server))
    for password in (PASSWORD, "wrong password"):
        assert code_of(await confirm(ana, password=password)) == "SECOND_FACTOR_REQUIRED"
    assert await top_level(ana, REGENERATE) == ["CONFIRMATION_REQUIRED"]
    assert code_of(await confirm(ana, totpCode=app.code(1))) is None
    assert await top_level(ana, REGENERATE) == []


async def test_an_app_that_is_not_set_up_yet_proves_nothing(server):
    ana = await server.registered("ana")
    await register_passkey(ana, Authenticator(ORIGIN))
    app = App((await ask(ana, "beginTotp", "secret"))["secret"])
    assert code_of(await confirm(ana, totpCode=app.code())) == "BAD_FACTOR"
    challenge = await challenged(server.person(), "ana")
    assert challenge["methods"] == ["PASSKEY", "RECOVERY_CODE"]
    payload = await complete(server.person(), challenge["token"], totpCode=app.code())
    assert code_of(payload) == "BAD_FACTOR"


async def test_a_code_confirms_once(server):
    ana = await server.registered("ana")
    app, codes = await enable_totp(ana)
    for factor in ({"totpCode": app.code(1)}, {"recoveryCode": codes[0]}):
        assert code_of(await confirm(ana, **factor)) is None
        await time_passes_for_sessions(db(server))
        assert code_of(await confirm(ana, **factor)) == "BAD_FACTOR"
        assert await top_level(ana, REGENERATE) == ["CONFIRMATION_REQUIRED"]
    assert (await factors_of(ana))["recoveryCodesLeft"] == 9
    assert (await acts(db(server)))[-1] == "identity_not_confirmed"


async def test_a_passkey_confirms(server):
    ana = await server.registered("ana")
    authenticator = Authenticator(ORIGIN)
    assert code_of(await ask(ana, "beginPasskeyConfirmation", "options")) == "NOT_FOUND"
    await register_passkey(ana, authenticator)
    await time_passes_for_sessions(db(server))
    asked = await ask(ana, "beginPasskeyConfirmation", "challengeId options")
    answer = {
        "challengeId": asked["challengeId"],
        "credential": authenticator.get(asked["options"]),
    }
    assert code_of(await confirm(ana, passkey=answer)) is None
    assert await top_level(ana, REGENERATE) == []
    assert code_of(await confirm(ana, passkey=answer)) == "CHALLENGE_OVER"


async def test_a_passkey_of_another_account_does_not_confirm(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    anas, bens = Authenticator(ORIGIN), Authenticator(ORIGIN)
    await register_passkey(ana, anas)
    await register_passkey(ben, bens)
    await time_passes_for_sessions(db(server))
    asked = await ask(ana, "beginPasskeyConfirmation", "challengeId options")
    forged = {
        "challengeId": asked["challengeId"],
        "credential": bens.get(asked["options"], bens.passkeys[0]),
    }
    assert code_of(await confirm(ana, passkey=forged)) == "BAD_FACTOR"
    # Nor does somebody else's challenge, met with one's own.
    asked = await ask(ben, "beginPasskeyConfirmation", "challengeId options")
    others = {
        "challengeId": asked["challengeId"],
        "credential": anas.get(asked["options"], anas.passkeys[0]),
    }
    assert code_of(await confirm(ana, passkey=others)) == "CHALLENGE_OVER"
    for person in (ana, ben):
        assert await top_level(person, REGENERATE) == ["CONFIRMATION_REQUIRED"]


async def test_a_challenge_that_is_late_or_for_something_else_does_not_confirm(server):
    ana = await server.registered("ana")
    authenticator = Authenticator(ORIGIN)
    await register_passkey(ana, authenticator)
    late = await ask(ana, "beginPasskeyConfirmation", "challengeId options")
    await tickets_expire(db(server))
    log_in = await ask(server.person(), "beginPasskeyLogIn", "challengeId options")
    phone = server.person()
    asked = await ask(phone, "beginPasskeyLogIn", "challengeId options")
    payload = await phone.do(
        "finishPasskeyLogIn",
        "accessToken refreshToken session { id user { id handle } }",
        challengeId=asked["challengeId"],
        credential=authenticator.get(asked["options"]),
    )
    phone.take(payload)
    of_another_session = await ask(phone, "beginPasskeyConfirmation", "challengeId options")
    await time_passes_for_sessions(db(server))
    for begun in (late, log_in, of_another_session):
        answer = {
            "challengeId": begun["challengeId"],
            "credential": authenticator.get(begun["options"]),
        }
        assert code_of(await confirm(ana, passkey=answer)) == "CHALLENGE_OVER"
    assert await top_level(ana, REGENERATE) == ["CONFIRMATION_REQUIRED"]


async def test_a_log_in_with_a_second_factor_counts_as_confirmed(server):
    ana = await server.registered("ana")
    app, _ = await enable_totp(ana)
    await time_passes_for_sessions(db(server))
    await a_minute_passes(db(server))
    phone = server.person()
    challenge = await challenged(phone, "ana")
    phone.take(await complete(phone, challenge["token"], totpCode=app.code(1)))
    assert await top_level(phone, REGENERATE) == []
    assert await top_level(ana, REGENERATE) == ["CONFIRMATION_REQUIRED"]


async def test_nobody_confirms_without_a_session(sqlite_server):
    nobody = sqlite_server.person()
    answer = await nobody.run(
        "mutation Do($input: ConfirmIdentityInput!) "
        "{ confirmIdentity(input: $input) { confirmedUntil errors { code } } }",
        input={"password": PASSWORD},
    )
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_guessing_passwords_here_is_limited_too(migrated_sqlite_url):
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana = await server.registered("ana")
        codes = {code_of(await confirm(ana, password="wrong password")) for _ in range(31)}
        assert codes == {"BAD_CREDENTIALS", "RATE_LIMITED"}
