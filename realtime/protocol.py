"""`graphql-transport-ws` without I/O: what a client's message means, and what it may send when.

The protocol is GraphQL over WebSocket, as `PROTOCOL.md` of the graphql-ws library describes it. A
socket goes through these states:

    state          client may send                    leaves it by
    CONNECTED      connection_init, ping, pong        connection_init → INITIALISING
    INITIALISING   ping, pong                         accepted() → READY, or the socket is closed
    READY          subscribe, complete, ping, pong    –
    CLOSED         nothing is looked at any more      –

`receive(text)` and the other methods return effects for the endpoint to carry out, in order. An
invalid *operation* answers `error` and leaves the socket alone; an invalid *message* closes it.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Any

import orjson

from realtime.groups import BODY_START
from realtime.operations import (
    BadRequest,
    OperationRequest,
    as_object,
    operation_request,
    optional_object,
    text_of,
)

SUBPROTOCOL = "graphql-transport-ws"
# Of an operation's id, which each of its results repeats; clients send a number or a UUID.
MAX_ID = 128  # characters


class CloseCode(IntEnum):
    """Why a socket is closed. Client libraries reconnect by themselves where it says so."""

    NORMAL = 1000  # done; do not reconnect
    RESTARTING = 1012  # the server goes down: reconnect and resume
    TRY_AGAIN_LATER = 1013  # the client read too slowly: reconnect and resume
    INTERNAL_ERROR = 4500  # a bug of ours; do not reconnect
    BAD_MESSAGE = 4400  # a bug of the client's; do not reconnect
    SUBSCRIBED_BEFORE_INIT = 4401  # a bug of the client's; do not reconnect
    FORBIDDEN = 4403  # the token is not good (any more): reconnect with a fresh one
    SUBPROTOCOL_NOT_ACCEPTABLE = 4406  # do not reconnect
    INIT_TIMEOUT = 4408  # no connection_init in time: reconnect
    DUPLICATE_OPERATION = 4409  # the id is in use; do not reconnect
    TOO_MANY_INITS = 4429  # do not reconnect


@dataclass(frozen=True, slots=True)
class Send:
    """Write this text frame."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket."""

    code: CloseCode
    reason: str


@dataclass(frozen=True, slots=True)
class Authenticate:
    """Decide on a connection_init's payload, then call `accepted()` or close with FORBIDDEN."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Start:
    """Run an operation and report on it under this id."""

    id: str
    request: OperationRequest


@dataclass(frozen=True, slots=True)
class Stop:
    """The client has had enough of an operation."""

    id: str


Effect = Send | Close | Authenticate | Start | Stop


class State(Enum):
    """Where a socket stands; see the table above."""

    CONNECTED = auto()
    INITIALISING = auto()
    READY = auto()
    CLOSED = auto()


class Protocol:
    """The server's side of one socket."""

    __slots__ = ("_max_operations", "operations", "state")

    def __init__(self, *, max_operations: int) -> None:
        self.state = State.CONNECTED
        self.operations: set[str] = set()
        self._max_operations = max_operations

    # --- what the client does -----------------------------------------------------------------

    def receive(self, text: str) -> list[Effect]:
        """Return what a frame from the client asks for."""
        if self.state is State.CLOSED:
            return []
        try:
            message = as_object(orjson.loads(text), "a message")
            match message.get("type"):
                case "connection_init":
                    return self._init(optional_object(message.get("payload"), "payload") or {})
                case "ping":
                    return [Send(_pong(message.get("payload")))]
                case "pong":
                    return []
                case "subscribe":
                    return self._subscribe(message)
                case "complete":
                    return self._complete(text_of(message.get("id"), "id"))
                case unknown:
                    raise BadRequest(f"unknown message type {str(unknown)[:40]!r}")
        except orjson.JSONDecodeError:
            return self.close(CloseCode.BAD_MESSAGE, "Not JSON")
        except BadRequest as error:
            return self.close(CloseCode.BAD_MESSAGE, str(error))

    def receive_binary(self) -> list[Effect]:
        """Return what to do about a binary frame: the protocol knows text only."""
        return self.close(CloseCode.BAD_MESSAGE, "Binary frames are not part of the protocol")

    def _init(self, payload: dict[str, Any]) -> list[Effect]:
        if self.state is not State.CONNECTED:
            return self.close(CloseCode.TOO_MANY_INITS, "Too many initialisation requests")
        self.state = State.INITIALISING
        return [Authenticate(payload)]

    def _subscribe(self, message: dict[str, Any]) -> list[Effect]:
        if self.state is not State.READY:
            return self.close(CloseCode.SUBSCRIBED_BEFORE_INIT, "Unauthorized")
        id_ = text_of(message.get("id"), "id")
        if not id_:
            raise BadRequest("id must not be empty")
        if len(id_) > MAX_ID:
            raise BadRequest(f"id must have {MAX_ID} characters at most")
        request = operation_request(message.get("payload"), name="payload")
        if id_ in self.operations:
            return self.close(
                CloseCode.DUPLICATE_OPERATION, f"Subscriber for {id_[:60]} already exists"
            )
        if len(self.operations) >= self._max_operations:
            return [
                Send(
                    _encode(
                        "error",
                        id=id_,
                        payload=[
                            {
                                "message": f"At most {self._max_operations} operations may run "
                                "on one socket at a time.",
                                "extensions": {"code": "TOO_MANY_OPERATIONS"},
                            }
                        ],
                    )
                )
            ]
        self.operations.add(id_)
        return [Start(id_, request)]

    def _complete(self, id_: str) -> list[Effect]:
        # Unknown ids are normal: the server's own `complete` may have crossed this one.
        if id_ not in self.operations:
            return []
        self.operations.discard(id_)
        return [Stop(id_)]

    # --- what the server does -----------------------------------------------------------------

    def accepted(self) -> list[Effect]:
        """Acknowledge the connection."""
        if self.state is not State.INITIALISING:
            return []
        self.state = State.READY
        return [Send(_encode("connection_ack"))]

    def init_overdue(self) -> list[Effect]:
        """Return what to do when the time for connection_init has run out."""
        if self.state is not State.CONNECTED:
            return []
        return self.close(CloseCode.INIT_TIMEOUT, "Connection initialisation timeout")

    def ping(self) -> list[Effect]:
        """Ask whether the client is there."""
        return [] if self.state is State.CLOSED else [Send(_encode("ping"))]

    def next(self, id_: str, payload: bytes) -> list[Effect]:
        """Send one result, which is JSON, unless the client completed the operation meanwhile."""
        return [Send(BODY_START + payload + next_tail(id_))] if id_ in self.operations else []

    def error(self, id_: str, errors: list[dict[str, Any]]) -> list[Effect]:
        """End an operation that could not run, or could not go on."""
        if id_ not in self.operations:
            return []
        self.operations.discard(id_)
        return [Send(_encode("error", id=id_, payload=errors))]

    def complete(self, id_: str) -> list[Effect]:
        """End an operation that is done."""
        if id_ not in self.operations:
            return []
        self.operations.discard(id_)
        return [Send(_encode("complete", id=id_))]

    def close(self, code: CloseCode, reason: str) -> list[Effect]:
        """Close the socket, once."""
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        self.operations.clear()
        # RFC 6455 §5.5: a close frame's payload is at most 125 bytes, two of them the code.
        return [Close(code, reason.encode()[:123].decode(errors="ignore"))]


def next_tail(id_: str) -> bytes:
    """Return the end of a `next` message: the id, which is each operation's own, comes last."""
    return b"," + orjson.dumps({"id": id_, "type": "next"})[1:]


def _pong(payload: Any) -> bytes:
    try:
        return _encode("pong", payload=payload)
    except orjson.JSONEncodeError:  # it reads 1024 levels, and writes 254
        raise BadRequest("payload is nested too deeply to be sent back") from None


def _encode(type_: str, **fields: Any) -> bytes:
    """Return a message, without the fields that are None."""
    message = {
        "type": type_,
        **{name: value for name, value in fields.items() if value is not None},
    }
    return orjson.dumps(message)
