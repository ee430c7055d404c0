"""A stalled reader: what one of fifty who stops reading does to the server and to the others.

The scenario is the one of `tests.faults`: one node on PostgreSQL and Redis, fifty people in a chat,
of whom one stops reading and leaves the socket open while thousands of events happen. The others
have to hear all of them, and the one who stalled too, after coming back with a cursor. What is not
read must not be kept in the server's memory.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import machine, options, processes, results
from bench.figures import Spread
from bench.processes import CannotRun
from server import logs
from tests.faults import stalled_reader
from tests.faults.stalled_reader import Outcome
from tests.parts import postgres, redis

MOST_MB = 5.0  # by which the server may grow
FEWEST = 5000  # events: some 3,500 fit into what the system buffers, and nobody is stalled yet


def say(line: str) -> None:
    """Show what happens."""
    print(line, flush=True)


def report(given: argparse.Namespace, outcomes: Sequence[Outcome]) -> results.Report:
    """Return the table and the verdict."""
    table = results.Table(
        ["server", "MB at most above before", "MB before", "MB at most", "MB after", "events/s"]
    )
    grown = Spread.of([each.highest - each.before for each in outcomes])
    table.add(
        "Hubbub, one of fifty stalled",
        grown,
        Spread.of([each.before for each in outcomes]),
        Spread.of([each.highest for each in outcomes]),
        Spread.of([each.after for each in outcomes]),
        Spread.of([each.events / each.seconds for each in outcomes]),
    )
    word = "at most" if grown.high <= MOST_MB else "MORE THAN"
    found = ", ".join(f"{each.found:,}" for each in outcomes)
    remark = (
        f"One node on PostgreSQL and Redis, {stalled_reader.READERS} people in a chat, "
        f"{given.events:,} events of {stalled_reader.LENGTH:,} characters after one of them "
        "stopped reading. The others heard every one of them, once and in order; so did the one "
        f"who stalled, who was cut off, found {found} events in buffers on reading on, and came "
        "back with a cursor."
    )
    verdict = f"The server grew by {grown} MB at its peak ({word} {MOST_MB:g})."
    command = processes.command("bench.stalled", given.arguments)
    return results.Report("stalled", command, given.circumstances, table, [remark, verdict])


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.stalled", __doc__, rounds=1, seconds=None)
    parser.add_argument("--events", type=options.count, default=10_000, help="in all (10000)")
    given = options.parse(parser, arguments)
    if given.events < FEWEST:
        parser.error(f"at least {FEWEST} events: the system buffers fewer for who does not read")
    processes.prepare()
    if postgres.find() is None or redis.find() is None:
        raise CannotRun("PostgreSQL or Redis is missing: `make bench` installs both as wheels")
    logs.configure("console", "warning", "bench")
    given.circumstances = machine.description()
    outcomes = []
    for number in range(1, given.rounds + 1):
        say(f"round {number} of {given.rounds}")
        with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory) as name:
            directory = Path(name)
            directory.chmod(0o711)  # PostgreSQL may have to become somebody who owns only his data
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                outcomes.append(runner.run(stalled_reader.run(directory, given.events, say)))
        if outcomes[-1].wrong:
            raise RuntimeError(f"not everybody heard everything: {outcomes[-1].wrong}")
    results.conclude(report(given, outcomes), record=given.record)


if __name__ == "__main__":
    processes.run(main)
