"""A WebSocket byte by byte, for frames that no library would send (RFC 6455 §5)."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)


@dataclass(frozen=True)
class Frame:
    """A frame as it is sent, right or wrong."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    reserved: int = 0  # the three bits, of which none is agreed on
    masked: bool = True
    declared: int | None = None  # a length that is not the payload's

    def encoded(self) -> bytes:
        """Return the frame's bytes (RFC 6455 §5.2)."""
        length = len(self.payload) if self.declared is None else self.declared
        mask = 0x80 if self.masked else 0
        head = bytes([(0x80 if self.fin else 0) | self.reserved << 4 | self.opcode])
        if length < 126:
            head += bytes([mask | length])
        elif length < 1 << 16:
            head += bytes([mask | 126]) + struct.pack("!H", length)
        else:
            head += bytes([mask | 127]) + struct.pack("!Q", length)
        if not self.masked:
            return head + self.payload
        key = os.urandom(4)
        whole = int.from_bytes(self.payload) ^ int.from_bytes(
            (key * (len(self.payload) // 4 + 1))[: len(self.payload)]
        )
        return head + key + whole.to_bytes(len(self.payload))


@dataclass(frozen=True)
class Closed:
    """How a socket ended: the close frame's code, or 1006 where there was none."""

    code: int
    reason: str = ""


class Wire:
    """One connection to a server's socket endpoint."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    @classmethod
    def opened(cls, port: int, patience: float) -> Wire:
        """Return a socket whose handshake is done."""
        connection = socket.create_connection(("127.0.0.1", port), timeout=patience)
        connection.sendall(HANDSHAKE)
        wire = cls(connection)
        status = wire._file.readline()
        assert b" 101 " in status, status
        while wire._file.readline() != b"\r\n":
            pass
        return wire

    def send(self, data: bytes) -> None:
        """Send bytes, unless the server has closed the connection already."""
        with contextlib.suppress(ConnectionError):
            self._connection.sendall(data)

    def end(self) -> None:
        """Say that no more will be sent."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def say(self, message: dict[str, Any]) -> None:
        """Send a message of the protocol."""
        self.send(Frame(TEXT, json.dumps(message).encode()).encoded())

    def says(self, type_: str) -> dict[str, Any]:
        """Return the next message of a type; raises `EOFError` when the socket is closed."""
        while True:
            got = self.receive()
            if isinstance(got, Closed):
                raise EOFError(str(got))
            if got.opcode == TEXT and (message := json.loads(got.payload))["type"] == type_:
                return dict(message)

    def receive(self) -> Frame | Closed:
        """Return the next frame, or how the socket ended; raises `TimeoutError`."""
        try:
            first, second = self._exactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self._exactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._exactly(8))
            payload = self._exactly(length)
        except (EOFError, ConnectionError):
            return Closed(1006)
        if first & 0x0F == CLOSE:
            code = int.from_bytes(payload[:2]) if payload else 1005
            return Closed(code, payload[2:].decode())
        return Frame(first & 0x0F, payload, bool(first & 0x80), first >> 4 & 7, bool(second & 0x80))

    def close(self) -> None:
        self._file.close()
        self._connection.close()

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data
