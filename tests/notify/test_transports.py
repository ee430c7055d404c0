"""What carries mail: a real SMTP server, with and without TLS and log-in, and the outbox."""

import os
import ssl
import time
from datetime import UTC, datetime
from email import message_from_bytes, policy
from urllib.parse import quote
from uuid import uuid4

import pytest

from notify import smtp
from notify.mail import Message, NotSent, Refused, Sender, written
from notify.outbox import Outbox
from notify.smtp import BadSmtpUrl, Smtp, SmtpServer
from tests.parts.smtp import MAIL_PASSWORD, USER, MailServer, certificate_for_localhost

SENDER = Sender.read("Chat <chat@example.org>")


def mail(to="ana@example.org"):
    message = Message(to=to, subject="Hello", text=".\n.hidden\nGrüße", html="<p>Grüße</p>")
    return written(message, SENDER, id=uuid4(), at=datetime.now(UTC))


def smtp_to(server, options="", scheme="smtp", login=""):
    return Smtp(SmtpServer.read(f"{scheme}://{login}127.0.0.1:{server.port}{options}"))


LOGIN = f"{quote(USER, safe='')}:{quote(MAIL_PASSWORD, safe='')}@"


async def test_a_message_arrives_as_it_was_written(mail_server):
    where = await smtp_to(mail_server).send(mail())
    assert where == f"127.0.0.1:{mail_server.port}"
    taken = await mail_server.next()
    assert (taken.sender, taken.recipients) == ("chat@example.org", ["ana@example.org"])
    assert taken.text.splitlines() == [".", ".hidden", "Grüße"]
    assert (taken.tls, taken.user) == (False, None)


async def test_a_server_that_wants_it_gets_tls_and_a_log_in(strict_mail_server):
    await smtp_to(strict_mail_server, "?starttls=required", login=LOGIN).send(mail())
    taken = await strict_mail_server.next()
    assert (taken.tls, taken.user) == (True, USER)


async def test_tls_can_come_first(tmp_path, monkeypatch):
    certificate, key = certificate_for_localhost(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = MailServer()
    await server.up(tls=context)
    try:
        await smtp_to(server, scheme="smtps").send(mail())
        assert (await server.next()).recipients == ["ana@example.org"]
    finally:
        await server.down()


async def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(
    strict_mail_server, monkeypatch
):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NotSent, match=r"(?i)certificate|tls"):
        await smtp_to(strict_mail_server, "?starttls=required", login=LOGIN).send(mail())
    assert strict_mail_server.taken == []


async def test_a_server_without_starttls_gets_neither_password_nor_mail(mail_server):
    with pytest.raises(NotSent):
        await smtp_to(mail_server, "?starttls=required", login=LOGIN).send(mail())
    assert mail_server.taken == []


async def test_a_wrong_password_is_told_without_itself(strict_mail_server):
    login = f"{quote(USER, safe='')}:wr0ng@"
    transport = smtp_to(strict_mail_server, "?starttls=required", login=login)
    with pytest.raises(NotSent, match="SMTPAuthenticationError 535") as refused:
        await transport.send(mail())
    assert "wr0ng" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("at", "answer", "error", "text"),
    [
        ("recipient_answer", "550 No such user ana@example.org", Refused, "recipient 550"),
        ("recipient_answer", "450 Mailbox full of ana@example.org", NotSent, "recipient 450"),
        ("message_answer", "554 Spam to ana@example.org", Refused, "message 554"),
        ("message_answer", "452 Disk full", NotSent, "message 452"),
    ],
)
async def test_a_refusal_is_for_good_or_for_now_and_names_nobody(
    mail_server, at, answer, error, text
):
    setattr(mail_server, at, answer)
    with pytest.raises(error) as refused:
        await smtp_to(mail_server).send(mail())
    assert str(refused.value) == text
    assert mail_server.taken == []


async def test_a_server_that_is_away_may_come_back(mail_server):
    await mail_server.down()
    with pytest.raises(NotSent, match=str(mail_server.port)):
        await smtp_to(mail_server).send(mail())
    await mail_server.up()
    await smtp_to(mail_server).send(mail())


async def test_a_server_that_says_nothing_is_given_up_on(mail_server, monkeypatch):
    monkeypatch.setattr(smtp, "SEND_TIMEOUT", 0.2)
    mail_server.may_take.clear()
    with pytest.raises(NotSent, match="TimeoutError"):
        await smtp_to(mail_server).send(mail())


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, False, True, None, None)),
        ("smtps://mail.example.org", ("mail.example.org", 465, True, False, None, None)),
        ("smtp://u:p@mail.example.org:25/", ("mail.example.org", 25, False, True, "u", "p")),
        ("smtp://u%40x:p%3Aq%2F@h", ("h", 587, False, True, "u@x", "p:q/")),
        ("smtp://relay:25?starttls=never", ("relay", 25, False, False, None, None)),
        ("smtp://localhost:25", ("localhost", 25, False, False, None, None)),
        ("smtp://[::1]:25", ("::1", 25, False, False, None, None)),
        ("smtp://127.0.0.1?starttls=required", ("127.0.0.1", 587, False, True, None, None)),
    ],
)
def test_a_url_says_which_server_and_how(url, server):
    read = SmtpServer.read(url)
    assert (read.host, read.port, read.tls, read.starttls, read.user, read.password) == server
    assert "p:q" not in repr(read)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://:secret@",
        "smtp://user@mail.example.org",
        "smtp://user:secret@mail.example.org:x",
        "smtp://user:secret@mail.example.org:99999",
        "smtp://user:secret@mail.example.org/path",
        "smtp://user:secret@mail.example.org?tls=no",
        "smtp://user:secret@mail.example.org?starttls=maybe",
        "smtp://user:secret@[mail",
    ],
)
def test_a_url_that_is_wrong_is_refused_without_being_quoted(url):
    with pytest.raises(BadSmtpUrl) as refused:
        SmtpServer.read(url)
    assert "secret" not in str(refused.value)


async def test_an_outbox_holds_whole_messages_that_only_their_owner_reads(tmp_path):
    outbox = Outbox(tmp_path / "data" / "outbox")
    paths = [await outbox.send(mail(f"{name}@example.org")) for name in ("ana", "ben")]
    assert sorted(map(str, outbox.folder.iterdir())) == paths
    for path, name in zip(paths, ("ana", "ben"), strict=True):
        with open(path, "rb") as file:  # noqa: PTH123, ASYNC230
            read = message_from_bytes(file.read(), policy=policy.default)
        assert read["To"] == f"{name}@example.org"
        assert os.stat(path).st_mode & 0o777 == 0o600  # noqa: PTH116
    assert outbox.folder.stat().st_mode & 0o777 == 0o700


async def test_an_outbox_forgets_what_is_old_and_touches_nothing_else(tmp_path):
    outbox = Outbox(tmp_path)
    old = tmp_path / "1.eml"
    foreign = tmp_path / "notes.txt"
    for path in (old, foreign):
        path.touch()
        os.utime(path, (0, time.time() - 8 * 24 * 3600))
    await outbox.send(mail())
    assert not old.exists()
    assert foreign.exists()
    assert len(list(tmp_path.iterdir())) == 2
