"""SMTP: messages handed to a mail server (RFC 5321, submission RFC 6409)."""

import asyncio
import contextlib
import ipaddress
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from notify.mail import NotSent, Refused

COMMAND_TIMEOUT = 15.0  # seconds for one answer of the server's
SEND_TIMEOUT = 45.0  # seconds for all of it
QUIT_TIMEOUT = 3.0  # seconds; the message is gone by then
SUBMISSION = 587  # RFC 6409 §3.1
SUBMISSIONS = 465  # RFC 8314 §7.3


class BadSmtpUrl(ValueError):
    """The URL names no mail server; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server, and how it is talked to.

    Without TLS from the start it has to be turned on before anything else is said (`starttls`),
    unless the server is on this machine.
    """

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def read(cls, url: str) -> Self:
        """Return the server of `smtp://user:password@host:587` or `smtps://…`.

        Raises `BadSmtpUrl`, whose text holds nothing of the URL.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadSmtpUrl("it is not a URL") from None
        if parts.scheme not in ("smtp", "smtps"):
            raise BadSmtpUrl("use smtp://user:password@host:587, or smtps:// for TLS at once")
        if not host or parts.path not in ("", "/") or parts.fragment:
            raise BadSmtpUrl("after the host and its port nothing may follow but ?starttls=never")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        starttls = options.pop("starttls", "never" if _on_this_machine(host) else "required")
        if options or starttls not in ("required", "never"):
            raise BadSmtpUrl("the only option is ?starttls=required or ?starttls=never")
        tls = parts.scheme == "smtps"
        if (parts.username is None) != (parts.password is None):
            raise BadSmtpUrl("give both a user and a password, or neither")
        return cls(
            host=host,
            port=port or (SUBMISSIONS if tls else SUBMISSION),
            tls=tls,
            starttls=not tls and starttls == "required",
            user=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )


def _on_this_machine(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


class Smtp:
    """Hands messages to one mail server, each in a connection of its own.

    Certificates are checked against what the system trusts (`SSL_CERT_FILE` names another file).
    """

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._tls = ssl.create_default_context()

    async def send(self, mail: EmailMessage) -> str:
        """Hand over a message and return the server's name; raises `NotSent` or `Refused`.

        A message that the server has taken counts as sent, however it says goodbye.
        """
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            # The machine's own name would be asked of the DNS, each time.
            local_hostname=mail["From"].addresses[0].domain,
            timeout=COMMAND_TIMEOUT,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=self._tls,
            username=server.user,
            password=server.password,
        )
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await client.connect()
                await client.send_message(mail)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(QUIT_TIMEOUT):
                    await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _told(error) from None  # it may quote what was sent
        finally:
            client.close()
        return f"{server.host}:{server.port}"


def _told(error: Exception) -> NotSent | Refused:
    """Return what an error means for the message, without what the server said about people.

    What is wrong with the server, the log-in or the sender can be mended, and the message waits.
    """
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            code = error.recipients[0].code
            return Refused(f"recipient {code}") if code >= 500 else NotSent(f"recipient {code}")
        case aiosmtplib.SMTPDataError():
            code = error.code
            return Refused(f"message {code}") if code >= 500 else NotSent(f"message {code}")
        case aiosmtplib.SMTPResponseException():
            return NotSent(f"{type(error).__name__} {error.code}")
        case aiosmtplib.SMTPConnectError() | ssl.SSLError():
            return NotSent(str(error))  # about host, port and certificate: nothing was said yet
        case _:
            return NotSent(type(error).__name__)
