"""Idle sockets: what a subscription that waits for something to happen takes of a server's memory.

Sockets are opened in batches, and after each the server comes to rest. What it holds then is fitted
against the number of sockets, so that what a server sets up once, with the first of them, does not
count. `--explain` says where Hubbub's memory was taken, by file.
"""

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import uvloop

from bench import charts, databases, idle_explained, machine, options, processes, results, servers
from bench.databases import Cast
from bench.figures import Spread, short
from bench.peers import on_node
from bench.servers import Server
from bench.subscribers import Subscribers, sends
from server import logs

MOST_KIB = 25.0  # what an idle socket may take of Hubbub
BATCHES = 5
PEERS = (servers.BARE, servers.YOGA, servers.STRAWBERRY)
WARM_UP = 20  # messages before the first look


@dataclass(slots=True)
class Contestant:
    """A kind of server, and what a socket took of it in each round."""

    name: str
    slopes: list[float] = field(default_factory=list)  # KiB
    batches: list[float] = field(default_factory=list)  # the same between two looks
    spoken_to: list[float] = field(default_factory=list)  # what a first message adds to it
    empty: list[float] = field(default_factory=list)  # MiB without any socket


def look(server: Server, subscribers: Subscribers) -> float:
    """Return how many KiB a server at rest holds."""
    server.rest()
    subscribers.tend()
    return processes.resident_bytes(server.pid) / 1024


def measure(contestant: Contestant, server: Server, cast: Cast, sockets: int) -> None:
    """Open all sockets at a server that has just been started."""
    subscribers = Subscribers(server.port, sends(cast))
    for _ in range(WARM_UP):
        subscribers.deliver()
    contestant.empty.append(look(server, subscribers) / 1024)
    tokens = [person.token for person in cast.people[1 : sockets + 1]]
    grown = []
    for number in range(BATCHES):
        start, end = (sockets * each // BATCHES for each in (number, number + 1))
        subscribers.subscribe(tokens[start:end])
        grown.append((end, look(server, subscribers)))
    contestant.slopes.append(statistics.linear_regression(*zip(*grown, strict=True)).slope)
    contestant.batches += [(b - a) / (more - less) for (less, a), (more, b) in pairwise(grown)]
    subscribers.until_heard()
    contestant.spoken_to.append((look(server, subscribers) - grown[-1][1]) / sockets)
    subscribers.close()


def opening(name: str, url: str, directory: Path, core: set[int]) -> AbstractContextManager[Server]:
    """Return what starts one of the contestants."""
    if name == "Hubbub":
        return servers.hubbub(url, directory, core)
    return servers.peer(name, directory, core)


def run(given: argparse.Namespace, directory: Path) -> results.Report | None:
    """Take all measurements; about half a minute for each round, and one to sign people up."""
    on_node.install()
    cores = processes.Cores.apart()
    processes.keep_to(cores.others)
    circumstances = [*machine.description(), f"Peers: {on_node.versions()}"]
    url = databases.sqlite_url(directory)
    print(f"Signing up {given.sockets + 1} people", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        filling = databases.fill(url, directory, people=given.sockets + 1, chat_count=1)
        cast = runner.run(filling)
    if given.explain:
        idle_explained.show(url, cast, given.sockets, directory, cores.measured)
        return None
    contestants = [Contestant(name) for name in ("Hubbub", *PEERS)]
    for number in range(1, given.rounds + 1):
        for contestant in contestants:
            with opening(contestant.name, url, directory, cores.measured) as server:
                measure(contestant, server, cast, given.sockets)
            print(
                f"round {number} of {given.rounds}  {contestant.name:18}"
                f"{short(contestant.slopes[-1]):>8} KiB",
                flush=True,
            )
    return report(given, circumstances, contestants)


def report(
    given: argparse.Namespace, circumstances: Sequence[str], contestants: Sequence[Contestant]
) -> results.Report:
    """Return the table, the verdict and the chart."""
    table = results.Table(
        ["server", "KiB per socket", "by batch", "after a message", "MiB without any"]
    )
    rows = []
    for each in contestants:
        slope = Spread.of(each.slopes)
        after = Spread.of([a + b for a, b in zip(each.slopes, each.spoken_to, strict=True)])
        table.add(each.name, slope, Spread.of(each.batches), after, Spread.of(each.empty))
        rows.append((each.name, slope.median, slope.low, slope.high))
    ours, bare = (Spread.of(each.slopes).median for each in contestants[:2])
    remark = (
        f"{given.sockets} sockets, each with a subscription, opened in {BATCHES} batches; "
        f"{given.rounds} rounds, the server started anew for each; median (lowest–highest). “KiB "
        "per socket” is the slope of the resident memory over the number of sockets, fitted from "
        "the end of the first batch on; “by batch” is the same between two looks; “after a "
        "message” counts in what the server keeps once everybody has heard one. Peers collected "
        "their garbage before each look, Hubbub did not."
    )
    word = "at most" if ours <= MOST_KIB else "MORE THAN"
    verdict = (
        f"Hubbub takes {short(ours)} KiB a socket ({word} {MOST_KIB:g}), of which uvicorn "
        f"takes {short(bare)}."
    )
    return results.Report(
        "idle",
        processes.command("bench.idle", given.arguments),
        circumstances,
        table,
        [
            remark,
            verdict,
        ],
        charts.Bars(
            "What an idle subscribed socket takes of the server's memory",
            "KiB, shorter is better",
            rows,
            charts.Mark(MOST_KIB, f"{MOST_KIB:g} KiB"),
        ),
    )


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.idle", __doc__, rounds=2, seconds=None)
    parser.add_argument("--sockets", type=options.count, default=2000, help="in all (2000)")
    parser.add_argument(
        "--explain", action="store_true", help="show where Hubbub's memory was taken, and no more"
    )
    given = options.parse(parser, arguments)
    if given.sockets < 2 * BATCHES:
        parser.error(f"at least {2 * BATCHES} sockets")
    processes.prepare(open_files=given.sockets)
    logs.configure("console", "warning", "bench")
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory) as name:
        found = run(given, Path(name))
    if found is not None:
        results.conclude(found, record=given.record)


if __name__ == "__main__":
    processes.run(main)
