"""WebSocket frames, as far as a client that measures needs them (RFC 6455)."""

from collections.abc import Iterator
from dataclasses import dataclass

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA

_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # §1.3's example: who checks it checks browsers' proxies


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame from the server: whole as it came, and taken apart."""

    raw: bytes
    opcode: int
    payload: bytes


def upgrade(path: str, subprotocol: str) -> bytes:
    """Return the request that opens a socket, without compression."""
    return (
        f"GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-key: {_KEY}\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-protocol: {subprotocol}\r\n\r\n"
    ).encode()


def from_client(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a frame as a client sends it: masked, here with zeros."""
    return _head(len(payload), opcode, 0x80) + bytes(4) + payload


def from_server(payload: bytes, opcode: int = TEXT) -> bytes:
    """Return a frame as a server sends it."""
    return _head(len(payload), opcode, 0) + payload


def _head(size: int, opcode: int, masked: int) -> bytes:
    if size < 126:
        return bytes((0x80 | opcode, masked | size))
    if size < 1 << 16:
        return bytes((0x80 | opcode, masked | 126)) + size.to_bytes(2, "big")
    return bytes((0x80 | opcode, masked | 127)) + size.to_bytes(8, "big")


def take(received: bytearray) -> Iterator[Frame]:
    """Yield the complete frames at the front of a server's stream, and remove them from it."""
    while len(received) >= 2:
        size, start = received[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(received) < start:
                return
            size = int.from_bytes(received[2:start], "big")
        end = start + size
        if len(received) < end:
            return
        if not received[0] & 0x80:
            raise ValueError("fragmented messages are not expected here")
        raw = bytes(received[:end])
        del received[:end]
        yield Frame(raw, raw[0] & 0x0F, raw[start:])
