"""E-mail: a message, how it is written out, and what carries it away."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol, Self
from uuid import UUID

# As lines of a header or a body go: quoted-printable keeps within what RFC 5321 §4.5.3.1.6 allows.
_ENCODING = "quoted-printable"

_SENDER = re.compile(
    r"(?:(?P<name>[^<>@]*)(?P<open><))?(?P<address>[^\s<>@,;]+@[^\s<>@,;]+)(?(open)>)"
)


class BadSender(ValueError):
    """The sender is not an address, with a name before it or without one."""


class NotSent(Exception):
    """The message was not taken, and may be later; the text is for the log and tells no secret."""


class Refused(Exception):
    """The message was not taken and never will be; the text is for the log."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be sent to one address, as text and the same as HTML."""

    to: str
    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        """Refuse what would begin another header or address: raises `ValueError`."""
        for header in (self.to, self.subject):
            if not header.isprintable():
                raise ValueError("a header has a line break or a control character in it")
        if not self.to.isascii() or self.to.count("@") != 1 or not set(self.to).isdisjoint(" ,;<>"):
            raise ValueError("a message goes to one plain address")

    def dumps(self) -> bytes:
        """Return the message as bytes, for `loads`."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def loads(cls, dumped: bytes) -> Self:
        """Return the message that was dumped."""
        return cls(**json.loads(dumped))


class Transport(Protocol):
    """What carries messages away."""

    async def send(self, mail: EmailMessage) -> str:
        """Hand over a message and return where it went, for the log.

        Raises `NotSent` or `Refused`.
        """


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mail comes from."""

    name: str
    address: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the sender of `Name <address>` or an address alone; raises `BadSender`."""
        found = _SENDER.fullmatch(text.strip())
        if found is None or not text.isprintable() or not found["address"].isascii():
            raise BadSender("write it as: Chat <chat@example.org>")
        return cls((found["name"] or "").strip(' "'), found["address"])

    @property
    def domain(self) -> str:
        """The part of the address after the @."""
        return self.address.rpartition("@")[2]


def written(message: Message, sender: Sender, *, id: UUID, at: datetime) -> EmailMessage:
    """Return a message as it is sent.

    A message that is sent again bears the same Message-ID, so that mailboxes may notice.
    """
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = Address(sender.name, addr_spec=sender.address)
    mail["To"] = Address(addr_spec=message.to)
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's absence note answers it
    mail.set_content(message.text, cte=_ENCODING)
    mail.add_alternative(message.html, subtype="html", cte=_ENCODING)
    return mail
