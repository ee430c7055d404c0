"""Asking strangers' servers, and telling them something: the only way out of this program.

Each request has a connection of its own: no cookies, no proxy of the environment, nothing kept. The
text of docs/security.md says against what each rule is, and names the test of it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpcore
import httpx

from outbound import bodies
from outbound.addresses import Addresses
from outbound.errors import (
    AddressRefused,
    BadStatus,
    TooLarge,
    TooManyRedirects,
    Unreachable,
    Unusable,
    WrongType,
)
from outbound.names import Dns, Names
from outbound.network import CheckedNetwork
from outbound.targets import Target, target

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the next bytes, and for all of it.

    The last is what ends an answer that comes drop by drop.
    """

    connect: float = 4.0
    read: float = 5.0
    whole: float = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """What was found: at which URL in the end, of which type, and its bytes."""

    url: str
    content_type: str
    charset: str | None
    body: bytes


class Web:
    """The internet, as far as it may be asked."""

    def __init__(
        self,
        addresses: Addresses,
        *,
        user_agent: str,
        ports: Collection[int] = (),
        names: Names | None = None,
        patience: Patience | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._addresses = addresses
        self._ports = frozenset(ports)
        self._names = names or Dns()
        self._patience = patience or Patience()
        self._tls = tls
        self._user_agent = user_agent

    @property
    def plain_allowed(self) -> bool:
        """Whether there may be anybody whom what is secret is told without TLS."""
        return self._addresses.any_allowed

    def target(self, url: str) -> Target:
        """Return where a URL leads; raises `BadTarget`. Of its addresses it says nothing."""
        return target(url, self._ports)

    def may_reach(self, where: Target) -> bool:
        """Whether a target that is an address may be reached; of a name nothing is known yet."""
        if where.address is None:
            return True
        try:
            self._addresses.check(where.address)
        except AddressRefused:
            return False
        return True

    async def get(self, url: str, *, types: Collection[str], maximum: int) -> Page:
        """Return a page of one of these types, of `maximum` bytes at most; follows redirects.

        Raises `Refused`, `Unusable` or `Unreachable`.
        """
        where = self.target(url)
        headers = {"accept": ", ".join(types), "accept-encoding": bodies.ENCODINGS}
        async with self._in_time():
            for _ in range(MAX_REDIRECTS + 1):
                async with self._asked("GET", where, headers) as response:
                    if response.status not in _REDIRECTS:
                        return await _page(where, response, types, maximum)
                    where = where.moved(_header(response, b"location"), self._ports)
        raise TooManyRedirects(f"redirected more than {MAX_REDIRECTS} times")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body to whom it is for alone, and return the status of the answer.

        What is answered besides is not read, and no redirect followed. Without TLS, only what the
        operator allows is told. Raises `Refused` or `Unreachable`.
        """
        where = self.target(url)
        sent = {**headers, "content-length": str(len(body))}
        async with self._in_time(), self._asked("POST", where, sent, body) as response:
            return response.status

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience.whole):
                yield
        except TimeoutError as error:
            raise Unreachable("did not answer in time") from error

    @asynccontextmanager
    async def _asked(
        self, method: str, where: Target, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[httpcore.Response]:
        """Yield an answer whose headers have come; raises `Refused` or `Unreachable`."""
        network = CheckedNetwork(where, self._names, self._addresses, secret=method == "POST")
        url = httpcore.URL(
            scheme=where.scheme.encode(),
            host=where.host.encode(),
            port=where.port,
            target=where.path,
        )
        sent = {
            "host": where.authority,
            "user-agent": self._user_agent,
            "connection": "close",
            **headers,
        }
        patience = self._patience
        timeouts = {"connect": patience.connect, "read": patience.read, "write": patience.read}
        connection = httpcore.AsyncHTTPConnection(
            url.origin, ssl_context=self._context(), network_backend=network
        )
        try:
            async with (
                connection,
                connection.stream(
                    method,
                    url,
                    headers=list(sent.items()),
                    content=body,
                    extensions={"timeout": timeouts},
                ) as response,
            ):
                yield response
        # By themselves: a header of more than 100 KiB, or none at all, is a protocol error too.
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise Unreachable(_told(error)) from error

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


def _told(error: Exception) -> str:
    """Return what went wrong in our words: theirs may hold what the other side has sent."""
    if isinstance(error, httpcore.TimeoutException):
        return "did not answer in time"
    if isinstance(error, httpcore.ProtocolError):
        return "does not answer in HTTP"
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return "its certificate is not trusted"
    return "the connection broke"


async def _page(
    where: Target, response: httpcore.Response, types: Collection[str], maximum: int
) -> Page:
    if response.status != 200:
        raise BadStatus(response.status)
    content_type, charset = _media(_header(response, b"content-type"))
    if content_type not in types:  # before a byte of it is read
        raise WrongType("of a type that was not asked for")
    length = _header(response, b"content-length")
    if length.isdigit() and int(length) > maximum:
        raise TooLarge(f"longer than {maximum} bytes")
    encoding = _header(response, b"content-encoding")
    # httpcore declares the stream as either kind; of an asynchronous connection it is this one.
    chunks = response.aiter_stream()
    found = await bodies.body(chunks, encoding, maximum=maximum)
    return Page(str(where.url), content_type, charset, found)


def _header(response: httpcore.Response, name: bytes) -> str:
    found = [value for each, value in response.headers if each.lower() == name]
    if len(found) > 1:
        raise Unusable("says one thing twice")
    return found[0].decode("latin-1").strip() if found else ""


def _media(value: str) -> tuple[str, str | None]:
    """Return the type of a `Content-Type`, and its charset."""
    type_, *parameters = value.split(";")
    for each in parameters:
        name, _, charset = each.partition("=")
        if name.strip().lower() == "charset":
            return type_.strip().lower(), charset.strip().strip("\"'").lower()
    return type_.strip().lower(), None
