"""What a socket has to do about frames: RFC 6455 and the protocol, told a second time.

It is told apart from the server's own code on purpose, in the plainest words there are.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from server.graphql_http import MAX_BODY
from tests.fuzz.wire import BINARY, CLOSE, CONT, PING, PONG, TEXT, Frame

PROTOCOL_ERROR, NO_STATUS, NOT_UTF_8, TOO_BIG = 1002, 1005, 1007, 1009
GOES_ON = 0
DEEPEST_ECHO = 250  # levels, about


class Expected:
    """Reads the frames that are sent, and says with which codes the socket may be closed.

    Frames are checked as they arrive and messages a moment later, so a frame that breaks the rules
    may overtake a message that breaks others: then either code is right.
    """

    def __init__(self, token: str) -> None:
        self.codes: set[int] = set()
        self.in_pieces = False  # whether a message has begun and not ended
        self._token = token
        self._pieces: list[bytes] = []
        self._binary = False
        self._initialised = False
        self._ids: set[str] = set()
        self._certain = False  # whether the socket is certainly closed by what was sent

    def read(self, frames: Iterable[Frame]) -> set[int]:
        """Return the codes with which a socket may answer these; `GOES_ON` where it may live."""
        for frame in frames:
            if (code := self._frame(frame)) is not None:
                self.codes.add(code)
                return self.codes
        return self.codes if self._certain else self.codes | {GOES_ON}

    def _frame(self, frame: Frame) -> int | None:
        """Return the code for a frame that no WebSocket may send, or that says goodbye."""
        length = len(frame.payload) if frame.declared is None else frame.declared
        control = frame.opcode >= CLOSE
        if frame.opcode not in (CONT, TEXT, BINARY, CLOSE, PING, PONG):
            return PROTOCOL_ERROR  # §5.2
        if frame.reserved or not frame.masked:
            return PROTOCOL_ERROR  # §5.1, §5.2
        if control and (length > 125 or not frame.fin):
            return PROTOCOL_ERROR  # §5.5
        if frame.opcode == CLOSE:
            if self.in_pieces:
                self.codes.add(PROTOCOL_ERROR)  # it breaks off a message
            return _answer_to_close(frame.payload)
        if control:
            return None
        if sum(map(len, self._pieces)) + length > MAX_BODY:
            return TOO_BIG  # a length is read before what the frame is for
        if (frame.opcode == CONT) != self.in_pieces:
            return PROTOCOL_ERROR  # §5.4
        if not self.in_pieces:
            self._binary = frame.opcode == BINARY
        self._pieces.append(frame.payload)
        self.in_pieces = not frame.fin
        if not frame.fin:
            return None
        data, self._pieces = b"".join(self._pieces), []
        self._whole(data)
        return None

    def _whole(self, data: bytes) -> None:
        try:
            text = "" if self._binary else data.decode()
        except UnicodeDecodeError:
            self.codes.add(NOT_UTF_8)  # §8.1
            self._certain = True
            return
        if self._certain:
            return
        code, self._certain = (4400, True) if self._binary else self._message(text)
        if code is not None:
            self.codes.add(code)

    def _message(self, text: str) -> tuple[int | None, bool]:
        """Return the code for a message, and whether it is certain."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return 4400, True
        if not isinstance(message, dict):
            return 4400, True
        match message.get("type"):
            case "ping":
                # What is nested deeper than it can be written is not sent back.
                return (4400 if _depth(message.get("payload")) > DEEPEST_ECHO else None), False
            case "pong":
                return None, False
            case "connection_init":
                return self._init(message.get("payload"))
            case "subscribe":
                return self._subscribe(message)
            case "complete":
                return (None, False) if isinstance(message.get("id"), str) else (4400, True)
        return 4400, True

    def _init(self, payload: object) -> tuple[int | None, bool]:
        if payload is not None and not isinstance(payload, dict):
            return 4400, True
        if self._initialised:
            return 4429, True
        self._initialised = True
        given = [
            value for name, value in (payload or {}).items() if name.lower() == "authorization"
        ]
        if not given or given[0] in (None, f"Bearer {self._token}"):
            return None, False
        return 4403, True

    def _subscribe(self, message: dict[str, object]) -> tuple[int | None, bool]:
        if not self._initialised:
            return 4401, True
        id_, payload = message.get("id"), message.get("payload")
        if not isinstance(id_, str) or not id_ or not isinstance(payload, dict):
            return 4400, True
        objects = (payload.get("variables"), payload.get("extensions"))
        name = payload.get("operationName")
        if not all(value is None or isinstance(value, dict) for value in objects):
            return 4400, True
        if not (name is None or isinstance(name, str)):
            return 4400, True
        if not isinstance(payload.get("query"), str):
            # A document may be named by `extensions` instead.
            return 4400, payload.get("extensions") is None
        if id_ in self._ids:
            return 4409, False  # unless the first of that id is done already
        self._ids.add(id_)
        return None, False


def _answer_to_close(payload: bytes) -> int:
    """Return the code that answers a close frame (RFC 6455 §5.5.1, §7.4)."""
    if not payload:
        return NO_STATUS
    if len(payload) == 1:
        return PROTOCOL_ERROR
    code = int.from_bytes(payload[:2])
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return NOT_UTF_8
    registered = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    return code if registered or 3000 <= code <= 4999 else PROTOCOL_ERROR


def _depth(value: object) -> int:
    """Return how many lists and objects are around the innermost value."""
    depth, level = 0, [value]
    while level := [
        inner
        for outer in level
        if isinstance(outer, dict | list)
        for inner in (outer.values() if isinstance(outer, dict) else outer or [None])
    ]:
        depth += 1
    return depth
