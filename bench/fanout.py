"""Fan-out: what one delivery costs the server when hundreds of people listen in one chat.

One sender posts messages over GraphQL, each when everybody has the last one; everybody else hears
them over a `graphql-transport-ws` socket. Beside Hubbub run a bare broadcast of the same bytes, the
least that ASGI allows, and Strawberry as its documentation has it. They take turns on one core of
their own.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import UUID

import uvloop

from bench import databases, keepalive, machine, options, processes, results
from bench.databases import Cast
from bench.figures import Spread, in_turn, percentile, short
from bench.subscribers import Subscribers
from server import logs
from tests.parts.hubbub import COMMAND, ServerProcess
from tests.parts.ports import free_port
from tests.parts.process import Process

TEXT = "Message {:06} " + "of a text that is as long as makes the whole frame 400 bytes. " * 2
ALONE = 1.0  # seconds in which messages are sent that nobody hears
WARM_UP = 2  # messages before each measurement


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant's turn in one round."""

    cpu_us: float  # of the server, per delivery
    per_second: float
    p50_ms: float
    p99_ms: float
    kept: float  # bytes by which the server grew, per delivery


@dataclass(slots=True)
class Contestant:
    """A server with everybody subscribed to it."""

    name: str
    pid: int
    subscribers: Subscribers
    alone_us: float  # what sending a message costs when nobody listens
    subscriber_kib: float  # what an open socket with its subscription takes
    samples: list[Sample] = field(default_factory=list)


# What stands beside Hubbub, each a command that is given a port. Node's servers come in later.
PEERS = {
    "stock Strawberry": [sys.executable, "-m", "bench.peers.stock_strawberry"],
    "bare broadcast": [sys.executable, "-m", "bench.peers.bare"],
}


def measure(contestant: Contestant, *, seconds: float) -> Sample:
    """Send messages one after the other for some seconds."""
    pid, subscribers = contestant.pid, contestant.subscribers
    subscribers.reconnect_sender()
    for _ in range(WARM_UP):
        subscribers.deliver()
    waited: list[float] = []
    memory = processes.resident_bytes(pid)
    cpu, started = processes.cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - started < seconds:
        waited += subscribers.deliver()
    cpu, elapsed = processes.cpu_seconds(pid) - cpu, time.perf_counter() - started
    return Sample(
        cpu_us=cpu / len(waited) * 1e6,
        per_second=len(waited) / elapsed,
        p50_ms=percentile(waited, 0.5) * 1e3,
        p99_ms=percentile(waited, 0.99) * 1e3,
        kept=(processes.resident_bytes(pid) - memory) / len(waited),
    )


def measure_alone(subscribers: Subscribers, pid: int) -> float:
    """Return the microseconds of the server's that a message costs while nobody listens."""
    for _ in range(10 * WARM_UP):
        subscribers.deliver()
    sent = 0
    cpu, started = processes.cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - started < ALONE:
        subscribers.deliver()
        sent += 1
    return (processes.cpu_seconds(pid) - cpu) / sent * 1e6


def enter(name: str, port: int, pid: int, cast: Cast) -> Contestant:
    """Return a running server as a contestant, with everybody subscribed to it."""
    sender, *listeners = cast.people
    chat = cast.chat(0)

    def request(number: int) -> bytes:
        id_ = str(UUID(int=number))
        return keepalive.send_request(sender.token, chat, TEXT.format(number), id_)

    subscribers = Subscribers(port, request)
    alone_us = measure_alone(subscribers, pid)
    print(f"Subscribing {len(listeners)} people to {name}", flush=True)
    memory = processes.resident_bytes(pid)
    subscribers.subscribe([person.token for person in listeners])
    taken = (processes.resident_bytes(pid) - memory) / len(listeners)
    return Contestant(name, pid, subscribers, alone_us, taken / 1024)


@contextmanager
def contestants(
    url: str, cast: Cast, core: set[int], directory: Path
) -> Iterator[list[Contestant]]:
    """Yield every server, on its core; each must have delivered everything in the end."""
    with ExitStack() as stack:
        entered = []
        with processes.starting_on(core):
            hubbub = ServerProcess(directory, COMMAND, ("api",), databases.environment(url))
        stack.callback(hubbub.stop)
        hubbub.wait_ready()
        entered.append(enter("Hubbub", hubbub.port, hubbub.process.pid, cast))
        for name, command in PEERS.items():
            port = free_port()
            with processes.starting_on(core):
                peer = Process(
                    name,
                    [*command, str(port)],
                    log=directory / f"{name}.log",
                    cwd=processes.ROOT,
                )
            stack.callback(peer.terminate)
            peer.wait_until(partial(processes.listens, port), patience=30)
            entered.append(enter(name, port, peer.pid, cast))
        yield entered
        for contestant in entered:
            contestant.subscribers.close()


def run(given: argparse.Namespace, url: str, directory: Path) -> results.Report:
    """Take all measurements; about `rounds × 3 × seconds`, and 20 seconds to get ready."""
    cores = processes.Cores.apart()
    processes.keep_to(cores.others)
    circumstances = machine.description()
    print(f"Signing up {given.subscribers + 1} people", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cast = runner.run(
            databases.fill(url, directory, people=given.subscribers + 1, chat_count=1)
        )
    with contestants(url, cast, cores.measured, directory) as entered:
        for number, contestant in in_turn(entered, given.rounds):
            sample = measure(contestant, seconds=given.seconds)
            contestant.samples.append(sample)
            print(
                f"round {number} of {given.rounds}  {contestant.name:18}"
                f"{short(sample.cpu_us):>8} µs {short(sample.per_second):>8}/s",
                flush=True,
            )
    table = results.Table(
        [
            "server",
            "CPU µs per delivery",
            "of it the send",
            "delivered/s",
            "p50 ms",
            "p99 ms",
            "KiB per subscriber",
            "bytes kept per delivery",
        ]
    )
    for contestant in entered:
        cpu, per_second, p50, p99, kept = (
            Spread.of([getattr(sample, figure) for sample in contestant.samples])
            for figure in ("cpu_us", "per_second", "p50_ms", "p99_ms", "kept")
        )
        send = short(contestant.alone_us / given.subscribers)
        memory = f"{contestant.subscriber_kib:.0f}"
        table.add(contestant.name, cpu, send, per_second, p50, p99, memory, f"{kept.median:,.0f}")
    size = entered[0].subscribers.frame_size
    remark = (
        f"{given.subscribers} subscribers of one chat, frames of {size} bytes, {given.rounds} "
        f"rounds of {given.seconds:g} s each, in turn; median (lowest–highest). “Of it the send” "
        "is what a message costs while nobody listens, divided among the subscribers; “bytes kept” "
        "is by how much the server grew. Every subscriber got every message once and in order."
    )
    command = processes.command("bench.fanout", given.arguments)
    return results.Report("fanout", command, circumstances, table, [remark])


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.fanout", __doc__, rounds=6, seconds=3.0)
    parser.add_argument("--subscribers", type=options.count, default=500, help="of one chat (500)")
    parser.add_argument(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="what Hubbub stores in (sqlite)",
    )
    given = options.parse(parser, arguments)
    processes.prepare(open_files=(1 + len(PEERS)) * given.subscribers)
    logs.configure("console", "warning", "bench")
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(
                tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory)
            )
        )
        directory.chmod(0o711)  # PostgreSQL may have to become somebody who owns only his data
        if given.database == "sqlite":
            url = databases.sqlite_url(directory)
        else:
            folder = directory / "postgresql"
            folder.mkdir()
            server = stack.enter_context(databases.durable_postgres(folder))
            url = server.url(server.create())
        report = run(given, url, directory)
    results.conclude(report, record=given.record)


if __name__ == "__main__":
    processes.run(main)
