"""What a run has to say: what was wrong, how it came about, and how to see it again."""

from __future__ import annotations

from collections import Counter

from tests.simulation.world import World

LINES = 150  # of the timeline; `--seed` prints all of it

# What runs are made of, as lines of the timeline tell it.
HAPPENINGS = {
    "transactions rolled back": "rolled back",
    "connections cut": "lost the connection to",
    "resumes": "subscribes at",
    "resumes inside a batch": "last_id=",
    "readers too slow": "is closed: slow",
    "readers stalled": "stalls for",
    "reads of the log failed": "tail_failed",
    "idle cursors": "advances to",
    "nodes killed": "is killed",
    "crashes of the database": "crashes",
    "restores of the database": "is restored",
    "prunings of the log": "is pruned",
    "resyncs because of pruning": "must resync: expired",
    "resyncs because of another log": "must resync: log_replaced",
    "chats left while listening to them alone": "is closed: not found",
    "receipts told": "ReceiptsAdvanced",
    "personal events told": "Session",
}


def again(world: World, fault: str = "") -> str:
    """Return the command that repeats a run."""
    planted = f" --fault {fault}" if fault else ""
    return f"make simulate ARGS='--database {world.db.kind} --seed {world.seed}{planted}'"


def report(world: World, fault: str = "") -> str:
    """Return what was wrong in a run, the end of its timeline, and the command that repeats it."""
    told = [str(moment) for moment in world.timeline if moment.what != "advances to"]
    return "\n".join(
        [
            f"Seed {world.seed} on {world.db.kind}:",
            *(f"  {problem}" for problem in world.problems),
            f"With {world.chances}",
            *(["…"] if len(told) > LINES else []),
            *told[-LINES:],
            f"To see all of it again: {again(world, fault)}",
        ]
    )


def happenings(world: World) -> Counter[str]:
    """Return how often what happened in a run."""
    lines = [str(moment) for moment in world.timeline]
    found: Counter[str] = Counter()
    for name, phrase in HAPPENINGS.items():
        found[name] = sum(phrase in line for line in lines)
    return found
