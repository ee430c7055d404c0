"""`python -m tests.simulation`: run seeds, or one of them with all that happened in it.

Exit code 1 when something was found, or with --prove, when a planted fault was not.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter

from tests.simulation.chances import KINDS, Kind
from tests.simulation.planted import FAULTS, planted
from tests.simulation.report import again, happenings
from tests.simulation.run import simulate


def main() -> int:
    given = _parser().parse_args()
    kinds = KINDS if given.database is None else [given.database]
    if given.prove:
        return _prove(given.seeds)
    with planted(given.fault) if given.fault else contextlib.nullcontext():
        if given.seed is None:
            return _run(range(given.first, given.first + given.seeds), kinds, given.fault)
        return max(_tell(given.seed, kind, given.fault) for kind in kinds)


def _tell(seed: int, kind: Kind, fault: str) -> int:
    """Print everything that happens in a run."""
    world = simulate(seed, kind, **_chances(fault))
    print(f"Seed {seed} on {kind}, with {world.chances}")
    for moment in world.timeline:
        print(moment)
    print(*world.problems or ["Nothing was wrong."], sep="\n")
    return 1 if world.problems else 0


def _run(seeds: range, kinds: list[Kind] | tuple[Kind, ...], fault: str) -> int:
    """Run many seeds, and print what was found and what they were made of."""
    started, runs, bad = time.monotonic(), 0, 0
    met: Counter[str] = Counter()
    for seed in seeds:
        for kind in kinds:
            world = simulate(seed, kind, **_chances(fault))
            met += happenings(world)
            runs += 1
            if world.problems:
                bad += 1
                print(f"{world.problems[0]}: {again(world, fault)}", flush=True)
    seconds = time.monotonic() - started
    for name, count in met.most_common():
        print(f"{count:10,} {name}")
    print(f"{runs:,} runs in {seconds:.0f} s, something wrong in {bad}")
    return 1 if bad else 0


def _prove(within: int) -> int:
    """Plant each fault in turn, and print the first seed that finds it."""
    missed = 0
    for name, fault in FAULTS.items():
        for kind in fault.kinds:
            with planted(name):
                runs = ((s, simulate(s, kind, **fault.chances)) for s in range(within))
                seed, world = next(((s, w) for s, w in runs if w.problems), (None, None))
            missed += world is None
            what = world.problems[0] if world is not None else "NOT FOUND"
            print(f"{name:24} {kind:10} {seed!s:>5}  {what}", flush=True)
    return 1 if missed else 0


def _chances(fault: str) -> dict[str, object]:
    return FAULTS[fault].chances if fault else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    add = parser.add_argument
    add("--seeds", type=int, default=10_000, help="how many to run, on each kind of database")
    add("--first", type=int, default=0, help="the first of them")
    add("--seed", type=int, help="run this one, and tell everything that happens")
    add("--database", choices=KINDS, help="how it shows what is committed; both without")
    add("--fault", default="", choices=["", *FAULTS], help="plant a fault")
    add("--prove", action="store_true", help="plant each fault, and expect to find it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
