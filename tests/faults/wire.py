"""One `graphql-transport-ws` socket, as raw as it comes: many operations, one subscription."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import websockets
from websockets.asyncio.client import ClientConnection

OPEN_TIMEOUT = 15.0  # seconds to connect and be acknowledged
# A node that answers no ping for so long is left. The machine may be slow; a frozen node may thaw.
SILENCE = 6.0
CLOSE_FORBIDDEN = 4403

Listener = Callable[[Any], None]


class Lost(Exception):
    """The socket is gone, or never came about; what was asked may or may not have been done."""

    def __init__(self, reason: str, code: int | None = None) -> None:
        super().__init__(reason)
        self.code = code


class Answered(Exception):
    """The server answered with a top-level error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Wire:
    """An open socket; `run` asks, `listen` hears."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._listener: Listener | None = None
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._heard = asyncio.Event()
        self._stalled = False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, url: str, token: str, receive_buffer: int | None = None
    ) -> AsyncIterator[Wire]:
        """Connect and sign in; raises `Lost`. The socket is read until the block ends.

        The system may hold so many bytes that were not read, or as many as it likes.
        """
        connection = await _connect(url, token, receive_buffer)
        wire = cls(connection)
        tasks = [asyncio.create_task(wire._read()), asyncio.create_task(wire._watch())]
        try:
            yield wire
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            wire._give_up(Lost("closed by us"))
            connection.transport.abort()

    async def run(self, query: str, patience: float, **variables: Any) -> Any:
        """Return an operation's data; raises `Lost`, `Answered` or `TimeoutError`."""
        id_ = str(next(self._ids))
        answer = self._waiting[id_] = asyncio.get_running_loop().create_future()
        try:
            await self._send(id_, query, variables)
            async with asyncio.timeout(patience):
                return await answer
        finally:
            self._waiting.pop(id_, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # it may have come while nobody waited any more

    async def listen(self, query: str, listener: Listener, **variables: Any) -> str:
        """Hand every result of a subscription on, until it ends; return the server's last word.

        Raises `Lost` when the socket goes, `Answered` when the subscription is refused.
        """
        self._listener = listener
        await self._send("events", query, variables)
        return await asyncio.shield(self._ended)

    def stall(self) -> None:
        """Read nothing any more, and do not leave for hearing nothing."""
        self._stalled = True
        self._connection.transport.pause_reading()

    def read_on(self) -> None:
        """Read again after `stall`, and see what became of the socket."""
        self._connection.transport.resume_reading()

    async def _send(self, id_: str, query: str, variables: dict[str, Any]) -> None:
        payload = {"query": query, "variables": variables}
        message = orjson.dumps({"id": id_, "type": "subscribe", "payload": payload}).decode()
        if self._ended.done():
            raise Lost("the socket is gone")
        try:
            async with asyncio.timeout(SILENCE):
                await self._connection.send(message)
        except (websockets.ConnectionClosed, TimeoutError) as error:
            raise Lost(repr(error)) from None

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                self._heard.set()
                self._take(orjson.loads(text))
            self._give_up(self._closed())
        except websockets.ConnectionClosed:
            self._give_up(self._closed())
        except Exception as error:  # noqa: BLE001 - a bug of ours: who waits shall see it
            self._give_up(error)

    def _closed(self) -> Lost:
        code = self._connection.close_code
        return Lost(f"closed with {code}", code)

    async def _watch(self) -> None:
        """Leave a node that says nothing any more."""
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(SILENCE / 2)
                if self._stalled:
                    return
                self._heard.clear()
                await self._connection.send('{"type":"ping"}')
                try:
                    async with asyncio.timeout(SILENCE):
                        await self._heard.wait()
                except TimeoutError:
                    self._give_up(Lost("silence"))
                    self._connection.transport.abort()
                    return

    def _take(self, message: Any) -> None:
        id_, kind = message.get("id"), message["type"]
        if id_ == "events":
            if kind == "next" and self._listener is not None:
                self._listener(message["payload"])
            elif kind == "error":
                self._end(Answered(_code(message["payload"])))
            elif kind == "complete" and not self._ended.done():
                self._ended.set_result("complete")
            return
        answer = self._waiting.get(id_)
        if answer is None or answer.done():
            return
        if kind == "error":
            answer.set_exception(Answered(_code(message["payload"])))
        elif kind == "next":
            errors = message["payload"].get("errors")
            if errors:
                answer.set_exception(Answered(_code(errors)))
            else:
                answer.set_result(message["payload"]["data"])

    def _give_up(self, reason: Exception) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(reason)
        self._end(reason)

    def _end(self, reason: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(reason)
            self._ended.exception()  # nobody may be listening


async def _connect(url: str, token: str, receive_buffer: int | None) -> ClientConnection:
    """Return an acknowledged connection; raises `Lost`."""
    connection = None
    given: dict[str, Any] = {}
    try:
        async with asyncio.timeout(OPEN_TIMEOUT):
            if receive_buffer is not None:
                given["sock"] = await _small(url, receive_buffer)
            connection = await websockets.connect(
                url,
                subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
                proxy=None,
                compression=None,
                ping_interval=None,
                max_size=None,
                max_queue=None,
                open_timeout=None,
                **given,
            )
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            await connection.send(orjson.dumps(init).decode())
            while orjson.loads(await connection.recv())["type"] != "connection_ack":
                pass
            return connection
    except BaseException as error:
        code = connection.close_code if connection is not None else None
        if connection is not None:
            connection.transport.abort()
        if isinstance(error, (OSError, TimeoutError, EOFError, websockets.WebSocketException)):
            raise Lost(repr(error), code) from None
        raise


async def _small(url: str, receive_buffer: int) -> socket.socket:
    """Return a connected socket with a receive buffer of a fixed size."""
    address = urlsplit(url)
    small = socket.socket()
    small.setblocking(False)
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(small, (address.hostname, address.port))
    return small


def _code(errors: Any) -> str:
    return str(errors[0].get("extensions", {}).get("code", errors[0].get("message")))
