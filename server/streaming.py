"""A subscription over HTTP: one response that stays open, as an ASGI application.

A few tasks belong to it: one writes results, one keeps the connection from looking idle, one waits
for the client to go and one for its token to expire. A stream that the server ends before the
operation is over is broken off, so that the client comes back and resumes: see `cut_off` in the
modules that make the bytes.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import structlog
from starlette.types import Message, Receive, Scope, Send

from models.viewer import Viewer
from realtime.mailbox import SlowConsumer
from realtime.operations import Rejected, Result
from realtime.protocol import CloseCode
from realtime.sockets import CLOSE_TIMEOUT, RESTARTING, Sockets
from realtime.tasks import end
from realtime.wire import SEND_TIMEOUT
from schema.errors import internal_error

log = structlog.get_logger(__name__)

# "every 15 seconds or so", says HTML Standard §9.2.7; proxies cut off after 30 to 60 idle seconds.
HEARTBEAT_INTERVAL = 15.0
MAX_STREAMS = 100  # per session, as many as operations on a socket; a browser has one or two

HEADERS = {
    "cache-control": "no-store, no-transform",  # a proxy that compresses would gather first
    "vary": "accept, authorization",
    "x-accel-buffering": "no",  # NGINX hands on what comes at once
}

_CODES = {CloseCode.FORBIDDEN: "UNAUTHENTICATED"}


class Framing(Protocol):
    """How a stream is written down: `realtime/event_stream.py`, `realtime/multipart.py`."""

    CONTENT_TYPE: str
    OPENING: bytes
    HEARTBEAT: bytes
    COMPLETE: bytes

    def result(self, payload: bytes, cursor: str | None = None) -> bytes:
        """Return one result."""

    def cut_off(self, code: str, reason: str) -> bytes:
        """Return the end of a stream that is to be opened again."""


class Stream:
    """One open stream; `realtime/sockets.py` keeps it among the sockets of its session."""

    def __init__(
        self,
        framing: Framing,
        results: AsyncGenerator[Result | Rejected, None],
        viewer: Viewer | None,
        sockets: Sockets,
    ) -> None:
        self._framing = framing
        self._results = results
        self._viewer = viewer
        self._sockets = sockets
        self._ending = framing.COMPLETE
        self._broken_off = asyncio.Event()
        self._writing = asyncio.Lock()
        self._serving: asyncio.Task[Any] | None = None
        self._send: Send
        self._scope: Scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it until the operation is over, somebody ends it, or the client is gone."""
        self._scope, self._send = scope, send
        self._serving = asyncio.current_task()
        self._sockets.add(self, stream=True)
        if self._viewer is not None:
            self._sockets.signed_in(self, self._viewer)
        if self._sockets.going_down:
            self.close_soon(CloseCode.RESTARTING, RESTARTING)
        try:
            await self._serve(receive)
        except* _Gone:
            pass
        finally:
            self._serving = None
            self._sockets.remove(self, self._viewer)

    def close_soon(
        self, code: CloseCode, reason: str, after: asyncio.Task[Any] | None = None
    ) -> asyncio.Task[Any] | None:
        """Break the stream off; returns the task that serves it, None if it is over."""
        if self._serving is not None and not self._broken_off.is_set():
            self._ending = self._framing.cut_off(_CODES.get(code, "RECONNECT"), reason)
            self._broken_off.set()
        return self._serving

    async def _serve(self, receive: Receive) -> None:
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._watch(receive))]
            await self._open()
            over = [
                tasks.create_task(self._tell()),
                tasks.create_task(self._broken_off.wait()),
            ]
            beside.append(tasks.create_task(self._keep_alive()))
            if self._viewer is not None:
                beside.append(tasks.create_task(self._await_expiry(self._viewer.expires_at)))
            await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
            await end([*over, *beside])
            await self._write(self._ending, more=False, within=CLOSE_TIMEOUT)

    async def _open(self) -> None:
        headers = {"content-type": self._framing.CONTENT_TYPE, **HEADERS}
        await self._put(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            }
        )
        # Clients and proxies learn at once that it stands, however long nothing happens.
        await self._write(self._framing.OPENING)

    async def _tell(self) -> None:
        """Write what the operation yields."""
        try:
            async with aclosing(self._results) as results:
                async for result in results:
                    if isinstance(result, Rejected):
                        await self._write(self._framing.result(as_payload(result.errors)))
                        return
                    await self._write(self._framing.result(result.payload, result.cursor))
        except SlowConsumer:
            self.close_soon(CloseCode.TRY_AGAIN_LATER, "Read too slowly: reconnect and resume")
        except _Gone:
            raise
        except Exception as error:  # noqa: BLE001 - a bug beyond what the engine masks
            await self._write(self._framing.result(as_payload([internal_error(error)])))

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_INTERVAL)
            await self._write(self._framing.HEARTBEAT)

    async def _await_expiry(self, moment: datetime) -> None:
        await asyncio.sleep((moment - datetime.now(UTC)).total_seconds())
        self.close_soon(CloseCode.FORBIDDEN, "The access token expired")

    async def _watch(self, receive: Receive) -> None:
        """Wait for the client to go; whatever else it sends is not looked at."""
        while (await receive())["type"] != "http.disconnect":
            pass
        raise _Gone

    async def _write(self, body: bytes, *, more: bool = True, within: float | None = None) -> None:
        await self._put({"type": "http.response.body", "body": body, "more_body": more}, within)

    async def _put(self, message: Message, within: float | None = None) -> None:
        """Send a piece; a peer that does not take it ends the stream, not the server."""
        try:
            async with asyncio.timeout(within or SEND_TIMEOUT), self._writing:
                await self._send(message)
        except TimeoutError:
            log.info("stream_stalled")
            # Closed in order, the connection would wait for the peer to take what is there.
            self._scope["state"]["abort"]()
            raise _Gone from None
        except OSError:  # how ASGI says that the peer has gone
            raise _Gone from None


class _Gone(Exception):
    """The client is not there any more."""


def as_payload(errors: list[dict[str, Any]]) -> bytes:
    """Return the response of an operation that was refused."""
    return orjson.dumps({"errors": errors})
