"""Hundreds of subscribers in one process, light enough to keep up with any server.

They sit on one epoll. The first of them to get a message reads it as JSON; since all who asked for
the same did so under the same id, the others have to get the same bytes, which one comparison
tells. So every delivery is checked: nobody may miss a message, get one twice, or in another order.
"""

import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import orjson

from bench import frames, keepalive
from bench.databases import Cast

SUBPROTOCOL = "graphql-transport-ws"
OPERATION_ID = "6b29fc40-ca47-4067-b31d-00dd01000000"  # graphql-ws makes such ones
EVENTS = """
subscription Events {
  events {
    __typename
    chat { id }
    ... on MessageSent { message { id seq text sender { displayName } } }
  }
}
"""
TEXT = "Message {:06} " + "of a text that is as long as makes the whole frame 400 bytes. " * 2
PATIENCE = 20.0  # seconds for one message to reach everybody, and for everybody to get ready
QUIET = 0.5  # seconds in which nothing more may arrive at the end
READ = 1 << 16


class Broken(Exception):
    """Something was not delivered as promised."""


def sends(cast: Cast) -> Callable[[int], bytes]:
    """Return what makes the request by which the first of the cast sends the n-th message."""
    first = uuid4().int >> 1  # so that nobody's ids have been there before

    def request(number: int) -> bytes:
        id_ = str(UUID(int=first + number))
        return keepalive.send_request(cast.people[0].token, cast.chat(0), TEXT.format(number), id_)

    return request


@dataclass(slots=True, eq=False)
class _Selection:
    """A subscription that one or many asked for."""

    query: str
    # What the first of them got of the messages under way, with the number of each.
    frames: dict[bytes, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Subscriber:
    socket: socket.socket
    selection: _Selection
    let_in: bool = False
    seq: int | None = None  # of the last message seen
    rest: bytearray = field(default_factory=bytearray)


@dataclass(slots=True, eq=False)
class _Sender:
    """A connection that sends one message at a time."""

    socket: socket.socket
    answer: bytearray = field(default_factory=bytearray)


class Subscribers:
    """Everybody who listens in a chat, and the one who sends into it.

    `request(n)` makes the HTTP request that sends the n-th message.
    """

    def __init__(self, port: int, request: Callable[[int], bytes]) -> None:
        self._port = port
        self._request = request
        self._epoll = select.epoll()
        self._by_fd: dict[int, _Subscriber] = {}
        self._selections: dict[str, _Selection] = {}
        self._senders: dict[int, _Sender] = {}
        self._sent = 0
        self._last_seq = 0  # of the last message acknowledged
        # About the messages under way:
        self._before = 0  # the last one before them
        self._seq = 0  # of the last of them
        self._unacknowledged = 0
        self._arrivals: list[float] = []

    def subscribe(self, tokens: Sequence[str], queries: Sequence[str] = (EVENTS,)) -> None:
        """Open a socket for every token, subscribed; the queries are dealt out in turn.

        May be called again, for more. Who is to be measured has to hear something first.
        """
        for query in queries:
            self._selections.setdefault(query, _Selection(query))
        newcomers = []
        for number in range(len(tokens)):
            connection = self._dial()
            _open(connection)
            selection = self._selections[queries[number % len(queries)]]
            newcomers.append(_Subscriber(connection, selection))
            self._by_fd[connection.fileno()] = newcomers[-1]
            self._epoll.register(connection, select.EPOLLIN)
        for subscriber, token in zip(newcomers, tokens, strict=True):
            init = {"Authorization": f"Bearer {token}"}
            subscriber.socket.sendall(_message("connection_init", payload=init))
        if not self._read_until(lambda: all(one.let_in for one in newcomers), PATIENCE):
            raise Broken("not everybody was let in")
        for subscriber in newcomers:
            payload = {"query": subscriber.selection.query}
            subscriber.socket.sendall(_message("subscribe", id=OPERATION_ID, payload=payload))
            subscriber.socket.setblocking(False)

    def until_heard(self) -> None:
        """Return when everybody hears messages."""
        self.reconnect_senders()
        # The protocol does not say when a subscription has begun: send until everybody hears.
        deadline = time.perf_counter() + PATIENCE
        while not self._send(patience=2.0 + 0.004 * len(self._by_fd)):
            if time.perf_counter() > deadline:
                raise Broken("not everybody is subscribed")

    @property
    def frame_size(self) -> int:
        """How many bytes the last message took on the wire, for each subscriber."""
        sizes = (len(frame) for each in self._selections.values() for frame in each.frames)
        return max(sizes, default=0)

    def deliver(self, together: int = 1) -> list[float]:
        """Send so many messages at once and wait until everybody has them.

        Returns how long each delivery took, in s.
        """
        started = time.perf_counter()
        if not self._send(PATIENCE, together):
            raise Broken(
                f"of {together * len(self._by_fd)} deliveries up to message {self._seq} "
                f"{len(self._arrivals)} came in time; {self._unacknowledged} messages were not "
                "acknowledged"
            )
        return [arrival - started for arrival in self._arrivals]

    def reconnect_senders(self) -> None:
        """Send on fresh connections: servers end one that was idle for some seconds."""
        for sender in self._senders.values():
            self._epoll.unregister(sender.socket)
            sender.socket.close()
        self._senders.clear()

    def tend(self) -> None:
        """Answer the pings that came while others were measured: who does not is hung up on."""
        for fd, _ in self._epoll.poll(0, len(self._by_fd) + 1):
            if (subscriber := self._by_fd.get(fd)) is not None:
                self._read(subscriber)

    def close(self) -> None:
        """Leave, having made sure that nothing comes after the last message."""
        self.reconnect_senders()
        self._read_until(lambda: False, QUIET)
        for subscriber in self._by_fd.values():
            subscriber.socket.close()
        self._epoll.close()

    # --- ways of a message ----------------------------------------------------------------------

    def _send(self, patience: float, together: int = 1) -> bool:
        """Send messages at once; returns whether all reached everybody and were acknowledged."""
        while len(self._senders) < together:
            sender = _Sender(self._dial())
            self._senders[sender.socket.fileno()] = sender
            self._epoll.register(sender.socket, select.EPOLLIN)
        self._before, self._seq = self._last_seq, self._last_seq + together
        self._unacknowledged, self._arrivals = together, []
        for selection in self._selections.values():
            selection.frames.clear()
        for sender, _ in zip(self._senders.values(), range(together), strict=False):
            self._sent += 1
            sender.socket.sendall(self._request(self._sent))
        deliveries = together * len(self._by_fd)
        return self._read_until(
            lambda: len(self._arrivals) == deliveries and not self._unacknowledged, patience
        )

    def _read_until(self, done: Callable[[], bool], patience: float) -> bool:
        deadline = time.perf_counter() + patience
        while not done():
            left = deadline - time.perf_counter()
            if left <= 0:
                return False
            for fd, _ in self._epoll.poll(left):
                subscriber = self._by_fd.get(fd)
                if subscriber is not None:
                    self._read(subscriber)
                elif (sender := self._senders.get(fd)) is not None:  # not replaced just now
                    self._read_answer(sender)
        return True

    def _read(self, subscriber: _Subscriber) -> None:
        data = subscriber.socket.recv(READ)
        now = time.perf_counter()
        seq = subscriber.selection.frames.get(data)
        if seq is not None and seq - 1 == subscriber.seq and not subscriber.rest:
            subscriber.seq = seq
            self._arrivals.append(now)
            return
        if not data:
            raise Broken("the server hung up on a subscriber")
        subscriber.rest += data
        for frame in frames.take(subscriber.rest):
            self._look_at(subscriber, frame, now)

    def _look_at(self, subscriber: _Subscriber, frame: frames.Frame, now: float) -> None:
        if frame.opcode == frames.CLOSE:
            code, reason = int.from_bytes(frame.payload[:2], "big"), frame.payload[2:]
            raise Broken(f"the server closed a subscriber's socket: {code} {reason!r}")
        if frame.opcode == frames.PING:
            subscriber.socket.sendall(frames.from_client(frame.payload, frames.PONG))
            return
        if (seq := subscriber.selection.frames.get(frame.raw)) is not None:
            self._arrived(subscriber, seq, now)
            return
        message = orjson.loads(frame.payload)
        match message["type"]:
            case "next" if "data" in message["payload"] and "errors" not in message["payload"]:
                seq = message["payload"]["data"]["events"]["message"]["seq"]
                if seq in subscriber.selection.frames.values():
                    raise Broken(f"two subscribers got different frames: {frame.raw!r}")
                subscriber.selection.frames[frame.raw] = seq
                self._arrived(subscriber, seq, now)
            case "connection_ack":
                subscriber.let_in = True
            case "ping":
                subscriber.socket.sendall(_message("pong"))
            case _:
                raise Broken(f"a subscriber got {frame.payload[:500]!r}")

    def _arrived(self, subscriber: _Subscriber, seq: int, now: float) -> None:
        if subscriber.seq is not None and seq != subscriber.seq + 1:
            raise Broken(f"a subscriber got message {seq} after {subscriber.seq}")
        if seq > self._seq:
            raise Broken(f"a subscriber got message {seq}, and {self._seq} was the last one sent")
        subscriber.seq = seq
        if seq > self._before:
            self._arrivals.append(now)

    def _read_answer(self, sender: _Sender) -> None:
        data = sender.socket.recv(READ)
        if not data and not self._unacknowledged:
            self.reconnect_senders()  # servers hang up on who is idle for long
            return
        if not data:
            raise Broken("the server hung up on the sender")
        sender.answer += data
        answer = keepalive.parse(sender.answer)
        if answer is None:
            return
        del sender.answer[: answer.size]
        self._last_seq = max(self._last_seq, keepalive.stored(answer)["seq"])
        self._unacknowledged -= 1

    def _dial(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _message(kind: str, **fields: object) -> bytes:
    return frames.from_client(orjson.dumps({"type": kind, **fields}))


def _open(connection: socket.socket) -> None:
    """Turn a connection into a WebSocket."""
    connection.sendall(frames.upgrade("/graphql", SUBPROTOCOL))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        received = connection.recv(READ)
        if not received:
            raise Broken(f"the server hung up during the handshake: {answer!r}")
        answer += received
    if not answer.startswith(b"HTTP/1.1 101 "):
        raise Broken(f"the server does not open a socket: {answer!r}")
