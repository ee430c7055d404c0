"""What a seed decides about a run as a whole: how large it is, how slow, and what goes wrong.

Every run leaves most faults out. One that has them all is so busy with recovering that little else
happens in it, and what needs a fault to be absent is never seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Literal

from tests.simulation.clock import TICK

Kind = Literal["postgresql", "sqlite"]
KINDS: tuple[Kind, ...] = ("postgresql", "sqlite")

# In ticks of a millisecond; each number is as likely as the others.
_PACES = ((0,), (0, 1), (0, 1, 2, 5), (1, 2, 3, 4), (0, 0, 0, 40), (0, 1, 5, 20, 300))


@dataclass(frozen=True, slots=True)
class Chances:
    """The character of a run."""

    nodes: int
    people: int
    devices: int
    doings: int  # of each of the writers
    writers: int
    database_pace: Sequence[int]  # ticks to the database, and as many back
    transaction_pace: Sequence[int]  # ticks between two statements of a writer
    wire_pace: Sequence[int]  # ticks for a frame
    writing_pace: Sequence[int]  # ticks between two doings
    bell_pace: Sequence[int]  # ticks until another node hears that something happened
    bell_lost: float
    bell_twice: float
    abort: float
    answer_lost: float  # what was committed is not acknowledged
    read_fails: float
    read_hangs: float
    hangs_up: float  # a device, after a frame
    stalls: float  # a device, after a frame
    limited: float  # a subscription, to some chats
    freezes: bool  # one device, in the end, while the others go on
    crash: bool
    replace: bool
    prune: bool
    kill: bool
    mailbox: int
    page: int
    rounds: int
    idle: float

    @classmethod
    def of(cls, random: Random) -> Chances:
        """Roll the dice."""

        def now_and_then(how_often: float, *rates: float) -> float:
            return random.choice(rates) if random.random() < how_often else 0.0

        return cls(
            nodes=random.choice((1, 2, 2, 3)),
            people=random.randint(2, 4),
            devices=random.randint(2, 4),
            doings=random.randint(4, 12),
            writers=random.randint(1, 3),
            database_pace=random.choice(_PACES[:-1]),
            transaction_pace=random.choice(_PACES),
            wire_pace=random.choice(_PACES),
            writing_pace=random.choice(((0, 1, 2), (1, 20, 50), (10, 200, 600))),
            bell_pace=random.choice(_PACES),
            bell_lost=now_and_then(0.5, 0.1, 0.5, 1.0),
            bell_twice=now_and_then(0.3, 0.5),
            abort=now_and_then(0.5, 0.1, 0.4),
            answer_lost=now_and_then(0.2, 0.2),
            read_fails=now_and_then(0.3, 0.02, 0.2),
            read_hangs=now_and_then(0.05, 0.02),
            hangs_up=now_and_then(0.7, 0.05, 0.3),
            stalls=now_and_then(0.3, 0.1),
            limited=now_and_then(0.3, 0.5),
            freezes=random.random() < 0.2,
            crash=random.random() < 0.25,
            replace=random.random() < 0.1,
            prune=random.random() < 0.2,
            kill=random.random() < 0.2,
            mailbox=random.choice((2, 5, 256, 256)),
            page=random.choice((1, 2, 5, 500)),
            rounds=random.choice((1, 2, 10)),
            idle=random.choice((16 * TICK, 256 * TICK, 2.0, 60.0)),
        )

    def __str__(self) -> str:
        return ", ".join(f"{field.name} {getattr(self, field.name)}" for field in fields(self))
