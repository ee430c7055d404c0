"""What all clients of a run share: nodes, chats, people, and how busy everybody is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.history import Writer
from tests.faults.proxy import Proxy


@dataclass(slots=True)
class Room:
    """A chat as all clients know it: its name, its id, and who may be in it."""

    name: str
    id: str
    owner: str  # never leaves, and brings those who left back
    roster: list[str]


@dataclass(slots=True)
class World:
    """What all clients share."""

    proxies: Sequence[Proxy]
    history: Writer
    rooms: dict[str, Room] = field(default_factory=dict)  # by id
    user_ids: dict[str, str] = field(default_factory=dict)  # by handle
    rate: float = 10.0  # doings per second of one client
    in_flight: int = 2  # of one client at once, when it sends no burst
    mute: frozenset[int] = frozenset()  # nodes through which people only listen
    stopped: bool = False
    hurry: bool = False  # during a herd nobody waits before coming back
