"""Sockets that do not take what they are given at once: nothing is lost, doubled or overtaken."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
import uvicorn
import websockets
from graphql import get_introspection_query
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

import tests.parts.running
from realtime import wire
from server.run import configuration
from tests.parts.people import PATIENCE
from tests.parts.running import running

RESUMED = """
subscription($after: Cursor) { events(after: $after) { ... on MessageSent { message { seq } } } }
"""


@pytest.fixture(params=["direct", "asgi"])
async def server_of_each_kind(request, migrated_sqlite_url, monkeypatch):
    """A server whose sockets are written to directly, and one that knows only ASGI."""

    def plain(app) -> uvicorn.Config:
        config = configuration(app)
        config.ws = WebSocketsSansIOProtocol
        return config

    if request.param == "asgi":
        monkeypatch.setattr(tests.parts.running, "configuration", plain)
    async with running(migrated_sqlite_url) as server:
        yield server


@asynccontextmanager
async def reading_nothing(socket):
    """Take nothing off a socket inside the block."""
    socket.connection.transport.pause_reading()
    try:
        yield
    finally:
        socket.connection.transport.resume_reading()


async def heard(socket, count):
    return [(await socket.next())["message"]["seq"] for _ in range(count)]


@pytest.mark.parametrize("limit", [0, 2000, wire.LAG_LIMIT])
async def test_a_burst_arrives_once_and_in_order_however_little_may_wait(
    server_of_each_kind, monkeypatch, limit
):
    server = server_of_each_kind
    monkeypatch.setattr(wire, "LAG_LIMIT", limit)
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    async with ben.listening() as socket:
        await asyncio.gather(*(ana.send(chat_id, "x" * 500) for _ in range(60)))
        assert await heard(socket, 60) == list(range(1, 61))


async def test_who_pauses_hears_everything_afterwards(server_of_each_kind):
    server = server_of_each_kind
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    async with ben.listening() as slow, ana.listening() as quick:
        async with reading_nothing(slow):
            for number in range(90):  # the buffers of both ends, and some of the mailbox
                await ana.send(chat_id, "x" * 9000)
                assert await heard(quick, 1) == [number + 1]
        assert await heard(slow, 90) == list(range(1, 91))
        await ana.send(chat_id, "Still here?")
        assert await heard(slow, 1) == [91]


async def test_who_reads_nothing_is_cut_off_and_can_resume(server_of_each_kind, monkeypatch):
    server = server_of_each_kind
    monkeypatch.setattr(wire, "SEND_TIMEOUT", 0.3)
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    after = (await ben.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    sockets = server.program.services.node.sockets
    sent = 0
    async with ben.listening() as slow, ana.listening() as quick:
        slow.connection.transport.pause_reading()
        while len(sockets) == 2:
            assert sent < 5000, "the stalled socket is still open"
            await ana.send(chat_id, "x" * 9000)
            sent += 1
            assert await heard(quick, 1) == [sent]
        slow.connection.transport.resume_reading()
        assert (await slow.closed())[0] in (1006, 1013)  # clients come back after either
    async with ben.socket() as socket:
        await socket.subscribe("events", RESUMED, after=after)
        assert await heard(socket, sent) == list(range(1, sent + 1))


async def test_a_ping_is_answered_while_much_is_delivered(server_of_each_kind):
    server = server_of_each_kind
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Busy", ben)
    async with ben.listening() as socket:
        sending = asyncio.gather(*(ana.send(chat_id, "x" * 5000) for _ in range(20)))
        await socket.send(type="ping", payload={"n": 1})
        types = [(await socket.receive())["type"] for _ in range(21)]
        assert sorted(types) == ["next"] * 20 + ["pong"]
        await sending


async def test_who_asks_much_and_reads_nothing_is_cut_off(server_of_each_kind, monkeypatch):
    server = server_of_each_kind
    monkeypatch.setattr(wire, "SEND_TIMEOUT", 0.3)
    sockets = server.program.services.node.sockets
    asked = get_introspection_query()  # its answer has some 200 KB
    async with server.person().socket() as socket:
        socket.connection.transport.pause_reading()
        watching = server.person()
        async with asyncio.timeout(3 * PATIENCE):  # they take seconds of a core to answer
            with contextlib.suppress(websockets.ConnectionClosed):
                for number in range(90):  # more than both ends buffer
                    await socket.subscribe(f"q{number}", asked)
                    await watching.get("/healthz")
            while len(sockets):
                await watching.get("/healthz")
        socket.connection.transport.resume_reading()
        assert (await socket.closed())[0] == 1006
