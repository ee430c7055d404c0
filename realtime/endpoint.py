"""The WebSocket endpoint: carries out what `realtime/protocol.py` decides, on ASGI.

Per socket there are a reader, one task per operation and a few timers, all owned by one task group
that ends with the socket. Writes go out one at a time; one that takes too long ends the socket.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import structlog

from models.errors import Unauthenticated
from models.viewer import Viewer
from realtime.hub import SlowConsumer
from realtime.operations import Authenticator, OperationRequest, Rejected, Renderer
from realtime.protocol import (
    SUBPROTOCOL,
    Authenticate,
    Close,
    CloseCode,
    Effect,
    Send,
    Start,
    Stop,
)
from realtime.protocol import Protocol as TransportProtocol
from realtime.sockets import Sockets

log = structlog.get_logger(__name__)

Message = MutableMapping[str, Any]

INIT_TIMEOUT = 10.0  # seconds for connection_init after the socket opened
PING_INTERVAL = 25.0  # seconds; below the idle limits of common proxies (30 to 60)
SEND_TIMEOUT = 20.0  # seconds a peer may leave one frame unread
AUTHENTICATION_TIMEOUT = 10.0
ANSWER_TIMEOUT = 5.0  # seconds a socket may outlive its session, to answer what ended it
MAX_OPERATIONS = 100  # per socket; GraphiQL and Apollo use a handful


class Endpoint:
    """What all sockets share; called once per socket."""

    def __init__(self, renderer: Renderer, authenticator: Authenticator, sockets: Sockets) -> None:
        self.renderer = renderer
        self.authenticator = authenticator
        self.sockets = sockets

    async def serve(
        self,
        subprotocols: Iterable[str],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one socket from its `websocket.connect` until it is gone."""
        await receive()  # websocket.connect
        if SUBPROTOCOL not in subprotocols:
            # Accepted first: a browser shows a client the close code, but never an HTTP status.
            await send({"type": "websocket.accept"})
            await send(
                {
                    "type": "websocket.close",
                    "code": CloseCode.SUBPROTOCOL_NOT_ACCEPTABLE,
                    "reason": f"Speak {SUBPROTOCOL}",
                }
            )
            return
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
        await _Socket(self, receive, send).run()


class _Socket:
    """One open socket."""

    def __init__(
        self,
        endpoint: Endpoint,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self._endpoint = endpoint
        self._receive = receive
        self._send = send
        self._protocol = TransportProtocol(max_operations=MAX_OPERATIONS)
        self._writing = asyncio.Lock()
        self._viewer: Viewer | None = None
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._timers: list[asyncio.Task[None]] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._closing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        self._endpoint.sockets.add(self)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._timers.append(tasks.create_task(self._await_init()))
                self._timers.append(tasks.create_task(self._keep_alive()))
                await self._read()
                for task in (*self._timers, *self._operations.values()):
                    task.cancel()
        except* _Gone:
            pass
        finally:
            self._tasks = None
            self._endpoint.sockets.remove(self, self._viewer)

    def close_soon(self, code: CloseCode, reason: str) -> asyncio.Task[None] | None:
        if self._tasks is not None and self._closing is None:
            asking = asyncio.current_task()
            mine = asking if asking in self._operations.values() else None
            self._closing = self._tasks.create_task(self._close(code, reason, after=mine))
        return self._closing

    async def _close(
        self, code: CloseCode, reason: str, *, after: asyncio.Task[None] | None
    ) -> None:
        if after is not None:
            # An operation of this very socket ended the session: it is answered before.
            await asyncio.wait([after], timeout=ANSWER_TIMEOUT)
        await self._perform(self._protocol.close(code, reason))

    async def _read(self) -> None:
        # Nothing of a frame is held on to while the next one is waited for.
        while await self._take(await self._receive()):
            pass

    async def _take(self, message: Message) -> bool:
        """Act on what came; returns whether more may come."""
        if message["type"] == "websocket.disconnect":
            return False
        text = message.get("text")
        if text is None:
            await self._perform(self._protocol.receive_binary())
        else:
            await self._perform(self._protocol.receive(text))
        return True

    async def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(text):
                    await self._write({"type": "websocket.send", "text": text.decode()})
                case Close(code, reason):
                    for task in self._operations.values():
                        if task is not asyncio.current_task():  # it may be what closes the socket
                            task.cancel()
                    await self._write(
                        {"type": "websocket.close", "code": int(code), "reason": reason}
                    )
                case Authenticate(payload):
                    await self._authenticate(payload)
                case Start(id_, request):
                    self._start(id_, request)
                case Stop(id_):
                    if operation := self._operations.get(id_):
                        operation.cancel()

    async def _write(self, message: Message) -> None:
        """Send one frame; a peer that does not read ends the socket, not the server."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT), self._writing:
                await self._send(message)
        except TimeoutError:
            log.info("socket_stalled")
            raise _Gone from None
        except (OSError, RuntimeError):  # uvicorn's ways to say that the peer has gone
            raise _Gone from None

    async def _authenticate(self, payload: dict[str, Any]) -> None:
        authorization = next(
            (value for name, value in payload.items() if name.lower() == "authorization"), None
        )
        try:
            if authorization is not None and not isinstance(authorization, str):
                raise Unauthenticated("authorization must be a string")
            async with asyncio.timeout(AUTHENTICATION_TIMEOUT):
                self._viewer = await self._endpoint.authenticator.authenticate(authorization)
        except Unauthenticated as refusal:
            await self._perform(self._protocol.close(CloseCode.FORBIDDEN, refusal.message))
            return
        except Exception:
            log.exception("socket_authentication_failed")
            await self._perform(
                self._protocol.close(CloseCode.TRY_AGAIN_LATER, "Could not check the token now")
            )
            return
        if self._viewer is not None:
            self._endpoint.sockets.signed_in(self, self._viewer)
            if self._tasks is not None:
                expiry = self._await_expiry(self._viewer.expires_at)
                self._timers.append(self._tasks.create_task(expiry))
        await self._perform(self._protocol.accepted())

    async def _await_init(self) -> None:
        await asyncio.sleep(INIT_TIMEOUT)
        await self._perform(self._protocol.init_overdue())

    async def _await_expiry(self, moment: datetime) -> None:
        await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())
        await self._perform(self._protocol.close(CloseCode.FORBIDDEN, "The access token expired"))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(PING_INTERVAL)
            await self._perform(self._protocol.ping())

    def _start(self, id_: str, request: OperationRequest) -> None:
        if self._tasks is None:
            return
        # A client may reuse an id as soon as it has completed it, while the old task still ends.
        task = self._tasks.create_task(self._operate(id_, request))
        self._operations[id_] = task
        task.add_done_callback(lambda done: self._forget(id_, done))

    def _forget(self, id_: str, task: asyncio.Task[None]) -> None:
        if self._operations.get(id_) is task:
            del self._operations[id_]

    async def _operate(self, id_: str, request: OperationRequest) -> None:
        stream = self._endpoint.renderer.stream(request, self._viewer)
        del request  # a megabyte perhaps, of which the stream keeps what it needs
        try:
            async with aclosing(stream) as results:
                async for result in results:
                    if isinstance(result, Rejected):
                        await self._perform(self._protocol.error(id_, result.errors))
                        return
                    await self._perform(self._protocol.next(id_, result.payload))
        except SlowConsumer:
            await self._perform(
                self._protocol.close(
                    CloseCode.TRY_AGAIN_LATER, "Read too slowly: reconnect and resume"
                )
            )
            return
        except _Gone:
            raise
        except Exception:
            # The renderer masks what goes wrong in an operation; this is a bug beyond it, and it
            # must not take the socket's other operations along.
            log.exception("operation_crashed")
            internal = {"message": "Internal error", "extensions": {"code": "INTERNAL"}}
            await self._perform(self._protocol.error(id_, [internal]))
            return
        await self._perform(self._protocol.complete(id_))


class _Gone(Exception):
    """The peer is not there any more."""
