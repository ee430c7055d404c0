"""Fan-out: what one delivery costs the server when hundreds of people listen in one chat.

One sender posts messages over GraphQL, each when everybody has the last one; everybody else hears
them over a `graphql-transport-ws` socket. Beside Hubbub run Strawberry, graphql-yoga and Apollo
Server as their documentation has them, and two broadcasts of the same bytes: the least that ASGI
allows, and the least that uvicorn allows. They take turns on one core of their own.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench import charts, databases, machine, options, processes, results, servers
from bench.databases import Cast
from bench.figures import Spread, in_turn, percentile, short
from bench.peers import on_node
from bench.servers import Server
from bench.subscribers import Subscribers, sends
from server import logs

ALONE = 2.0  # seconds in which messages are sent that nobody hears
TOGETHER = 8  # messages that are sent at once, as people do who talk to each other
WARM_UP = 2  # messages before each measurement
WARM_FOR = 2.0  # seconds of messages before the first one: V8 compiles what is hot
LIMIT_TIMES = 1.75  # what Hubbub may cost, in times the pre-framed broadcast
YOGA_SHARE = 0.25  # and of what graphql-yoga costs


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant's turn in one round."""

    cpu_us: float  # of the server, per delivery
    together_us: float  # the same while several messages are sent at once
    client_us: float  # of this process, per delivery
    per_second: float
    p50_ms: float
    p99_ms: float
    kept: float  # bytes by which the server grew, per delivery


@dataclass(slots=True)
class Contestant:
    """A server with everybody subscribed to it."""

    server: Server
    subscribers: Subscribers
    alone_us: float  # what sending a message costs when nobody listens, per subscriber
    samples: list[Sample] = field(default_factory=list)

    def spread(self, figure: str) -> Spread:
        """Return a figure over all rounds."""
        return Spread.of([getattr(sample, figure) for sample in self.samples])


def measure(contestant: Contestant, *, seconds: float) -> Sample:
    """Send messages for some seconds: two thirds of them one after the other, then together."""
    pid, subscribers = contestant.server.pid, contestant.subscribers
    subscribers.reconnect_senders()
    for _ in range(WARM_UP):
        subscribers.deliver()
    memory, own = processes.resident_bytes(pid), time.process_time()
    cpu, started = processes.cpu_seconds(pid), time.perf_counter()
    waited: list[float] = []
    while time.perf_counter() - started < seconds * 2 / 3:
        waited += subscribers.deliver()
    cpu, elapsed = processes.cpu_seconds(pid) - cpu, time.perf_counter() - started
    client_us = (time.process_time() - own) / len(waited) * 1e6
    kept = (processes.resident_bytes(pid) - memory) / len(waited)
    return Sample(
        cpu_us=cpu / len(waited) * 1e6,
        together_us=measure_together(subscribers, pid, seconds / 3),
        client_us=client_us,
        per_second=len(waited) / elapsed,
        p50_ms=percentile(waited, 0.5) * 1e3,
        p99_ms=percentile(waited, 0.99) * 1e3,
        kept=kept,
    )


def measure_together(subscribers: Subscribers, pid: int, seconds: float) -> float:
    """Return the microseconds per delivery while `TOGETHER` messages are sent at once."""
    subscribers.deliver(TOGETHER)
    count = 0
    cpu, started = processes.cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - started < seconds:
        count += len(subscribers.deliver(TOGETHER))
    return (processes.cpu_seconds(pid) - cpu) / count * 1e6


def warm_up(subscribers: Subscribers, seconds: float) -> None:
    """Send messages for some seconds; at least one."""
    started = time.perf_counter()
    subscribers.deliver()
    while time.perf_counter() - started < seconds:
        subscribers.deliver()


def measure_alone(subscribers: Subscribers, pid: int) -> float:
    """Return the microseconds of the server's that a message costs while nobody listens."""
    warm_up(subscribers, ALONE / 2)
    sent = 0
    cpu, started = processes.cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - started < ALONE:
        subscribers.deliver()
        sent += 1
    return (processes.cpu_seconds(pid) - cpu) / sent * 1e6


def enter(server: Server, cast: Cast) -> Contestant:
    """Return a running server as a contestant, with everybody subscribed to it."""
    listeners = cast.people[1:]
    subscribers = Subscribers(server.port, sends(cast))
    alone_us = measure_alone(subscribers, server.pid) / len(listeners)
    print(f"Subscribing {len(listeners)} people to {server.name}", flush=True)
    subscribers.subscribe([person.token for person in listeners])
    subscribers.until_heard()
    warm_up(subscribers, WARM_FOR)
    return Contestant(server, subscribers, alone_us)


@contextmanager
def contestants(
    url: str, cast: Cast, core: set[int], directory: Path
) -> Iterator[list[Contestant]]:
    """Yield every server, on its core; each must have delivered everything in the end."""
    with ExitStack() as stack:
        entered: list[Contestant] = []
        opened = [servers.hubbub(url, directory, core)]
        opened += [servers.peer(name, directory, core) for name in servers.PEERS]
        for opening in opened:
            entered.append(enter(stack.enter_context(opening), cast))
            tend(entered)
        yield entered
        for contestant in entered:
            contestant.subscribers.close()


def tend(entered: Sequence[Contestant]) -> None:
    """Answer the pings of those who were not measured."""
    for contestant in entered:
        contestant.subscribers.tend()


def run(given: argparse.Namespace, url: str, directory: Path) -> results.Report:
    """Take all measurements; about `rounds × 6 × seconds`, and a minute to get ready."""
    on_node.install()
    cores = processes.Cores.apart()
    processes.keep_to(cores.others)
    circumstances = [*machine.description(), f"Peers: {on_node.versions()}"]
    print(f"Signing up {given.subscribers + 1} people", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cast = runner.run(
            databases.fill(url, directory, people=given.subscribers + 1, chat_count=1)
        )
    with contestants(url, cast, cores.measured, directory) as entered:
        for number, contestant in in_turn(entered, given.rounds):
            sample = measure(contestant, seconds=given.seconds)
            contestant.samples.append(sample)
            tend(entered)
            print(
                f"round {number} of {given.rounds}  {contestant.server.name:22}"
                f"{short(sample.cpu_us):>8} µs {short(sample.per_second):>8}/s",
                flush=True,
            )
    size = entered[0].subscribers.frame_size
    client = Spread.of([sample.client_us for each in entered for sample in each.samples])
    remark = (
        f"{given.subscribers} subscribers of one chat, frames of {size} bytes, {given.rounds} "
        f"rounds of {given.seconds:g} s each, in turn; median (lowest–highest). “Of it the send” "
        "is what a message costs while nobody listens, divided among the subscribers; “bytes kept” "
        "is by how much the server grew. Every subscriber got every message once and in order. "
        f"The one client, on another core, took {client} µs of its own per delivery."
    )
    return results.Report(
        "fanout",
        processes.command("bench.fanout", given.arguments),
        circumstances,
        _table(entered),
        [remark, *_ratios(entered)],
        _chart(entered),
    )


def _table(entered: Sequence[Contestant]) -> results.Table:
    table = results.Table(
        [
            "server",
            "CPU µs per delivery",
            "of it the send",
            f"{TOGETHER} messages at once",
            "delivered/s",
            "p50 ms",
            "p99 ms",
            "bytes kept per delivery",
        ]
    )
    for contestant in entered:
        cpu, per_second, p50, p99, kept = map(
            contestant.spread, ("cpu_us", "per_second", "p50_ms", "p99_ms", "kept")
        )
        send = short(contestant.alone_us)
        together = contestant.spread("together_us")
        name = contestant.server.name
        table.add(name, cpu, send, together, per_second, p50, p99, f"{kept.median:,.0f}")
    return table


def _ratios(entered: Sequence[Contestant]) -> Iterator[str]:
    """Yield what Hubbub costs beside the limit and beside graphql-yoga, round by round."""
    by_name = {contestant.server.name: contestant for contestant in entered}
    hubbub, limit, yoga = (by_name[name] for name in ("Hubbub", servers.PREFRAMED, servers.YOGA))

    def times(other: Contestant, figure: str) -> Spread:
        pairs = zip(hubbub.samples, other.samples, strict=True)
        return Spread.of([getattr(a, figure) / getattr(b, figure) for a, b in pairs])

    def without_sends(other: Contestant) -> str:
        ours, theirs = (each.spread("cpu_us").median - each.alone_us for each in (hubbub, other))
        return short(ours / theirs)

    by_limit, by_yoga = times(limit, "cpu_us"), times(yoga, "cpu_us")
    latency = times(yoga, "p99_ms")
    yield (
        f"One message at a time, Hubbub takes {by_limit} times the processor time of the "
        f"pre-framed broadcast ({_verdict(by_limit, LIMIT_TIMES)}), and {by_yoga} of yoga's "
        f"({_verdict(by_yoga, YOGA_SHARE)}), compared round by round; without the sends it is "
        f"{without_sends(limit)} and {without_sends(yoga)}. Its p99 is {latency} of yoga's "
        f"({_verdict(latency, 1)})."
    )
    by_limit, by_yoga = times(limit, "together_us"), times(yoga, "together_us")
    yield (
        f"{TOGETHER} messages at once: {by_limit} times the pre-framed broadcast "
        f"({_verdict(by_limit, LIMIT_TIMES)}), and {by_yoga} of yoga's "
        f"({_verdict(by_yoga, YOGA_SHARE)})."
    )


def _verdict(found: Spread, most: float) -> str:
    return f"at most {most:g}" if found.median <= most else f"MORE THAN {most:g}"


def _chart(entered: Sequence[Contestant]) -> charts.Bars:
    medians = {each.server.name: each.spread("cpu_us").median for each in entered}
    allowed = LIMIT_TIMES * medians[servers.PREFRAMED]
    rows = []
    for contestant in entered:
        cpu = contestant.spread("cpu_us")
        rows.append((contestant.server.name, cpu.median, cpu.low, cpu.high))
    return charts.Bars(
        "What one delivery costs the server",
        "µs of processor time, shorter is better",
        rows,
        charts.Mark(allowed, f"{LIMIT_TIMES:g} × pre-framed"),
        # Hubbub and what it is compared with fill the chart, whatever Strawberry takes.
        most=1.5 * medians[servers.YOGA],
    )


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
    processes.prepare(open_files=(1 + len(servers.PEERS)) * given.subscribers)
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
