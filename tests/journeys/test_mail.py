"""Mail from a server as people run it: its worker hands it to a real mail server."""

import asyncio
from urllib.parse import quote

import pytest

from tests.parts.factors import ask, challenged, complete, enable_totp, factors_of
from tests.parts.people import PASSWORD, Person
from tests.parts.smtp import MAIL_PASSWORD, USER

ANA = "ana@example.org"
NEW = "another good one"
QUICK = {"HUBBUB_PASSWORD_MEMORY_KIB": "8192", "HUBBUB_LOG_LEVEL": "debug"}


@pytest.fixture
async def people():
    """A function that makes clients of a server."""
    made = []

    def person(server):
        made.append(Person(server.url))
        return made[-1]

    yield person
    for one in made:
        await one.close()


async def start(hubbub, url, **more):
    given = {"HUBBUB_SMTP_URL": url, "HUBBUB_MAIL_FROM": "Team Chat <chat@example.org>"}
    return await asyncio.to_thread(hubbub, **QUICK, **given, **more)


def login_url(mail_server):
    user, password = quote(USER, safe=""), quote(MAIL_PASSWORD, safe="")
    return f"smtp://{user}:{password}@localhost:{mail_server.port}?starttls=required"


async def test_somebody_who_forgot_their_password_gets_back_in_by_mail(
    hubbub, strict_mail_server, people
):
    mail = strict_mail_server
    server = await start(
        hubbub,
        login_url(mail),
        HUBBUB_CLIENT_URL="https://chat.example.org",
        HUBBUB_SERVICE_NAME="Team Chat",
    )
    ana = people(server)
    await ana.register("ana", email=ANA)
    letter = await mail.next_to(ANA)
    assert (letter.tls, letter.user, letter.sender) == (True, USER, "chat@example.org")
    assert letter.mail["From"] == "Team Chat <chat@example.org>"
    assert letter.mail["Subject"] == "Confirm your e-mail address – Team Chat"
    assert f'href="https://chat.example.org/verify-email#token={letter.token}"' in letter.html
    await people(server).done("verifyEmail", "email", token=letter.token)

    async with ana.listening() as socket:
        stranger = people(server)
        await stranger.done("requestPasswordReset", "", handle=ANA)
        letter = await mail.next_to(ANA)
        assert f"https://chat.example.org/reset-password#token={letter.token}\n" in letter.text
        await stranger.done("resetPassword", "", token=letter.token, newPassword=NEW)
        assert (await socket.closed())[0] == 4403
    notice = await mail.next_to(ANA)
    assert notice.mail["Subject"] == "Your password was changed – Team Chat"
    given = {"handle": "ana", "password": PASSWORD}
    assert await stranger.refused("logIn", "accessToken", **given) == "BAD_CREDENTIALS"
    await stranger.log_in(ANA, NEW)

    log = server.process.log.read_text()
    assert log.count("mail_sent") == 3
    for secret in (letter.token, PASSWORD, NEW, MAIL_PASSWORD, quote(MAIL_PASSWORD, safe=""), ANA):
        assert secret not in log


async def test_second_factors_are_told_by_mail_and_stand_when_the_password_is_reset_by_mail(
    hubbub, mail_server, people
):
    server = await start(hubbub, f"smtp://127.0.0.1:{mail_server.port}")

    async def letter(subject):
        arrived = await mail_server.next_to(ANA)
        assert arrived.mail["Subject"] == f"{subject} – Hubbub"
        return arrived

    ana = people(server)
    await ana.register("ana", email=ANA)
    token = (await letter("Confirm your e-mail address")).token
    await ana.done("verifyEmail", "email", token=token)
    app, codes = await enable_totp(ana)
    notice = await letter("An authenticator app was added")
    for secret in (app.secret, *codes):
        assert secret not in notice.text
    phone = people(server)
    challenge = await challenged(phone, "ana")
    phone.take(await complete(phone, challenge["token"], totpCode=app.code(1)))

    # The phone is lost, with the app on it, and the password forgotten.
    laptop = people(server)
    await laptop.done("requestPasswordReset", "", handle=ANA)
    token = (await letter("Choose a new password")).token
    await laptop.done("resetPassword", "", token=token, newPassword=NEW)
    await letter("Your password was changed")
    for device in (ana, phone):
        answer = await device.run("{ viewer { email } }")
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    challenge = await challenged(laptop, ANA, NEW)
    assert challenge["methods"] == ["TOTP", "RECOVERY_CODE"]
    laptop.take(await complete(laptop, challenge["token"], recoveryCode=codes[0]))
    await letter("A recovery code was used")
    assert (await factors_of(laptop))["recoveryCodesLeft"] == len(codes) - 1
    await ask(laptop, "disableTotp", "__typename")
    await letter("An authenticator app was removed")
    await people(server).log_in("ana", NEW)
    assert mail_server.arrived.empty()


async def test_mail_written_while_the_mail_server_was_away_arrives_once_when_it_is_back(
    hubbub, mail_server, people
):
    url = f"smtp://127.0.0.1:{mail_server.port}"
    server = await start(hubbub, url)
    await mail_server.down()
    await people(server).register("ana", email=ANA)
    await asyncio.to_thread(
        server.process.wait_until, lambda: "mail_not_sent" in server.process.log.read_text(), 20
    )
    # Who starts anew does not forget what waits.
    assert await asyncio.to_thread(server.stop) == 0
    await mail_server.up()
    server.start()
    await asyncio.to_thread(server.wait_ready)
    assert (await mail_server.next_to(ANA)).mail["Subject"].startswith("Confirm")
    assert len(mail_server.taken) == 1


async def test_without_settings_mail_is_found_in_the_outbox(hubbub, people, tmp_path):
    server = await asyncio.to_thread(hubbub, **QUICK)
    await people(server).register("ana", email=ANA)
    outbox = tmp_path / "data/outbox"
    await asyncio.to_thread(server.process.wait_until, lambda: list(outbox.glob("*.eml")), 20)
    (file,) = outbox.glob("*.eml")
    assert b"To: ana@example.org" in file.read_bytes()
    await asyncio.to_thread(
        server.process.wait_until, lambda: str(file.name) in server.process.log.read_text(), 20
    )
