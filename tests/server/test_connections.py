"""Connections of peers that keep to no rules: the server neither waits nor keeps for ever."""

import asyncio
import contextlib
import json
import re
import socket

import pytest

from server import connections

PATIENCE = 10.0
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
PING, CONTINUATION, TEXT = 0x89, 0x00, 0x01
FINAL = 0x80


def frame(kind, data=b""):
    """Return a client's frame, under a mask of zeros."""
    assert len(data) < 126
    return bytes([kind, 0x80 | len(data)]) + b"\0\0\0\0" + data


@contextlib.asynccontextmanager
async def connected(server):
    """Connect with small buffers, so that what nobody reads is the server's to keep."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    await asyncio.get_running_loop().sock_connect(plain, address)
    reader, writer = await asyncio.open_connection(sock=plain, limit=4096)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def everything(reader):
    """Return what comes until the server closes the connection."""
    got = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE):
            while data := await reader.read(65536):
                got += data
    return got


async def answer(reader):
    """Return the status and the body of one answer."""
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), await reader.readexactly(length)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-"])
async def test_a_head_that_is_never_finished_ends_the_connection(sqlite_server, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    async with connected(sqlite_server) as (reader, writer):
        writer.write(sent)
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_socket_lives_longer_than_a_head_may_take(sqlite_server, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.5)
    ana = await sqlite_server.registered("ana")
    loop = asyncio.get_running_loop()
    async with ana.socket() as socket:
        opened = loop.time()
        while loop.time() < opened + 2 * connections.HEAD_TIMEOUT:
            await socket.send(type="ping")
            assert (await socket.receive())["type"] == "pong"


async def test_the_next_head_of_a_connection_is_waited_for_no_longer_than_the_first(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.3)
    async with connected(sqlite_server) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 200
        writer.write(b"GET /healthz HTTP/1.1\r\n")
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_nobody_waits_for_ends_the_connection(sqlite_server, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.1)
    async with connected(sqlite_server) as (reader, writer):
        writer.write(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert (await answer(reader))[0] == 405
        writer.write(b"x")
        await everything(reader)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 200_000,
        b"GET /healthz?" + b"a" * 200_000,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 40_000,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"ab: cd\r\n" * 20_000 + b"\r\n",
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        + b"a: b\r\n" * 40_000,
        UPGRADE[:-2] + b"ab: cd\r\n" * 20_000 + b"\r\n",
    ],
    ids=["one header", "address", "headers", "finished", "trailers", "upgrade"],
)
async def test_a_head_that_is_too_large_ends_the_connection(sqlite_server, head):
    async with connected(sqlite_server) as (reader, writer):
        writer.write(head)
        # What was still under way when the connection was closed may take the answer along.
        assert b" 200 " not in await everything(reader)


async def test_a_head_of_an_ordinary_length_is_served_however_it_is_cut(sqlite_server):
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"x-a: b\r\n" * 500 + b"\r\n"
    async with connected(sqlite_server) as (reader, writer):
        for size in (1, 1000, len(head)):
            for start in range(0, len(head), size):
                writer.write(head[start : start + size])
                await writer.drain()
            assert (await answer(reader))[0] == 200


@pytest.fixture
async def large(sqlite_server):
    """Requests for more than what the system keeps under way, and how many bytes that is."""
    person = sqlite_server.person()
    page = (await person.get("/graphiql/")).text
    paths = [f"/graphiql/{path}" for path in re.findall(r'"\./(assets/[^"]+)"', page)]
    sizes = {path: len((await person.get(path)).content) for path in paths}
    largest = max(sizes, key=lambda path: sizes[path])
    count = 16 * 1024 * 1024 // sizes[largest] + 1
    return f"GET {largest} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * count, count * sizes[largest]


async def test_an_answer_that_nobody_takes_ends_the_connection(sqlite_server, monkeypatch, large):
    monkeypatch.setattr(connections, "STALL_TIMEOUT", 0.2)
    ended = asyncio.Event()
    monkeypatch.setattr(connections.log, "info", lambda _: ended.set())
    requests, size = large
    async with connected(sqlite_server) as (reader, writer):
        writer.write(requests)
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        assert len(await everything(reader)) < size


async def test_a_long_answer_that_is_taken_arrives_whole(sqlite_server, monkeypatch, large):
    monkeypatch.setattr(connections, "STALL_TIMEOUT", 0.2)
    requests, size = large
    got = 0
    async with connected(sqlite_server) as (reader, writer):
        writer.write(requests)
        async with asyncio.timeout(60):
            while got < size:
                got += len(await reader.read(65536))
    assert got >= size


async def test_a_large_body_in_small_chunks_is_read_whole(sqlite_server):
    body = json.dumps({"query": "{ server { name } }", "unused": "x" * 500_000}).encode()
    async with connected(sqlite_server) as (reader, writer):
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        status, got = await answer(reader)
    assert (status, json.loads(got)) == (200, {"data": {"server": {"name": "Hubbub"}}})


async def test_pings_whose_answers_nobody_reads_are_not_answered_one_by_one(sqlite_server):
    count = 120_000
    async with connected(sqlite_server) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        some = frame(PING, b"x" * 125) * 1000
        async with asyncio.timeout(60):
            for _ in range(count // 1000):
                writer.write(some)
                await writer.drain()
        writer.write(frame(PING, b"the last"))
        got = b""
        async with asyncio.timeout(60):
            while b"the last" not in got[-20:]:
                got += await reader.read(65536)
    assert len(got) < count * 127 / 2


async def test_a_message_in_endless_pieces_closes_the_socket(sqlite_server):
    async with connected(sqlite_server) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(TEXT) + frame(CONTINUATION) * 5000)
        assert b"\x03\xf1" in await everything(reader)  # 1009


async def test_text_that_is_not_utf_8_closes_the_socket_and_is_nobodys_fault_but_its_senders(
    sqlite_server, caplog
):
    async with connected(sqlite_server) as (reader, writer):
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(TEXT | FINAL, b"\xff"))
        assert b"\x03\xef" in await everything(reader)  # 1007
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
