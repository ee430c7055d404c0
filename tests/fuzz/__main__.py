"""`python -m tests.fuzz`: try odd requests and frames for minutes, and print what must not be.

Exit code 1 when something was found. A round tries every sort once; its seed determines all of it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import traceback

from tests.fuzz.properties import PROPERTIES
from tests.fuzz.target import Target, fuzzed_server

ALIKE = 80  # characters; findings that begin with the same ones are told once
SHOWN = 3000  # characters of a finding; an example may be a megabyte


def main() -> int:
    given = _parser().parse_args()
    deadline = time.monotonic() + 60 * given.minutes
    found: dict[str, str] = {}
    tried = 0
    settings = {"HUBBUB_DATABASE_URL": given.database} if given.database else {}
    with fuzzed_server(**settings) as target:
        for seed in itertools.count(given.seed):
            target.refresh()
            for name in given.only or PROPERTIES:
                finding = _finding(target, name, given.examples, seed)
                tried += given.examples
                if finding and finding[:ALIKE] not in found:
                    found[finding[:ALIKE]] = f"make fuzz ARGS='--seed {seed} --only {name}'"
                    print(f"\n{name}, seed {seed}:\n{finding}\n", flush=True)
                if target.server.process.exit_code is not None:
                    return _report(target, found, tried)
            print(f"seed {seed}: {tried:,} examples, {len(found)} findings", flush=True)
            if time.monotonic() > deadline:
                return _report(target, found, tried)
    return 1


def _finding(target: Target, name: str, examples: int, seed: int) -> str:
    """Return what was wrong with the simplest example that fails; empty if none does."""
    try:
        PROPERTIES[name].run(target, examples, seed)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and the run goes on
        return "\n".join(
            line[:SHOWN] for line in traceback.format_exception(error, limit=0)
        ).strip()
    return ""


def _report(target: Target, found: dict[str, str], tried: int) -> int:
    print("\nWhat came back:")
    for what, count in target.met.most_common():
        print(f"{count:10,} {what}")
    print(f"\n{tried:,} examples, {len(found)} findings")
    for finding, again in found.items():
        print(f"  {finding}\n    to see it again: {again}")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=10, help="for how long; the last round is finished")
    add("--seed", type=int, default=1000, help="of the first round")
    add("--examples", type=int, default=200, help="of each sort in a round")
    add("--only", nargs="*", choices=list(PROPERTIES), help="these sorts alone")
    add("--database", default="", help="the URL of an empty one; SQLite without")
    return parser


if __name__ == "__main__":
    sys.exit(main())
