"""Coming back: what it costs to be told 10,000 missed events, beside a short and a long log.

Somebody subscribes with the cursor they left with, over a `graphql-transport-ws` socket at a real
server, and has to get everything they missed, once and in order. Once nothing else is in the log,
and once a million events of chats that are not theirs, half of them between those they missed. The
cost has to follow what was missed and not the log. The two take turns, on SQLite and PostgreSQL.
"""

import argparse
import asyncio
import itertools
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvloop

from bench import databases, frames, living_log, machine, options, processes, results
from bench.figures import Spread, in_turn, short
from bench.living_log import Gone
from bench.subscribers import OPERATION_ID, SUBPROTOCOL, Broken
from schema.ids import Kind, encode
from server import logs
from tests.parts.hubbub import COMMAND, ServerProcess

RESUME = """
subscription Resume($after: Cursor) {
  events(after: $after) {
    __typename
    cursor
    seq
    chat { id }
    ... on MessageSent { message { id seq text sender { displayName } } }
  }
}
"""
PATIENCE = 60.0  # seconds for everything that was missed
QUIET = 0.2  # seconds in which nothing more may arrive at the end
MOST = 1.5  # times what it may cost beside the long log


@dataclass(frozen=True, slots=True)
class Sample:
    """One coming back to a server that has just been started, and one more for the figures."""

    cpu: float  # seconds of the server
    taken: float  # seconds until the last missed event
    first_ms: float  # until the first
    grown_mib: float  # by how much the server grew at its peak, the first time


@dataclass(slots=True)
class Contestant:
    """A filled database."""

    kind: str
    url: str
    gone: Gone
    unrelated: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def name(self) -> str:
        beside = f"beside {self.unrelated:,} others" if self.unrelated else "alone"
        return f"{self.kind}, {beside}"


class _Socket:
    """A subscriber's socket, read by one thread that does nothing else."""

    def __init__(self, port: int, token: str) -> None:
        """Connect, and return when the server has let this person in."""
        self._received = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(frames.upgrade("/graphql", SUBPROTOCOL))
        while not self._received.endswith(b"\r\n\r\n"):
            self._receive()
        self._received.clear()
        self.send("connection_init", payload={"Authorization": f"Bearer {token}"})
        if next(self.messages())["type"] != "connection_ack":
            raise Broken("was not let in")

    def send(self, kind: str, **fields: object) -> None:
        self._socket.sendall(frames.from_client(orjson.dumps({"type": kind, **fields})))

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield what the server sends; raises `Broken` when it hangs up."""
        while True:
            for frame in frames.take(self._received):
                if frame.opcode != frames.TEXT:
                    raise Broken(f"the server sent {frame.payload!r}")
                yield orjson.loads(frame.payload)
            self._receive()

    def require_quiet(self) -> None:
        """Raise `Broken` if more comes."""
        self._socket.settimeout(QUIET)
        with suppress(TimeoutError):
            self._receive()
        if self._received:
            raise Broken(f"more came than was missed: {bytes(self._received[:500])!r}")

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> None:
        received = self._socket.recv(1 << 16)
        if not received:
            raise Broken("the server hung up")
        self._received += received


def come_back(port: int, gone: Gone) -> tuple[float, float]:
    """Return the seconds until the first and the last missed event; raises `Broken`."""
    expected = [(encode(Kind.CHAT, chat_id), seq) for chat_id, seq in gone.missed]
    told: list[tuple[str, int]] = []
    first = 0.0
    with closing(_Socket(port, gone.person.token)) as connection:
        payload = {"query": RESUME, "variables": {"after": gone.cursor}}
        started = time.perf_counter()
        connection.send("subscribe", id=OPERATION_ID, payload=payload)
        for message in connection.messages():
            if message["type"] != "next" or "errors" in message["payload"]:
                raise Broken(f"the server sent {message}")
            event = message["payload"]["data"]["events"]
            told.append((event["chat"]["id"], event["seq"]))
            first = first or time.perf_counter() - started
            if len(told) == len(expected):
                break
        last = time.perf_counter() - started
        if told != expected:
            raise Broken("what was missed did not arrive once and in order")
        connection.require_quiet()
    return first, last


def measure(contestant: Contestant, core: set[int], directory: Path) -> Sample:
    """Start a server, come back to it twice, and end it."""
    with processes.starting_on(core):
        server = ServerProcess(directory, COMMAND, ("api",), databases.environment(contestant.url))
    try:
        server.wait_ready()
        pid = server.process.pid
        before = processes.resident_bytes(pid)
        processes.forget_peak(pid)
        come_back(server.port, contestant.gone)
        grown = processes.peak_bytes(pid) - before
        cpu = processes.cpu_seconds(pid)
        first, last = come_back(server.port, contestant.gone)
        cpu = processes.cpu_seconds(pid) - cpu
    finally:
        server.stop()
    return Sample(cpu, last, first * 1e3, grown / 2**20)


@contextmanager
def _sqlite(directory: Path) -> Iterator[Callable[[], tuple[str, Callable[[], None]]]]:
    """Yield a function that returns the URL of an empty database and what tidies it up."""
    numbers = itertools.count()

    def create() -> tuple[str, Callable[[], None]]:
        folder = directory / f"sqlite-{next(numbers)}"
        folder.mkdir()
        return databases.sqlite_url(folder), lambda: None

    yield create


@contextmanager
def _postgresql(directory: Path) -> Iterator[Callable[[], tuple[str, Callable[[], None]]]]:
    folder = directory / "postgresql"
    folder.mkdir()
    with databases.durable_postgres(folder) as server:

        def create() -> tuple[str, Callable[[], None]]:
            name = server.create()
            # As autovacuum would have done by and by.
            return server.url(name), lambda: databases.vacuum(server, name)

        yield create


DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}
KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def fill(given: argparse.Namespace, stack: ExitStack, directory: Path) -> list[Contestant]:
    """Return every database filled, with nothing else in its log and with much else."""
    contestants = []
    for name in given.databases:
        create = stack.enter_context(DATABASES[name](directory))
        for unrelated in (0, given.unrelated):
            print(f"Filling {KINDS[name]}: {given.missed:,} missed events", end="", flush=True)
            print(f" beside {unrelated:,} others" if unrelated else "", end="", flush=True)
            url, tidy_up = create()
            started = time.perf_counter()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                gone = runner.run(
                    living_log.fill(
                        url,
                        directory,
                        missed=given.missed,
                        chat_count=given.chats,
                        quiet=given.quiet,
                        unrelated=unrelated,
                    )
                )
            tidy_up()
            print(f", {time.perf_counter() - started:.0f} s", flush=True)
            contestants.append(Contestant(KINDS[name], url, gone, unrelated))
    return contestants


def run(given: argparse.Namespace, directory: Path) -> results.Report:
    """Take all measurements; about two minutes to fill databases, and one to measure."""
    circumstances = [*machine.description(), machine.disk(directory)]
    cores = processes.Cores.apart()
    with ExitStack() as stack:
        # PostgreSQL starts on the cores it is to have; filling takes the other one.
        processes.keep_to(cores.others)
        contestants = fill(given, stack, directory)
        for number, contestant in in_turn(contestants, given.rounds):
            sample = measure(contestant, cores.measured, directory)
            contestant.samples.append(sample)
            print(
                f"round {number} of {given.rounds}  {contestant.name:36}"
                f"{short(sample.cpu):>6} s of CPU {short(sample.taken):>6} s",
                flush=True,
            )
    table = results.Table(["database", "CPU s", "s", "events/s", "first event ms", "peak MiB"])
    for contestant in contestants:
        table.add(
            contestant.name,
            *(
                Spread.of([getattr(sample, figure) for sample in contestant.samples])
                for figure in ("cpu", "taken")
            ),
            Spread.of([given.missed / sample.taken for sample in contestant.samples]),
            Spread.of([sample.first_ms for sample in contestant.samples]),
            Spread.of([sample.grown_mib for sample in contestant.samples]),
        )
    remark = (
        f"{given.missed:,} messages missed in {given.chats} chats of a person who is in "
        f"{given.quiet} more, and {given.unrelated:,} in {living_log.ELSEWHERE} chats of others, "
        f"half of them between the missed ones. {given.rounds} rounds, in turn, the server on one "
        "core, the rest on the others; median (lowest–highest). Each time everything arrived once "
        "and in order. “First event” is the time from the subscription to the first event, “peak "
        "MiB” by how much a server that has just been started grew at its peak, the first time; "
        "the other figures are of the second time."
    )
    command = processes.command("bench.resume", given.arguments)
    remarks = [remark, *_ratios(contestants)]
    return results.Report("resume", command, circumstances, table, remarks)


def _ratios(contestants: Sequence[Contestant]) -> Iterator[str]:
    """Yield what the long log costs, for each database."""
    for short_log, long_log in zip(contestants[::2], contestants[1::2], strict=True):
        ratios = [
            Spread.of([getattr(b, figure) / getattr(a, figure) for a, b in pairs])
            for pairs in [list(zip(short_log.samples, long_log.samples, strict=True))]
            for figure in ("cpu", "taken", "first_ms")
        ]
        cpu, taken, first = ratios
        verdict = "at most" if max(cpu.median, taken.median) <= MOST else "MORE THAN"
        yield (
            f"{short_log.kind}: beside the long log it takes {taken} times as long and {cpu} times "
            f"the processor time ({verdict} {MOST}), and the first event {first} times as long, "
            "compared round by round."
        )


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.resume", __doc__, rounds=4, seconds=None)
    parser.add_argument("--missed", type=options.count, default=10_000, help="events (10,000)")
    parser.add_argument("--chats", type=options.count, default=20, help="they were missed in (20)")
    parser.add_argument("--quiet", type=options.count, default=80, help="chats besides (80)")
    parser.add_argument(
        "--unrelated", type=options.count, default=1_000_000, help="events besides (1,000,000)"
    )
    parser.add_argument(
        "--databases",
        nargs="+",
        choices=DATABASES,
        default=list(DATABASES),
        help="both if left out",
    )
    given = options.parse(parser, arguments)
    processes.prepare()
    logs.configure("console", "warning", "bench")
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory) as name:
        directory = Path(name)
        directory.chmod(0o711)  # PostgreSQL may have to become somebody who owns only his data
        databases.require_disk(directory)
        report = run(given, directory)
    results.conclude(report, record=given.record)


if __name__ == "__main__":
    processes.run(main)
