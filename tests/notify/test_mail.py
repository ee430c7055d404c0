"""A message as it is written out: its headers, its two forms, and what no header can hold."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from notify.mail import BadSender, Message, Sender, written

AT = datetime(2026, 11, 20, 13, 5, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")
MESSAGE = Message(
    to="ana@example.org", subject="Grüße – 1", text="Grüße\n" + "x" * 2000, html="<p>Grüße</p>"
)


def test_a_message_has_the_headers_that_mail_needs():
    wire = bytes(written(MESSAGE, Sender.read("Ünser Chat <chat@example.org>"), id=ID, at=AT))
    mail = message_from_bytes(wire, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert mail["From"].addresses[0].display_name == "Ünser Chat"
    assert mail["From"].addresses[0].addr_spec == "chat@example.org"
    assert (mail["To"], mail["Subject"]) == ("ana@example.org", "Grüße – 1")
    assert mail["Date"].datetime == AT
    assert mail["Message-ID"] == f"<{ID}@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    text, html = (part.get_content().replace("\r\n", "\n") for part in mail.iter_parts())
    assert (text, html) == (MESSAGE.text + "\n", MESSAGE.html + "\n")


def test_nothing_but_short_lines_of_ascii_goes_over_the_wire():
    wire = bytes(written(MESSAGE, Sender.read("chat@example.org"), id=ID, at=AT))
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) <= 78
    assert b"\n" not in wire.replace(b"\r\n", b"")


def test_a_message_is_the_same_after_it_was_kept():
    assert Message.loads(MESSAGE.dumps()) == MESSAGE


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hello\r\nBcc: ben@example.org"},
        {"subject": "Hello\nBcc: ben@example.org"},
        {"subject": "Hello\x00"},
        {"subject": "Hello\N{LINE SEPARATOR}"},
        {"to": "ana@example.org\r\nBcc: ben@example.org"},
        {"to": "ana@example.org, ben@example.org"},
        {"to": "ana@example.org;ben@example.org"},
        {"to": "Ana <ana@example.org>"},
        {"to": "ana@exämple.org"},
        {"to": "ana@b@example.org"},
        {"to": "ana"},
        {"to": ""},
    ],
)
def test_what_would_begin_another_header_or_address_makes_no_message(change):
    fields = {"to": "ana@example.org", "subject": "Hello", "text": "", "html": "", **change}
    with pytest.raises(ValueError, match=r"header|address"):
        Message(**fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chat",
        "Chat <chat>",
        "Chat <@example.org>",
        "Chat <chat@>",
        "a@example.org, b@example.org",
        "Chat <chat@example.org>\nBcc: x@example.org",
        "Chat\r\n <chat@example.org>",
        "Chat <chät@example.org>",
    ],
)
def test_what_is_no_sender_is_refused(text):
    with pytest.raises(BadSender):
        Sender.read(text)
