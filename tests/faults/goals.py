"""How much has to happen in a run before the absence of findings says something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.faults.history import HEARD, Kind, State


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal, and how far the run came."""

    what: str
    reached: bool
    came_to: str


@dataclass(frozen=True, slots=True)
class Goals:
    """What a run is to come to; nothing, unless said otherwise."""

    sends: int = 0  # acknowledged
    strikes: int = 0  # of each nemesis
    unknown: float = 1.0  # the share of all doings whose outcome is not known, at most

    def of(self, counts: Mapping[tuple[str, str], int], strikes: Mapping[str, int]) -> list[Goal]:
        """Return each goal that was set, with what the run came to."""
        goals = []
        if self.sends:
            sends = counts.get((Kind.SEND, State.OK), 0)
            came_to = f"{sends:,}"
            goals.append(Goal(f"{self.sends:,} acknowledged sends", sends >= self.sends, came_to))
        if self.strikes:
            name = min(strikes, key=lambda each: strikes[each])
            came_to = f"{name}, the rarest, {strikes[name]}"
            what = f"every nemesis {self.strikes} times"
            goals.append(Goal(what, strikes[name] >= self.strikes, came_to))
        if self.unknown < 1:
            share = unknown_share(counts)
            what = f"less than {self.unknown:.0%} of all doings not known"
            goals.append(Goal(what, share < self.unknown, f"{share:.1%}"))
        return goals


def unknown_share(counts: Mapping[tuple[str, str], int]) -> float:
    """Return which share of what clients did has an outcome that nobody knows."""
    ended = {
        state: sum(counts.get((kind, state), 0) for kind in Kind if kind not in HEARD)
        for state in (State.OK, State.FAIL, State.INFO)
    }
    return ended[State.INFO] / max(1, sum(ended.values()))
