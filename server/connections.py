"""Connections: what uvicorn holds for a peer that has not said who it is, within bounds.

uvicorn with httptools waits for the end of a request's head for ever and keeps whatever comes until
then; it keeps an answer for as long as nobody takes it; and it answers every ping at once, whether
or not the peer takes the answers. The two classes here are its protocols with a limit on each;
`server/run.py` hands them to it.
"""

import asyncio
from http import HTTPStatus

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from realtime.wire import EXTENSION

log = structlog.get_logger(__name__)

# Of a request's head; NGINX takes 32 KB by default, and the longest token of ours is below 1 KB.
MAX_HEAD = 64 * 1024  # bytes
HEAD_TIMEOUT = 20.0  # seconds
# Browsers cut the largest frame there may be into pieces of 16 KB and more.
MAX_FRAGMENTS = 1024
# Who takes less of an answer than this is cut off: it would be kept for as long as they like.
STALL_TIMEOUT = 20.0  # seconds
LEAST_TAKEN = 16 * 1024  # bytes in that time: less than a telephone line's
LINGER = 20.0  # seconds in which a peer may take what was sent before its socket was closed

_ANSWERS = {
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class HttpConnection(HttpToolsProtocol):
    """An HTTP connection that says what it wants in good time, and briefly."""

    _timer: asyncio.TimerHandle | None = None
    _refused = False
    _upgraded = False  # what comes is a WebSocket's, and another object's
    _head = 0  # bytes of the head that is being read
    _loose = 0  # bytes since a head, a piece of a body or a message was complete
    _progress = False
    _stalling: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Hold the answer back, and watch whether the peer takes any of it."""
        super().pause_writing()
        if self._stalling is None:
            self._watch()

    def resume_writing(self) -> None:
        """Go on: the peer has taken nearly all there was."""
        self._stop_watching()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on; what brings nothing to an end is counted, and timed unless it is answered."""
        if self._refused:
            return
        self._progress = False
        super().data_received(data)
        # The parser holds an unfinished header itself, where nothing shows how long it is.
        self._loose = 0 if self._progress else self._loose + len(data)
        if self._loose > MAX_HEAD:
            self._refuse(431)
        elif self._idle and not self._upgraded and not self.transport.is_closing():
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._head = 0
        super().on_message_begin()
        # ASGI has no way to say that somebody who takes nothing shall be waited for no longer.
        self.scope["state"]["abort"] = self.transport.abort

    def on_url(self, url: bytes) -> None:
        """Count a piece of the address."""
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._head += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Serve the request, unless its head is too large."""
        self._progress = True
        self._stop_waiting()
        if self._head > MAX_HEAD:
            self._refuse(431)
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on a piece of the body."""
        self._progress = True
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand on that the request is complete."""
        self._progress = True
        if not self._refused:
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Become a WebSocket, unless the head was too large."""
        if not self._refused:
            self._upgraded = True
            self._stop_watching()
            super().handle_websocket_upgrade()
            # It knows this object, which knows it: together they would wait for the collector.
            self.parser = None  # type: ignore[assignment]

    @property
    def _idle(self) -> bool:
        """Whether nothing is being answered: uvicorn calls every one `cycle`."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_TIMEOUT, self._refuse, 408)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stalling = self.loop.call_later(STALL_TIMEOUT, self._look, waiting)

    def _stop_watching(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None

    def _look(self, waited: int) -> None:
        """Cut off a peer that has taken next to nothing of what waits."""
        if waited - self.transport.get_write_buffer_size() < LEAST_TAKEN:
            log.info("answer_stalled")
            self._stalling = None
            self.transport.abort()
        else:
            self._watch()

    def _refuse(self, status: int) -> None:
        self._stop_waiting()
        self._refused = True
        if self.transport.is_closing():
            return
        # In the middle of an answer another one would be taken for a part of it.
        if self._idle:
            rest = b"connection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(_ANSWERS[status] + rest)
        self.transport.close()


class SocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket whose peer cannot make the server keep more than it takes."""

    _owed_pong: bytes | None = None

    def handle_connect(self, event: Request) -> None:
        """Begin to serve; the application may write frames of its own to the transport."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # The application starts in a later turn of the loop.
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self

    def forget_handshake(self) -> None:
        """Let go of what opened the socket, 5 KB that nobody asks for again."""
        self.scope["headers"] = []
        self.request.headers.clear()  # websockets' parser keeps the request itself
        del self.request, self.response

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Wait a while for the peer to take what is left, and then no more."""
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(LINGER, self.transport.abort)

    def handle_ping(self) -> None:
        """Answer a ping; while the peer takes nothing, remember to answer the last one only.

        RFC 6455 §5.5.3 allows that.
        """
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():
            self._owed_pong = pongs[-1]

    def resume_writing(self) -> None:
        """Go on writing, beginning with the pong that is owed."""
        super().resume_writing()
        if self._owed_pong is not None:
            pong, self._owed_pong = self._owed_pong, None
            self.transport.write(pong)

    def send_receive_event_to_app(self) -> None:
        """Hand on a message; uvicorn would log text that is not UTF-8 as an error of ours."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(CloseCode.INVALID_DATA, "not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """Take a piece of a message; empty ones count towards no limit of bytes."""
        if self.close_sent:
            return
        if len(self.frames) >= MAX_FRAGMENTS:
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)
