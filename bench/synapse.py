"""Acknowledged sends over HTTP beside Matrix Synapse, on one PostgreSQL, in the same run.

Hubbub is asked over GraphQL, Synapse over its client API, by the same program, with a connection
per sender that is kept alive. Each is one process on the same core, has a database of its own, and
waits for the disk. They take turns.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import UUID

import uvloop

from bench import databases, keepalive, machine, options, processes, results
from bench.entrances import TEXT, Entrance, requests, through_http
from bench.figures import Spread
from bench.peers import synapse
from bench.send_message import Contestant, measure_in_turn, table
from server import logs
from tests.parts.hubbub import COMMAND, ServerProcess
from tests.parts.postgres import Postgres

MEMBERS = 4  # of each chat but the hot one, in which everybody is
TARGET = 10  # times what Synapse manages


class Company:
    """Who is in which chat: everybody in the first one, a few in each of the others."""

    def __init__(self, people: int, chats: int) -> None:
        self.people = people
        self.circles: list[Sequence[int]] = [
            range(people),
            *([(chat + place) % people for place in range(MEMBERS)] for chat in range(chats)),
        ]
        # The numbers of the chats that each of them is in.
        self.chats_of = [
            [number for number, circle in enumerate(self.circles) if person in circle]
            for person in range(people)
        ]


def acknowledged(answer: keepalive.Answer) -> None:
    """Raise `keepalive.Failed` unless Synapse has stored the message."""
    if answer.status != 200 or b'"event_id"' not in answer.body:
        raise keepalive.Failed(f"{answer.status}: {answer.body[:500]!r}")


async def enter_hubbub(
    stack: AsyncExitStack, server: Postgres, company: Company, directory: Path, core: set[int]
) -> Entrance:
    """Return a running, filled Hubbub as an entrance."""
    url = server.url(server.create())
    cast = await databases.fill(url, directory, people=company.people, circles=company.circles)
    with processes.starting_on(core):
        hubbub = ServerProcess(directory, COMMAND, ("api",), databases.environment(url))
    stack.callback(hubbub.stop)
    hubbub.wait_ready()
    chats = [[cast.chat(number) for number in numbers] for numbers in company.chats_of]
    sending = through_http(hubbub.port, requests(cast, chats), keepalive.stored)
    return Entrance("Hubbub", url, await stack.enter_async_context(sending), hubbub.process.pid)


async def enter_synapse(
    stack: AsyncExitStack, server: Postgres, company: Company, directory: Path, core: set[int]
) -> Entrance:
    """Return a running, filled Synapse as an entrance; its URL is the name of its database."""
    with processes.starting_on(core):
        process, port, database = stack.enter_context(
            synapse.running(synapse.install(), server, directory)
        )
    rooms = await synapse.fill(port, people=company.people, circles=company.circles)
    blank = str(UUID(int=0))
    made = [
        [
            synapse.send_request(token, rooms.room_ids[number], TEXT, blank).split(blank.encode())
            for number in numbers
        ]
        for token, numbers in zip(rooms.tokens, company.chats_of, strict=True)
    ]
    sending = through_http(port, made, acknowledged)
    return Entrance("Synapse", database, await stack.enter_async_context(sending), process.pid)


async def run(given: argparse.Namespace, directory: Path) -> results.Report:
    """Take all measurements; a minute or two to fill, and `rounds × 4 × seconds`."""
    python = synapse.install()
    circumstances = [*machine.description(), machine.disk(directory)]
    cores = processes.Cores.apart()
    processes.keep_to(cores.others)  # and with it PostgreSQL
    company = Company(given.senders, given.chats)
    contestants = []
    async with AsyncExitStack() as stack:
        folder = directory / "postgresql"
        folder.mkdir()
        server = stack.enter_context(databases.durable_postgres(folder))
        fewest = min(map(len, company.chats_of))
        for name, enter in (("Hubbub", enter_hubbub), ("Synapse", enter_synapse)):
            print(f"Filling {name}: {given.senders} people, {given.chats} chats", flush=True)
            entrance = await enter(stack, server, company, directory, cores.measured)
            for where, chats in (
                ("one hot chat", range(1)),
                (f"{given.chats} chats", range(1, fewest)),
            ):
                contestants.append(Contestant(f"{name}, {where}", entrance, given.senders, chats))
        await measure_in_turn(contestants, cores, rounds=given.rounds, seconds=given.seconds)
        hubbub, peer = contestants[0].entrance, contestants[-1].entrance
        await databases.check_stored(hubbub.url, hubbub.acknowledged)
        if (found := synapse.stored(server, peer.url)) != peer.acknowledged:
            raise RuntimeError(f"Synapse acknowledged {peer.acknowledged} and stored {found}")
    remark = (
        f"Matrix Synapse {synapse.version(python)} and Hubbub, on one PostgreSQL {server.version}. "
        f"{given.senders} senders at a time over HTTP, all in one chat, or spread over "
        f"{given.chats} of {MEMBERS} people each; {given.rounds} rounds of {given.seconds:g} s "
        "each, in turn, the server under measurement on one core, the rest on the others; median "
        "(lowest–highest). Every acknowledged message was found stored once."
    )
    command = processes.command("bench.synapse", given.arguments)
    remarks = [remark, *_ratios(contestants)]
    return results.Report("synapse", command, circumstances, table(contestants), remarks)


def _ratios(contestants: Sequence[Contestant]) -> Iterator[str]:
    """Yield how many times what Synapse manages Hubbub does, compared round by round."""
    half = len(contestants) // 2
    for ours, other in zip(contestants[:half], contestants[half:], strict=True):
        pairs = list(zip(ours.samples, other.samples, strict=True))
        sends = Spread.of([a.per_second / b.per_second for a, b in pairs])
        cpu = Spread.of([b.cpu_us / a.cpu_us for a, b in pairs])
        verdict = "at least" if sends.median >= TARGET else "LESS THAN"
        yield (
            f"{ours.name}: {sends} times as many sends a second as Synapse ({verdict} {TARGET}), "
            f"for {cpu} times less processor time each, compared round by round."
        )


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.synapse", __doc__, rounds=4, seconds=4.0)
    parser.add_argument("--senders", type=options.count, default=64, help="at the same time (64)")
    parser.add_argument("--chats", type=options.count, default=200, help="to spread over (200)")
    given = options.parse(parser, arguments)
    if given.senders < MEMBERS or given.chats < given.senders:
        parser.error(f"at least {MEMBERS} senders, and as many chats as senders")
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
