"""The last step of a message to one socket: written straight to its connection, or through ASGI.

ASGI's `send` makes each frame anew, and a socket whose peer reads nothing would hold up whoever
awaits it. So where the server lets it, frames go straight to the transport, which takes them
without waiting; who lets too much pile up there is not written to for a while.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol, TypeVar

import structlog

from realtime.groups import Group, Item, Rendered, frame_header
from realtime.tasks import end

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Bytes that may wait in one socket's transport. Above the 64 KB at which transports ask writers to
# pause, so that a burst goes out in one turn of the loop; below what hurts in thousands.
LAG_LIMIT = 256 * 1024
SEND_TIMEOUT = 20.0  # seconds a peer may take nothing of what waits for it
TOGETHER = 16  # events whose frames are one write; more of them save little
BUSY = 0.02  # seconds of delivering after which everything else on the node has its turn

EXTENSION = "hubbub.connection"  # of the ASGI scope: see `server/connections.py`

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Gone(Exception):
    """The peer is not there any more, or takes nothing."""


class Wire(Protocol):
    """Where one socket's messages go, in the order in which they are given."""

    def next(self, rendered: Rendered, tail: bytes) -> bool:
        """Send a `next` message; returns false, having sent nothing, when too much waits.

        Raises `Gone`.
        """

    def taker(self, group: Group, tail: bytes) -> Callable[[Item], bool]:
        """Return what sends a group's items under an id, if that takes no waiting: see `next`."""

    def send(self, message: bytes) -> None:
        """Send any other message, however much waits."""

    async def drained(self) -> None:
        """Wait until little waits; raises `Gone` when the peer takes nothing."""

    async def close(self, code: int, reason: str) -> None:
        """Close the socket after everything before; raises `Gone`."""

    def abort(self) -> None:
        """Let go of the connection at once."""

    def watch(self, gone: Callable[[], None]) -> None:
        """Call a function when the wire finds that the peer has gone, and nobody waits for it."""


class Transport(Protocol):
    """The part of `asyncio.Transport` that is written to."""

    def write(self, data: bytes) -> None:
        """Take bytes without waiting."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""

    def abort(self) -> None:
        """Close without waiting for anything."""


class ServerConnection(Protocol):
    """What the server under the application offers in the ASGI scope, under `EXTENSION`."""

    @property
    def transport(self) -> Transport:
        """What takes frames; nothing of ASGI's may be half written when it does."""

    @property
    def writable(self) -> asyncio.Event:
        """Set while little waits in the transport, and once the connection is lost."""

    @property
    def disconnected(self) -> bool:
        """Whether the connection is lost."""

    def forget_handshake(self) -> None:
        """Let go of what only the opening of the socket needed."""


class Cork:
    """Holds back what is written to sockets, so that what several events give is one write.

    A write is a system call, which takes longer than all else that a delivery takes. The cork is
    closed while `over` runs, and never while anything else does.
    """

    __slots__ = ("_holding", "closed")

    def __init__(self) -> None:
        self.closed = False
        self._holding: list[DirectWire] = []

    def add(self, wire: "DirectWire") -> None:
        """Have a wire flushed when the cork is drawn."""
        self._holding.append(wire)

    async def over(self, items: Sequence[T], write: Callable[[T], None]) -> None:
        """Call a function with each item; what it writes to sockets is written together.

        The loop has its turns meanwhile.
        """
        loop = asyncio.get_running_loop()
        due = loop.time() + BUSY
        try:
            for number, item in enumerate(items, start=1):
                self.closed = len(items) > 1
                write(item)
                late = loop.time() > due
                if late or number % TOGETHER == 0:
                    self._draw()
                if late:
                    await asyncio.sleep(0)
                    due = loop.time() + BUSY
        finally:
            self._draw()

    def _draw(self) -> None:
        self.closed = False
        for wire in self._holding:
            wire.flush()
        self._holding.clear()


class DirectWire:
    """Writes frames to the transport under ASGI."""

    __slots__ = ("_connection", "_cork", "_held", "_lag", "_send", "_write")

    def __init__(self, connection: ServerConnection, send: Send, cork: Cork) -> None:
        self._connection = connection
        self._send = send
        self._cork = cork
        self._held: list[bytes] | None = None
        self._write = connection.transport.write
        self._lag = connection.transport.get_write_buffer_size

    def next(self, rendered: Rendered, tail: bytes) -> bool:
        """See `Wire.next`."""
        try:
            if self._lag() > LAG_LIMIT:
                return False
            self._write(rendered.frame_start(len(tail)) + tail)
        except RuntimeError:  # uvloop's way to say that the connection is closed
            raise Gone from None
        return True

    def taker(self, group: Group, tail: bytes) -> Callable[[Item], bool]:
        """See `Wire.taker`. It is run for every event and subscriber, so all of it is one call."""
        lag, write, size, now = self._lag, self._write, len(tail), group.now
        cork, hold = self._cork, self._hold

        def take(item: Item) -> bool:
            rendered = item.renderings.get(group)
            if type(rendered) is not Rendered and (rendered := now(item)) is None:
                return False
            try:
                if lag() > LAG_LIMIT:
                    return False
                frame = rendered.frame_start(size) + tail
                if cork.closed:
                    hold(frame)
                else:
                    write(frame)
            except RuntimeError:  # as above, which whoever looks after the mailbox will notice
                return False
            return True

        return take

    def _hold(self, frame: bytes) -> None:
        if self._held is None:
            self._held = []
            self._cork.add(self)
        self._held.append(frame)

    def flush(self) -> None:
        """Write what was held back."""
        held, self._held = self._held, None
        try:
            self._write(b"".join(held or ()))
        except RuntimeError:
            return  # closed: whoever waits for the socket hears of it

    def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        try:
            self._write(frame_header(len(message)) + message)
        except RuntimeError:
            return  # closed: whoever waits for the socket hears of it

    async def drained(self) -> None:
        """See `Wire.drained`."""
        writable = self._connection.writable
        if writable.is_set() and not self._connection.disconnected:
            if self._lag() <= LAG_LIMIT:
                return
            await asyncio.sleep(0)  # uvloop writes, and says to pause, at the end of a turn
        lag = self._lag()
        while not writable.is_set():
            try:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await writable.wait()
            except TimeoutError:
                if self._lag() >= lag:
                    log.info("socket_stalled")
                    raise Gone from None
                lag = self._lag()  # slow, but it does read
        if self._connection.disconnected:
            raise Gone

    def watch(self, gone: Callable[[], None]) -> None:
        """See `Wire.watch`: the server tells of it in another way."""

    async def close(self, code: int, reason: str) -> None:
        """See `Wire.close`."""
        await _close(self._send, code, reason)

    def abort(self) -> None:
        """See `Wire.abort`."""
        self._connection.transport.abort()


class AsgiWire:
    """Sends messages through ASGI, one at a time, from a queue."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: deque[bytes] = deque()
        self._size = 0  # bytes in it
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._sending: asyncio.Task[None] | None = None
        self._gone = False
        self._tell_gone: Callable[[], None] | None = None

    def next(self, rendered: Rendered, tail: bytes) -> bool:
        """See `Wire.next`."""
        if self._size > LAG_LIMIT:
            return False
        self.send(rendered.message(tail))
        return True

    def taker(self, group: Group, tail: bytes) -> Callable[[Item], bool]:
        """See `Wire.taker`."""

        def take(item: Item) -> bool:
            rendered = group.now(item)
            return rendered is not None and self.next(rendered, tail)

        return take

    def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        if self._gone:
            return
        self._queue.append(message)
        self._size += len(message)
        if not self._has_room():
            self._roomy.clear()
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_all(), name="sending")

    async def drained(self) -> None:
        """See `Wire.drained`."""
        await self._roomy.wait()
        if self._gone:
            raise Gone

    async def close(self, code: int, reason: str) -> None:
        """See `Wire.close`."""
        while self._sending is not None:
            await asyncio.wait([self._sending])
        if self._gone:
            raise Gone
        await _close(self._send, code, reason)

    def abort(self) -> None:
        """See `Wire.abort`: ASGI knows no way, so what is being sent is given up."""
        self._gone = True
        if self._sending is not None:
            self._sending.cancel()

    def watch(self, gone: Callable[[], None]) -> None:
        """See `Wire.watch`."""
        self._tell_gone = gone

    async def ended(self) -> None:
        """Give up what is being sent, and wait for the end of it."""
        if self._sending is not None:
            await end([self._sending])

    async def _send_all(self) -> None:
        try:
            while self._queue:
                async with asyncio.timeout(SEND_TIMEOUT):
                    text = self._queue[0].decode()
                    await self._send({"type": "websocket.send", "text": text})
                self._size -= len(self._queue.popleft())
                if self._has_room():
                    self._roomy.set()
        except TimeoutError:
            log.info("socket_stalled")
            self._lose()
        except (OSError, RuntimeError):  # servers' ways to say that the peer has gone
            self._lose()
        finally:
            self._sending = None
            self._roomy.set()

    def _has_room(self) -> bool:
        return self._size <= LAG_LIMIT // 4  # as transports tell writers to go on

    def _lose(self) -> None:
        self._gone = True
        self._queue.clear()
        if self._tell_gone is not None:
            self._tell_gone()


async def _close(send: Send, code: int, reason: str) -> None:
    try:
        async with asyncio.timeout(SEND_TIMEOUT):
            await send({"type": "websocket.close", "code": code, "reason": reason})
    except (TimeoutError, OSError, RuntimeError):
        raise Gone from None
