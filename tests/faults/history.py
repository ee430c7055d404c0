"""The history of a run: what clients did and saw, one JSON line each, and how it all ended.

A client notes `invoke` before it asks for something, and afterwards one of

- `ok`: the server acknowledged it,
- `fail`: the server refused it, so it must never take effect,
- `info`: nobody knows (no answer in time, a lost connection, an internal error): it may take effect
  once or not at all, never twice.

What arrives on a subscription is `ok` at once. All times are seconds since the
start of the run on the clock of the one process that runs all clients, so they can be compared.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import orjson


class Kind(StrEnum):
    """What a client did."""

    SEND = "send"
    EDIT = "edit"
    DELETE = "delete"
    REACT = "react"  # or took that back
    READ = "read"  # moved both pointers
    DELIVER = "deliver"  # moved the pointer of what has reached a device
    JOIN = "join"  # added somebody, named by `subject`
    LEAVE = "leave"
    REMOVE = "remove"  # took somebody out, named by `subject`
    SIGN_IN = "sign in"  # on one more device
    RESUME = "resume"
    # What arrives on a subscription, and never fails.
    RECEIVE = "receive"  # an event of a chat
    RECEIPT = "receipt"  # how far somebody has got: `seq` were delivered, `about` read
    PERSONAL = "personal"  # what concerns one person alone; `key` is a session


HEARD = frozenset({Kind.RECEIVE, Kind.RECEIPT, Kind.PERSONAL})


class State(StrEnum):
    """How far it got."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the history."""

    at: float
    client: str
    node: int
    kind: str
    state: str
    chat: str = ""
    # Of a message its clientMessageId, else what ties the lines of one doing together.
    key: str = ""
    seq: int = 0  # of the event for `receive`, else of the message
    event: str = ""  # the type of what was received
    about: int = 0  # the number of the message that an event, edit or deletion is about
    subject: str = ""  # who joined or left
    text: str = ""
    detail: str = ""  # why it failed or is not known


class Writer:
    """Append operations to a file, and count them for the display."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[tuple[str, str]] = Counter()
        self._file: BinaryIO = path.open("wb", buffering=1 << 20)
        self._started = time.monotonic()

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._started

    def add(self, client: str, node: int, kind: Kind, state: State, **more: Any) -> None:
        """Append one operation with the time of this moment; what is empty is left out."""
        line = {"at": round(self.now, 6), "client": client, "node": node}
        line |= {"kind": kind, "state": state}
        line |= {name: value for name, value in more.items() if value}
        self._file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self.counts[kind, state] += 1

    def count(self, kind: Kind, state: State) -> int:
        return self.counts[kind, state]

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> Iterator[Operation]:
    """Yield the operations of a file, in the order in which they were written."""
    with path.open("rb") as lines:
        for line in lines:
            yield Operation(**orjson.loads(line))


# --- how it ended ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Logged:
    """An event of a chat as the database has it."""

    seq: int
    kind: str
    about: int = 0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message as the database, or the history query, has it."""

    seq: int
    sender: str
    key: str
    text: str
    deleted: bool = False
    system: bool = False  # nobody sent it: the server told what somebody did


@dataclass(frozen=True, slots=True)
class Stay:
    """One membership interval: events `joined` to `left`, both included; 0 for not left."""

    chat: str
    user: str
    joined: int
    first_message: int
    left: int = 0


@dataclass(frozen=True, slots=True)
class Pointers:
    """How far a present member has got, and what of that was to be told; 0 for nothing."""

    chat: str
    user: str
    delivered: int
    read: int
    told_delivered: int = 0
    told_read: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """A chat as the API showed it to a member at the end, from message number `since` on."""

    user: str
    chat: str
    since: int
    messages: list[Stored]
    unread: int


@dataclass(frozen=True, slots=True)
class Final:
    """Everything after healing, when nothing happened any more."""

    # Devices with one subscription each: a person, or `person/device` for one more of theirs.
    users: list[str] = field(default_factory=list)
    start: dict[str, int] = field(default_factory=dict)  # per chat, the last event before the run
    log: dict[str, list[Logged]] = field(default_factory=dict)
    messages: dict[str, list[Stored]] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    pointers: list[Pointers] = field(default_factory=list)
    # What concerned each person alone since the start of the run: kinds of events, and sessions.
    personal: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    # Devices that asked for some chats only, by name, and which.
    scopes: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # what did not heal
    untold: list[str] = field(default_factory=list)  # what took a newcomer to be told

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(self))

    @classmethod
    def read(cls, path: Path) -> Final:
        raw = orjson.loads(path.read_bytes())
        return cls(
            users=raw["users"],
            start=raw["start"],
            log={chat: [Logged(**row) for row in rows] for chat, rows in raw["log"].items()},
            messages={c: [Stored(**row) for row in rows] for c, rows in raw["messages"].items()},
            stays=[Stay(**row) for row in raw["stays"]],
            pointers=[Pointers(**row) for row in raw["pointers"]],
            personal={
                user: [(kind, session) for kind, session in rows]
                for user, rows in raw["personal"].items()
            },
            views=[
                View(**{**row, "messages": [Stored(**each) for each in row["messages"]]})
                for row in raw["views"]
            ],
            scopes=raw["scopes"],
            problems=raw["problems"],
            untold=raw["untold"],
        )
