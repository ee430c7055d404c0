"""`python -m tests.faults`: run the nemeses against real processes, and check what clients saw.

Exit code 1 when something was found, or a goal was missed. Everything is left in a folder below
build/faults/.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from tests.faults import planted, redis_away, report, stalled_reader
from tests.faults.checker import check
from tests.faults.display import show
from tests.faults.goals import Goals
from tests.faults.history import Final, Writer, read
from tests.faults.nemeses import names
from tests.faults.run import Options, Run, run

BUILD = Path(__file__).parents[2] / "build" / "faults"
SCENARIOS = {
    "long": "20 minutes, and enough of everything in them",
    "redis-away": "Redis is away for ten seconds: how long events take meanwhile",
    "stalled-reader": "one of fifty stops reading: what the others and the memory notice",
}


def main() -> int:
    given = _parser().parse_args()
    console = Console()
    if given.check:
        verdict = check(read(given.check / "history.jsonl"), Final.read(given.check / "final.json"))
        console.print(str(verdict), highlight=False, markup=False)
        return 0 if verdict.ok else 1
    if given.prove:
        return _to_its_end(_prove(console, given.seed, given.fault))
    if given.scenario == "stalled-reader":
        directory = _emptied(BUILD / given.scenario)
        return _to_its_end(stalled_reader.show(directory, console, given.events))
    only = frozenset(filter(None, given.only.split(",")))
    if unknown := only - set(names()):
        console.print(f"No nemesis is called {', '.join(sorted(unknown))}.")
        return 2
    if given.scenario == "redis-away":
        return _to_its_end(_redis_away(console, given.seed))
    options = Options(
        seconds=given.minutes * 60,
        nodes=given.nodes,
        clients=given.clients,
        seed=given.seed,
        rate=given.rate,
        pause=given.pause,
        fault=given.fault,
        only=only,
    )
    if given.scenario == "long":
        options = Options(
            seconds=1200,
            seed=given.seed,
            goals=Goals(sends=200_000, strikes=20, unknown=0.05),
        )
    return _to_its_end(_run(options, console, keep=given.keep))


def _to_its_end(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _prove(console: Console, seed: int, only_fault: str) -> int:
    """Plant each fault in turn; fail if one is not found as what it is, the checker's fault."""
    missed = []
    for name in [only_fault] if only_fault else planted.FAULTS:
        fault = planted.FAULTS[name]
        began = time.monotonic()
        about = fault.about.partition("\n")[0]
        console.print(f"Planting {name}: {about}", soft_wrap=True, highlight=False)
        options = Options(
            seconds=8,
            nodes=2,
            clients=12,
            seed=seed,
            rate=250,
            pause=0.8,
            hardness=0.3,
            quiet=4,
            replays=0,  # none of the faults needs them to be found
            fault=name,
            only=fault.nemeses,
        )
        run_ = Run(options, *_place(f"seed-{seed}-{name}"))
        await _shown(run_, console)
        verdict = run_.verdict
        found = fault.found_as & verdict.totals.keys() if verdict else frozenset()
        if not found:
            missed.append(name)
        outcome = f"found as {', '.join(sorted(found))}" if found else "NOT FOUND"
        console.print(
            f"{name}: {outcome} after {time.monotonic() - began:.0f} s\n", highlight=False
        )
    all_ = "every planted fault" if not missed else f"all but {', '.join(missed)}"
    console.print(f"Found {all_}.", highlight=False)
    return 1 if missed else 0


async def _run(options: Options, console: Console, *, keep: bool) -> int:
    name = f"seed-{options.seed}{f'-{options.fault}' if options.fault else ''}"
    run_ = Run(options, *_place(name))
    await _shown(run_, console)
    verdict = run_.verdict
    assert verdict is not None
    if verdict.ok and not keep:
        run_.history.path.unlink()
        (run_.directory / "final.json").unlink()
    for goal in run_.goals:
        said = "reached" if goal.reached else "MISSED"
        console.print(f"{goal.what}: {said}, {goal.came_to}", highlight=False)
    return 0 if verdict.ok and all(goal.reached for goal in run_.goals) else 1


async def _redis_away(console: Console, seed: int) -> int:
    moments = redis_away.Moments()
    run_ = Run(redis_away.options(seed, moments), *_place("redis-away"))
    await _shown(run_, console)
    lines, ended = redis_away.figures(run_.history.path, moments, until=run_.healed_at - 1)
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)
    return 0 if run_.verdict and run_.verdict.ok and not ended else 1


async def _shown(run_: Run, console: Console) -> None:
    """Carry out a run, show it while it goes on, and write its report."""
    showing = asyncio.create_task(show(run_, console))
    try:
        verdict = await run(run_)
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
    report.write(run_)
    # What was planted is found a hundred times over.
    said = str(verdict) if not run_.options.fault else verdict.summary
    console.print(said, soft_wrap=True, highlight=False, markup=False)
    console.print(f"Report: {run_.directory / 'report.md'}", soft_wrap=True, highlight=False)


def _place(name: str) -> tuple[Path, Writer]:
    """Return an empty folder for a run, and the history in it."""
    directory = _emptied(BUILD / name)
    return directory, Writer(directory / "history.jsonl")


def _emptied(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        if old.is_file():
            old.unlink()
    return directory


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=5, help="how long the nemeses rage")
    add("--nodes", type=int, default=3, help="API nodes")
    add("--clients", type=int, default=50, help="people who do things, with one socket each")
    add("--seed", type=int, default=1, help="for all choices")
    add("--rate", type=float, default=320, help="doings a second, of all clients, at most")
    add("--pause", type=float, default=5, help="seconds between two nemeses of a lane, about")
    add("--only", default="", help=f"these nemeses, by comma: {', '.join(names())}")
    about = "; ".join(f"{name}: {what}" for name, what in SCENARIOS.items())
    add("--scenario", default="", choices=["", *SCENARIOS], help=about)
    add("--events", type=int, default=5000, help="how many, in the scenario stalled-reader")
    add("--fault", default="", choices=["", *planted.FAULTS], help="plant a fault in the nodes")
    add("--prove", action="store_true", help="plant each fault, or --fault, and expect to find it")
    add("--keep", action="store_true", help="keep the history of a run without findings too")
    add("--check", type=Path, metavar="FOLDER", help="check the history kept there again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
