"""A real mail server for tests, on a port of its own: it keeps what it takes."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from resolvers import mails
from tests.parts.running import Running, running

PATIENCE = 15.0  # seconds; a test that waits longer for a mail has failed
USER, MAIL_PASSWORD = "hubbub@example.org", "p@ss/w:rd"


@dataclass
class Taken:
    """A message that the server has taken, for whom, and what it knows of who sent it."""

    mail: EmailMessage
    sender: str
    recipients: list[str]
    tls: bool
    user: str | None

    @property
    def text(self) -> str:
        """The message as plain text."""
        part = self.mail.get_body(("plain",))
        assert part is not None
        content: str = part.get_content()
        return content.replace("\r\n", "\n")

    @property
    def html(self) -> str:
        """The message as HTML."""
        part = self.mail.get_body(("html",))
        assert part is not None
        content: str = part.get_content()
        return content.replace("\r\n", "\n")

    @property
    def token(self) -> str:
        """The code that the message shows: what stands alone and indented in its text."""
        return code_in(self.text)


def code_in(text: str) -> str:
    """Return the code that a mail's text shows."""
    (token,) = re.findall(r"^    (\S+)$", text, re.MULTILINE)
    return str(token)


@dataclass
class MailServer:
    """Takes what comes, unless it is told to refuse, to hold back, or to be down."""

    tls_context: ssl.SSLContext | None = None
    auth_required: bool = False
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    # In place of 250, at a recipient and at a message.
    recipient_answer: str | None = None
    message_answer: str | None = None
    connections: int = 0

    def __post_init__(self) -> None:
        self.arrived: asyncio.Queue[Taken] = asyncio.Queue()
        self.may_take = asyncio.Event()
        self.may_take.set()
        self.asked_to_take: asyncio.Queue[str] = asyncio.Queue()
        self._server: asyncio.Server | None = None
        self._sessions: list[SMTP] = []

    async def up(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen, with TLS from the start if asked; after `down` on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections, and cut off those that are open."""
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            transport = session.transport
            # With TLS, one that is closed already has nothing left to abort.
            if isinstance(transport, asyncio.WriteTransport) and not transport.is_closing():
                transport.abort()
        self._sessions.clear()
        await self._server.wait_closed()
        self._server = None

    async def next(self) -> Taken:
        """Return the next message that arrives."""
        async with asyncio.timeout(PATIENCE):
            return await self.arrived.get()

    async def next_to(self, address: str) -> Taken:
        """Return the next message to an address, and pass over others."""
        while True:
            taken = await self.next()
            if taken.recipients == [address]:
                return taken

    def _session(self) -> SMTP:
        self.connections += 1
        session = SMTP(
            self,
            hostname="localhost",
            tls_context=self.tls_context,
            require_starttls=self.tls_context is not None,
            auth_required=self.auth_required,
            auth_require_tls=self.tls_context is not None,
            authenticator=_authenticate,
            loop=asyncio.get_running_loop(),
        )
        self._sessions.append(session)
        return session

    # --- what aiosmtpd calls ------------------------------------------------------------------

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        if self.recipient_answer:
            return self.recipient_answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.asked_to_take.put_nowait(envelope.rcpt_tos[0])
        await self.may_take.wait()
        if self.message_answer:
            return self.message_answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        taken = Taken(
            mail=mail,
            sender=envelope.mail_from or "",
            recipients=envelope.rcpt_tos,
            tls=session.ssl is not None,
            user=getattr(session, "auth_data", None),
        )
        self.taken.append(taken)
        self.arrived.put_nowait(taken)
        return "250 Taken"


def _authenticate(_: SMTP, __: Session, ___: Envelope, mechanism: str, login: object) -> AuthResult:
    assert mechanism in ("LOGIN", "PLAIN")
    assert isinstance(login, LoginPassword)
    right = (login.login, login.password) == (USER.encode(), MAIL_PASSWORD.encode())
    return AuthResult(success=right, handled=False, auth_data=login.login.decode())


@dataclass
class Posting:
    """A server that sends mail, and the mail server that takes it."""

    server: Running
    mail_server: MailServer

    async def delivered(self) -> list[Taken]:
        """Do the worker's work, and return what it sent."""
        before = len(self.mail_server.taken)
        await mails.deliver(self.server.program.services)
        return self.mail_server.taken[before:]

    async def letter(self, address: str) -> Taken:
        """Do the worker's work, and return the one message that it sent, to this address."""
        (taken,) = await self.delivered()
        assert taken.recipients == [address]
        return taken


@pytest.fixture
async def posting(migrated_database_url: str, mail_server: MailServer) -> AsyncIterator[Posting]:
    """A server that sends mail; the test runs once on SQLite and once on PostgreSQL."""
    async with posting_to(mail_server, migrated_database_url) as started:
        yield started


@pytest.fixture
async def sqlite_posting(
    migrated_sqlite_url: str, mail_server: MailServer
) -> AsyncIterator[Posting]:
    """A server on SQLite that sends mail."""
    async with posting_to(mail_server, migrated_sqlite_url) as started:
        yield started


@contextlib.asynccontextmanager
async def posting_to(
    mail_server: MailServer, database_url: str, **given: object
) -> AsyncIterator[Posting]:
    """Serve on a database, with mail that goes to a mail server."""
    given.setdefault("smtp_url", f"smtp://127.0.0.1:{mail_server.port}")
    async with running(database_url, mail_from="Chat <chat@example.org>", **given) as server:
        yield Posting(server, mail_server)


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """A mail server without TLS that takes mail of anybody."""
    async with _running(MailServer()) as server:
        yield server


@pytest.fixture
async def strict_mail_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MailServer]:
    """A mail server that wants STARTTLS and a log-in; its certificate is trusted by the test."""
    certificate, key = certificate_for_localhost(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with _running(MailServer(tls_context=context, auth_required=True)) as server:
        yield server


@contextlib.asynccontextmanager
async def _running(server: MailServer) -> AsyncIterator[MailServer]:
    await server.up()
    try:
        yield server
    finally:
        server.may_take.set()
        with contextlib.suppress(AssertionError):
            await server.down()


def certificate_for_localhost(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for this machine and its key; return where they are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "mail.pem", folder / "mail.key"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, key_pem
