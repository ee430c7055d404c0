"""An internet of our own: a server that answers as badly as it likes, and the DNS that leads to it.

`OUTSIDE` stands for a public address: a test allows it by name, and nothing else. `INSIDE` is what
nobody from outside may reach; a server there notes who did.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from outbound.addresses import Addresses
from outbound.names import Dns
from outbound.web import Patience, Web

OUTSIDE = "127.0.0.2"
INSIDE = "127.0.0.1"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer as it goes over the wire; `_` in a header's name is a dash."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def page(body: bytes = b"<title>Hello</title>", **headers: str) -> bytes:
    return answer("200 OK", body, **{"Content_Type": "text/html; charset=utf-8", **headers})


def redirect(location: str) -> bytes:
    return answer("302 Found", Location=location)


@dataclass
class Server:
    """Answers paths with bytes, or has a function do it."""

    port: int
    answers: dict[str, bytes | Handler] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        lengths = [x for x in head.lower().split("\r\n") if x.startswith("content-length:")]
        body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b""
        self.asked.append(path)
        self.heads.append(head)
        self.bodies.append(body)
        found = self.answers.get(path, answer("404 Not Found"))
        if isinstance(found, bytes):
            writer.write(found)
            await writer.drain()
        else:
            await found(reader, writer)


@contextlib.asynccontextmanager
async def serving(host: str, port: int = 0, **options: Any) -> AsyncIterator[Server]:
    """Serve on an address until the block ends."""
    server = Server(port)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server._serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, host, port, **options)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()


class NameServer(asyncio.DatagramProtocol):
    """A DNS server: each name has a list of answers, one after the other, the last for ever."""

    def __init__(self) -> None:
        self.names: dict[str, Sequence[Sequence[str]]] = {}
        self.asked: list[str] = []
        self.port = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = str(question.name).rstrip(".")
        response = dns.message.make_response(query)
        known = self.names.get(name, [])
        if known and question.rdtype == dns.rdatatype.A:
            turn = min(self.asked.count(name), len(known) - 1)
            self.asked.append(name)
            found = [each for each in known[turn] if ":" not in each]
        else:
            turn = min(max(self.asked.count(name) - 1, 0), len(known) - 1)
            found = [each for each in known[turn] if ":" in each] if known else []
        if found:
            response.answer.append(
                dns.rrset.from_text(question.name, 0, "IN", question.rdtype, *found)
            )
        self._transport.sendto(response.to_wire(), address)


@contextlib.asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Answer DNS on a free port until the block ends."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()


@dataclass
class Internet:
    """A villain outside, a secret inside, names for both, and a way to ask."""

    villain: Server
    inside: Server
    dns: NameServer
    web: Web

    def url(self, path: str = "/", host: str = "villain.test") -> str:
        return f"http://{host}:{self.villain.port}{path}"

    def inside_url(self, host: str = INSIDE) -> str:
        return f"http://{host}:{self.inside.port}/secret"

    async def got(self, url: str, *, maximum: int = 100_000) -> bytes:
        """Return the HTML that a URL leads to."""
        return (await self.web.get(url, types=["text/html"], maximum=maximum)).body


@contextlib.asynccontextmanager
async def internet(**more: Any) -> AsyncIterator[Internet]:
    """Set up both servers on one port, and their names: a name may lead to one, then the other."""
    async with (
        name_server() as names,
        serving(OUTSIDE) as villain,
        # Of another address, so the port is free there, but for a rare coincidence.
        serving(INSIDE, villain.port) as inside,
    ):
        inside.answers["/secret"] = page(b"<title>The keys</title>")
        names.names["villain.test"] = [[OUTSIDE]]
        yield Internet(villain, inside, names, way_out(names, villain.port, **more))


def way_out(names: NameServer, *ports: int, **more: Any) -> Web:
    """Return a `Web` for which `OUTSIDE` is all there is to reach."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], names.port
    more.setdefault("patience", Patience(connect=1.0, read=1.0, whole=2.0))
    return Web(
        Addresses([ip_network(OUTSIDE)]),
        user_agent="Test",
        ports=ports,
        names=Dns(resolver),
        **more,
    )


@pytest.fixture
async def net() -> AsyncIterator[Internet]:
    """An Internet with a villain in it."""
    async with internet() as opened:
        yield opened
