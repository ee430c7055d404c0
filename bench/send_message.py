"""Acknowledged sends: what one costs in Python, how many a second, how long one takes.

Two entrances, the use-case called in this process and GraphQL over HTTP at a server process; two
databases that wait for the disk; many senders in one hot chat or in many chats, and a sender who is
alone. They take turns.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench import databases, machine, options, processes, results
from bench.entrances import Entrance, Filled, opened
from bench.figures import Spread, in_turn, percentile, short
from server import logs

WARM_UP = 0.4  # seconds before each measurement, with all senders at work


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant's turn in one round."""

    cpu_us: float  # of the Python process, per acknowledged send
    per_second: float
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class Contestant:
    """A way in, how many send at a time, and the chats over which the sends are spread."""

    name: str
    entrance: Entrance
    senders: int
    chats: range
    samples: list[Sample] = field(default_factory=list)


async def measure(contestant: Contestant, *, seconds: float) -> Sample:
    """Let the senders send, each its next message when the last one is acknowledged."""
    entrance, chats = contestant.entrance, contestant.chats
    latencies: list[float] = []
    stopping = False

    async def work(sender: int) -> None:
        while not stopping:
            started = time.perf_counter()
            await entrance.send(sender, random.choice(chats))
            latencies.append(time.perf_counter() - started)
            entrance.acknowledged += 1

    async with asyncio.TaskGroup() as tasks:
        for sender in range(contestant.senders):
            tasks.create_task(work(sender))
        await asyncio.sleep(WARM_UP)
        latencies.clear()
        cpu, started = entrance.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        cpu, elapsed = entrance.cpu_seconds() - cpu, time.perf_counter() - started
        taken = latencies.copy()
        stopping = True
    if not taken:
        raise RuntimeError(f"{contestant.name}: nothing was acknowledged in {seconds} s")
    return Sample(
        cpu_us=cpu / len(taken) * 1e6,
        per_second=len(taken) / elapsed,
        p50_ms=percentile(taken, 0.5) * 1e3,
        p99_ms=percentile(taken, 0.99) * 1e3,
    )


async def own_cost(senders: int) -> float:
    """Return the microseconds per send that measuring itself costs, which the figures include."""

    async def nothing(_sender: int, _chat: int) -> None:
        await asyncio.sleep(0)

    empty = Contestant("nothing", Entrance("nothing", "", nothing, None), senders, range(1))
    return (await measure(empty, seconds=0.5)).cpu_us


async def measure_in_turn(
    contestants: Sequence[Contestant], cores: processes.Cores, *, rounds: int, seconds: float
) -> None:
    """Take every contestant's samples."""
    for number, contestant in in_turn(contestants, rounds):
        here = contestant.entrance.server_pid is None
        processes.keep_to(cores.measured if here else cores.others)
        sample = await measure(contestant, seconds=seconds)
        contestant.samples.append(sample)
        print(
            f"round {number} of {rounds}  {contestant.name:40}"
            f"{short(sample.cpu_us):>8} µs {short(sample.per_second):>8}/s",
            flush=True,
        )


def table(contestants: Sequence[Contestant]) -> results.Table:
    """Return what was found, a row for each contestant."""
    made = results.Table(["contestant", "CPU µs per send", "sends/s", "p50 ms", "p99 ms"])
    for contestant in contestants:
        figures = ("cpu_us", "per_second", "p50_ms", "p99_ms")
        made.add(
            contestant.name,
            *(
                Spread.of([getattr(one, figure) for one in contestant.samples])
                for figure in figures
            ),
        )
    return made


@asynccontextmanager
async def _sqlite(given: argparse.Namespace, directory: Path) -> AsyncIterator[Filled]:
    folders = [directory / name for name in ("filled", "use-case", "http")]
    for folder in folders:
        folder.mkdir()
    cast = await databases.fill(
        databases.sqlite_url(folders[0]), directory, people=given.senders, chat_count=given.chats
    )
    one, other = [databases.copy_sqlite(folders[0], folder) for folder in folders[1:]]
    yield Filled("SQLite", one, other, cast)


@asynccontextmanager
async def _postgresql(given: argparse.Namespace, directory: Path) -> AsyncIterator[Filled]:
    with databases.durable_postgres(directory) as server:
        filled = server.create()
        cast = await databases.fill(
            server.url(filled), directory, people=given.senders, chat_count=given.chats
        )
        one, other = [server.url(server.create(template=filled)) for _ in range(2)]
        yield Filled(f"PostgreSQL {server.version.partition('.')[0]}", one, other, cast)


ENTRANCES = ["use-case", "HTTP"]
DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}


async def run(given: argparse.Namespace, directory: Path) -> results.Report:
    """Take all measurements; about `rounds × 12 × seconds`, and half a minute to fill databases."""
    circumstances = [*machine.description(), machine.disk(directory)]
    cores = processes.Cores.shared() if given.unpinned else processes.Cores.apart()
    processes.keep_to(cores.others)  # and with it PostgreSQL
    async with AsyncExitStack() as stack:
        contestants = []
        for name in given.databases:
            print(f"Filling {name}: {given.senders} people in {given.chats} chats", flush=True)
            folder = directory / name
            folder.mkdir()
            filled = await stack.enter_async_context(DATABASES[name](given, folder))
            entrances = await stack.enter_async_context(opened(filled, folder, cores.measured))
            for entrance in entrances:
                if not entrance.name.startswith(tuple(given.entrances)):
                    continue
                for chats in sorted({1, given.chats}):
                    where = "one hot chat" if chats == 1 else f"{chats} chats"
                    called = f"{entrance.name}, {where}"
                    contestants.append(Contestant(called, entrance, given.senders, range(chats)))
                contestants.append(
                    Contestant(f"{entrance.name}, one sender", entrance, 1, range(1))
                )
        await measure_in_turn(contestants, cores, rounds=given.rounds, seconds=given.seconds)
        harness = await own_cost(given.senders)
    placed = "all on any core" if given.unpinned else "Python on one core, the rest on the others"
    remark = (
        f"{given.senders} senders at a time or one, {given.rounds} rounds of {given.seconds:g} s "
        f"each, in turn, {placed}; median (lowest–highest). Every acknowledged message was found "
        "stored once, without gaps in its chat's numbers. The use-case's cost includes "
        f"{short(harness)} µs of measuring."
    )
    command = processes.command("bench.send_message", given.arguments)
    return results.Report("send_message", command, circumstances, table(contestants), [remark])


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.send_message", __doc__, rounds=4, seconds=2.5)
    parser.add_argument("--senders", type=options.count, default=64, help="at the same time (64)")
    parser.add_argument("--chats", type=options.count, default=200, help="to spread over (200)")
    parser.add_argument(
        "--databases",
        nargs="+",
        choices=DATABASES,
        default=list(DATABASES),
        help="both if left out",
    )
    parser.add_argument(
        "--entrances", nargs="+", choices=ENTRANCES, default=ENTRANCES, help="both if left out"
    )
    parser.add_argument(
        "--unpinned", action="store_true", help="leave it to the system what runs on which core"
    )
    given = options.parse(parser, arguments)
    processes.prepare(open_files=4 * given.senders)
    logs.configure("console", "warning", "bench")
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory) as name:
        directory = Path(name)
        directory.chmod(0o711)  # PostgreSQL may have to become somebody who owns only his data
        databases.require_disk(directory)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(run(given, directory))
    results.conclude(report, record=given.record)


if __name__ == "__main__":
    processes.run(main)
