"""`python -m tests.agreement`: many seeds, for as long as one likes.

Exit code 1 when the product and the model disagree; then the steps are told, as few as were found.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import Sequence

import structlog
import uvloop

from tests.agreement.doings import Doing, doings
from tests.agreement.nodes import DATABASES, migrated, two_nodes
from tests.agreement.planted import FAULTS, planted
from tests.agreement.report import report
from tests.agreement.run import Problem, first_wrong
from tests.agreement.shrinking import shrunk
from tests.parts.running import Running


def main() -> int:
    given = _parser().parse_args()
    databases = [given.database] if given.database else DATABASES
    wrong = 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for database in databases:
            with (
                migrated(database) as url,
                planted(given.fault) if given.fault else contextlib.nullcontext(),
            ):
                wrong += runner.run(_run(given, database, url))
    return 1 if wrong else 0


async def _run(given: argparse.Namespace, database: str, url: str) -> int:
    wrong, began, done = 0, time.monotonic(), 0
    likely = FAULTS[given.fault].likely if given.fault else ()
    only = [_doing(each) for each in given.only.split(",")] if given.only else None
    seeds = range(given.first, given.first + (1 if only else given.seeds))
    async with two_nodes(url) as nodes:
        # What the nodes log would be in the way; errors in it are of interest.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        for seed in seeds:
            steps = only or doings(seed, given.steps, likely)
            problem = await first_wrong(nodes, steps)
            done += len(steps)
            if problem is not None:
                wrong += 1
                problem = await _shrunk(nodes, problem, given.shrink)
                print(report(problem, database=database, seed=seed, steps=given.steps), flush=True)
            passed = time.monotonic() - began
            print(
                f"{database} seed {seed}: {done:,} steps in {passed:.0f} s, {wrong} wrong",
                flush=True,
            )
    return wrong


async def _shrunk(nodes: Sequence[Running], problem: Problem, seconds: float) -> Problem:
    async def attempt(steps: Sequence[Doing]) -> Problem | None:
        return await first_wrong(nodes, steps)

    return await shrunk(problem, attempt, seconds)


def _doing(told: str) -> Doing:
    what, _, seed = told.partition(":")
    return Doing(what, int(seed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.agreement", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=20, help="how many runs, on each database")
    add("--first", type=int, default=0, help="the first of them")
    add("--steps", type=int, default=100, help="how many of a run")
    add("--only", default="", help="these steps, as a failure tells them, in the place of seeds")
    add("--database", choices=DATABASES, help="both without")
    add("--shrink", type=float, default=120, help="seconds to look for fewer steps")
    add("--fault", default="", choices=["", *FAULTS], help="plant a fault")
    return parser


if __name__ == "__main__":
    sys.exit(main())
