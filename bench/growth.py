"""Growth: what an event costs the server by the number of its subscribers and of their selections.

People listen in one chat of a thousand, once all with the same selection and once with several;
every message of it is an event. The cost has to be a sum of so much for the event, so much for each
subscriber and so much for each distinct selection, and nothing that multiplies them.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench import charts, databases, machine, options, processes, results, servers
from bench.databases import Cast
from bench.figures import Spread, in_turn, short
from bench.servers import Server
from bench.subscribers import EVENTS, Subscribers, sends
from server import logs

SUBSCRIBERS = (1, 10, 100, 1000)  # of one selection
SELECTIONS = (1, 10, 100)  # of a hundred subscribers
AMONG = 100
WARM_UP = 10  # messages before each measurement


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn of one row."""

    event_us: float  # of the server's processor time, per event
    delivery_us: float


@dataclass(slots=True)
class Row:
    """So many subscribers, with so many selections among them."""

    subscribers: int
    selections: int
    samples: list[Sample] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.subscribers:,} × {self.selections}"

    def spread(self, figure: str) -> Spread:
        """Return a figure over all rounds."""
        return Spread.of([getattr(sample, figure) for sample in self.samples])


def queries(count: int) -> list[str]:
    """Return so many subscriptions that differ in nothing but an alias, and not in its length."""
    return [EVENTS.replace("{ id seq", f"{{ id{number:03}: id seq") for number in range(count)]


def measure(row: Row, server: Server, cast: Cast, seconds: float) -> Sample:
    """Subscribe anew, and send messages one after the other for some seconds."""
    subscribers = Subscribers(server.port, sends(cast))
    tokens = [person.token for person in cast.people[1 : row.subscribers + 1]]
    subscribers.deliver()
    subscribers.subscribe(tokens, queries(row.selections))
    subscribers.until_heard()
    for _ in range(WARM_UP):
        subscribers.deliver()
    events, deliveries = 0, 0
    cpu, started = processes.cpu_seconds(server.pid), time.perf_counter()
    while time.perf_counter() - started < seconds:
        deliveries += len(subscribers.deliver())
        events += 1
    cpu = (processes.cpu_seconds(server.pid) - cpu) * 1e6
    subscribers.close()
    server.rest()  # it sees that they have gone
    return Sample(cpu / events, cpu / deliveries)


def run(given: argparse.Namespace, directory: Path) -> results.Report:
    """Take all measurements; about a minute for each round, and half a one to sign people up."""
    cores = processes.Cores.apart()
    processes.keep_to(cores.others)
    circumstances = machine.description()
    people = max(SUBSCRIBERS) + 1
    print(f"Signing up {people} people", flush=True)
    url = databases.sqlite_url(directory)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cast = runner.run(databases.fill(url, directory, people=people, chat_count=1))
    rows = [Row(count, 1) for count in SUBSCRIBERS]
    rows += [Row(AMONG, count) for count in SELECTIONS if count > 1]
    with servers.hubbub(url, directory, cores.measured) as server:
        for number, row in in_turn(rows, given.rounds):
            row.samples.append(measure(row, server, cast, given.seconds))
            print(
                f"round {number} of {given.rounds}  {row.name:10}"
                f"{short(row.samples[-1].event_us):>8} µs",
                flush=True,
            )
    return report(given, circumstances, rows)


def report(
    given: argparse.Namespace, circumstances: Sequence[str], rows: Sequence[Row]
) -> results.Report:
    """Return the table, what it comes to, and the chart."""
    table = results.Table(
        ["subscribers × selections", "CPU µs per event", "per delivery", "per event, by the sum"]
    )
    medians = {(row.subscribers, row.selections): row.spread("event_us").median for row in rows}
    one, most, spread_out = (
        medians[SUBSCRIBERS[0], 1],
        medians[SUBSCRIBERS[-1], 1],
        medians[AMONG, SELECTIONS[-1]],
    )
    each = (most - one) / (SUBSCRIBERS[-1] - SUBSCRIBERS[0])
    selection = (spread_out - medians[AMONG, 1]) / (SELECTIONS[-1] - 1)
    event = one - each - selection
    for row in rows:
        total = event + row.subscribers * each + row.selections * selection
        table.add(row.name, row.spread("event_us"), row.spread("delivery_us"), short(total))
    remark = (
        f"A chat of {SUBSCRIBERS[-1] + 1:,}, of whom so many listen, with so many distinct "
        f"selections among them; {given.rounds} rounds of {given.seconds:g} s each, in turn, "
        "subscribed anew each time; median (lowest–highest). Sending the message is part of the "
        "event."
    )
    found = (
        f"An event costs {short(event)} µs, {short(each)} more for each subscriber and "
        f"{short(selection)} for each distinct selection: so say the rows with the fewest and the "
        "most of each. “By the sum” is what this foretells for every row."
    )
    return results.Report(
        "growth",
        processes.command("bench.growth", given.arguments),
        circumstances,
        table,
        [remark, found],
        chart(rows),
    )


def chart(rows: Sequence[Row]) -> charts.Lines:
    """Return an event's cost by subscribers and by selections, both scales logarithmic."""
    by_subscribers = [row for row in rows if row.selections == 1]
    by_selections = [row for row in rows if row.subscribers == AMONG]
    return charts.Lines(
        "What an event costs the server",
        "µs of processor time",
        "subscribers, or distinct selections",
        [
            (
                "by subscribers",
                [(row.subscribers, row.spread("event_us").median) for row in by_subscribers],
            ),
            (
                f"by selections of {AMONG}",
                [(row.selections, row.spread("event_us").median) for row in by_selections],
            ),
        ],
    )


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.growth", __doc__, rounds=2, seconds=3.0)
    given = options.parse(parser, arguments)
    processes.prepare(open_files=2 * max(SUBSCRIBERS))
    logs.configure("console", "warning", "bench")
    with tempfile.TemporaryDirectory(prefix="hubbub-bench-", dir=given.directory) as name:
        report = run(given, Path(name))
    results.conclude(report, record=given.record)


if __name__ == "__main__":
    processes.run(main)
