"""Redis dies under load and is away for ten seconds: how long events take before, then and after.

Nothing may be lost, which the checker says; no node is started again, which would be a finding, and
no socket ends.
Without the bus a node notices other nodes' events when it reads the log: every second, and whenever
something is sent through it. On one of the nodes people only listen, so it has the seconds alone.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.cluster import PATIENCE
from tests.faults.history import Kind, Operation, State, read
from tests.faults.nemeses import Nemesis, Trouble
from tests.faults.run import Options

PEACE = 15.0  # seconds before, and about as many after
AWAY = 10.0  # seconds
WARM = 5.0  # seconds at the start that are not counted: every node parses its first documents
MUTE = 2  # the node, of three, through which nobody sends
RATE = 100.0  # doings a second: what is shown is the way of an event, not the length of a queue


@dataclass
class Moments:
    """When what happened, in seconds of the run."""

    killed: float = 0.0
    back: float = 0.0
    heard: float = 0.0  # every node hears itself over the bus again


def options(seed: int, moments: Moments) -> Options:
    """Return the run; `moments` are noted while it goes on."""
    return Options(
        seconds=2 * PEACE + AWAY,
        seed=seed,
        rate=RATE,
        mute=frozenset([MUTE]),
        only=frozenset(["redis_away"]),
        once=_nemesis(moments),
        once_after=PEACE,
    )


def _nemesis(moments: Moments) -> Nemesis:
    async def redis_away(trouble: Trouble) -> str:
        cluster, history = trouble.cluster, trouble.world.history
        moments.killed = history.now
        await asyncio.to_thread(cluster.redis.kill)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(cluster.redis.start)
        moments.back = history.now
        async with (
            asyncio.timeout(PATIENCE),
            httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
        ):
            for node in cluster.nodes:
                while (await http.get(f"{node.url}/readyz")).json()["bus"] != "ok":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        moments.heard = history.now
        return f"for {AWAY:g} s"

    return redis_away


def figures(history: Path, moments: Moments, until: float) -> tuple[list[str], int]:
    """Return a table of how long messages took from their sending to everybody who heard them.

    And how many sockets ended. What happens later than `until` does not count: at the end of a run
    all are cut once.
    """
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    sent: dict[str, Operation] = {}
    ended = 0
    for operation in read(history):
        if operation.kind == Kind.SEND and operation.state == State.INVOKE:
            sent.setdefault(operation.key, operation)
        elif operation.kind == Kind.RESUME and operation.state == State.INVOKE:
            ended += moments.killed - PEACE + WARM <= operation.at < until
        elif operation.kind == Kind.RECEIVE and operation.event == "MessageSent":
            first = sent.get(operation.key)
            # A second device hears all of it once more at the end.
            if first is None or "/" in operation.client:
                continue
            if moments.killed - PEACE + WARM <= first.at < until:
                place = _phase(first.at, moments), _where(first.node, operation.node)
                taken[place].append(operation.at - first.at)
    heard = f"Heard again {moments.heard - moments.back:.1f} s after it was back."
    return [*_table(taken), heard, f"Sockets that ended: {ended}."], ended


def _phase(at: float, moments: Moments) -> str:
    if at < moments.killed:
        return "before" if at < moments.killed - 1 else "dying"  # its bell may be lost already
    if at < moments.back:
        return "away"
    return "coming back" if at < moments.heard else "after"


def _where(sender: int, hearer: int) -> str:
    if hearer == sender:
        return "the sender's"
    return "where all only listen" if hearer == MUTE else "another"


def _table(taken: dict[tuple[str, str], list[float]]) -> Iterator[str]:
    yield "| Redis | heard on which node | deliveries | median, ms | 99 %, ms | longest, ms |"
    yield "|---|---|--:|--:|--:|--:|"
    for phase in ("before", "away", "coming back", "after"):
        for where in ("the sender's", "another", "where all only listen"):
            times = sorted(taken[phase, where])
            if times:
                ranks = (len(times) // 2, int(len(times) * 0.99), -1)
                shown = " | ".join(f"{times[rank] * 1000:,.0f}" for rank in ranks)
                yield f"| {phase} | {where} | {len(times):,} | {shown} |"
