"""`python -m tests.faults`: run the nemeses against real processes, and check what clients saw.

Exit code 1 when something was found. Everything is left in a folder below build/faults/.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from tests.faults import planted, report
from tests.faults.checker import check
from tests.faults.display import show
from tests.faults.history import Final, Writer, read
from tests.faults.nemeses import names
from tests.faults.run import Options, Run, run

BUILD = Path(__file__).parents[2] / "build" / "faults"


def main() -> int:
    given = _parser().parse_args()
    console = Console()
    if given.check:
        verdict = check(read(given.check / "history.jsonl"), Final.read(given.check / "final.json"))
        console.print(str(verdict), highlight=False, markup=False)
        return 0 if verdict.ok else 1
    if given.prove:
        return _to_its_end(_prove(console, given.seed, given.fault))
    only = frozenset(filter(None, given.only.split(",")))
    if unknown := only - set(names()):
        console.print(f"No nemesis is called {', '.join(sorted(unknown))}.")
        return 2
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
    return _to_its_end(_run(options, console, keep=given.keep))


def _to_its_end(work: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


async def _prove(console: Console, seed: int, only_fault: str) -> int:
    """Plant each fault in turn; fail if one is not found, which would be the checker's fault."""
    missed = []
    for fault in [only_fault] if only_fault else planted.FAULTS:
        console.print(f"Planting {fault}", highlight=False)
        options = Options(
            seconds=12, nodes=2, clients=12, seed=seed, pause=0.8, hardness=0.3, fault=fault
        )
        if await _run(options, console, keep=False) == 0:
            missed.append(fault)
    found = "every planted fault" if not missed else f"all but {', '.join(missed)}"
    console.print(f"Found {found}.", highlight=False)
    return 1 if missed else 0


async def _run(options: Options, console: Console, *, keep: bool) -> int:
    directory = BUILD / f"seed-{options.seed}{f'-{options.fault}' if options.fault else ''}"
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        if old.is_file():
            old.unlink()
    run_ = Run(options, directory, Writer(directory / "history.jsonl"))
    showing = asyncio.create_task(show(run_, console))
    try:
        verdict = await run(run_)
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
    report.write(run_)
    if verdict.ok and not keep:
        run_.history.path.unlink()
        (directory / "final.json").unlink()
    console.print(str(verdict), highlight=False, markup=False)
    console.print(f"Report: {directory / 'report.md'}", soft_wrap=True, highlight=False)
    return 0 if verdict.ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=5, help="how long the nemeses rage")
    add("--nodes", type=int, default=3, help="API nodes")
    add("--clients", type=int, default=50, help="people with one socket each")
    add("--seed", type=int, default=1, help="for all choices")
    add("--rate", type=float, default=250, help="doings a second, of all clients, at most")
    add("--pause", type=float, default=5, help="seconds between two nemeses of a lane, about")
    add("--only", default="", help=f"these nemeses, by comma: {', '.join(names())}")
    add("--fault", default="", choices=["", *planted.FAULTS], help="plant a fault in the nodes")
    add("--prove", action="store_true", help="plant each fault, or --fault, and expect to find it")
    add("--keep", action="store_true", help="keep the history of a run without findings too")
    add("--check", type=Path, metavar="FOLDER", help="check the history kept there again")
    return parser


if __name__ == "__main__":
    sys.exit(main())
