"""All that a run consists of, and what happened in it so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

from realtime.cursor import Cursors
from realtime.hub import Hub
from tests.simulation.chances import Chances
from tests.simulation.clock import dice, now
from tests.simulation.database import Database, Place
from tests.simulation.node import Node


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline."""

    at: float
    who: str
    what: str
    details: tuple[object, ...]

    def __str__(self) -> str:
        return f"{self.at:10.4f}  {self.who:<16} {self.what} {' '.join(map(str, self.details))}"


@dataclass(slots=True, repr=False)
class World:
    """What the actors of a run share."""

    seed: int
    chances: Chances
    db: Database
    cursors: Cursors = field(default_factory=lambda: Cursors(b"simulation"))
    hubs: list[Hub] = field(default_factory=list)  # those of dead nodes as well
    nodes: list[Node] = field(default_factory=list)
    names: dict[UUID, str] = field(default_factory=dict)
    timeline: list[Moment] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    calm: asyncio.Event = field(default_factory=asyncio.Event)  # nothing goes wrong any more

    def note(self, who: str, what: str, *details: object) -> None:
        """Add to the timeline."""
        self.timeline.append(Moment(now(), who, what, details))

    def problem(self, text: str) -> None:
        """Something happened that must not."""
        self.problems.append(text)
        self.timeline.append(Moment(now(), "PROBLEM", text, ()))

    def name(self, id_: UUID) -> str:
        """Return what a person or a chat is called in the timeline."""
        return self.names.get(id_, id_.hex)

    def title(self, place: Place) -> str:
        """Return what an event is called in the timeline."""
        return f"{self.name(place[0])}#{place[1]}"

    def act_as(self, who: str) -> None:
        """Give the present task dice of its own."""
        dice.set(Random(f"{self.seed} {who}"))

    def announce(self, node: Node) -> None:
        """Something was committed through a node: ring its bell, and send for the others'."""
        node.tailer.ring()
        chances = self.chances
        for other in self.nodes:
            if other is node or (
                not self.calm.is_set() and dice.get().random() < chances.bell_lost
            ):
                continue
            times = 2 if dice.get().random() < chances.bell_twice else 1
            for _ in range(times):
                other.ring_in(dice.get().choice(chances.bell_pace))
