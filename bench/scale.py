"""What people do all day in a small world and in a large one: the cost must not follow the size.

The large world has a chat of a million messages and 10,000 members, and a person who is in 10,000
chats. Both are on one PostgreSQL, behind a server each, which take turns on one core and are asked
over HTTP, one request after the other. A ratio is that of the medians of one round.
"""

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import orjson
import uuid_utils.compat
import uvloop

from bench import databases, large_world, machine, options, processes, results, servers
from bench.databases import Cast
from bench.figures import Spread, in_turn, percentile
from bench.large_world import OFTEN, SELDOM, Size
from schema.connections import encode_cursor
from server import logs

MOST = 1.5  # times the small world's time
TIMEOUT = 30.0  # seconds

_CHAT_LIST = """
query List($after: String) { viewer { chats(first: 50, after: $after) {
  nodes { id title memberCount lastMessage { id seq text sender { displayName } }
          viewerMembership { role unreadCount } }
  pageInfo { hasNextPage endCursor } } } }
"""
_HISTORY = """
query History($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  chat(id: $id) { messages(first: $first, after: $after, last: $last, before: $before) {
    nodes { id seq text createdAt sender { displayName } reactions { emoji count } } } } }
"""
_UNREAD = "{ viewer { unreadCount } }"
_SEARCH = """
query Search($query: String!) { searchMessages(query: $query, first: 20) { nodes { id seq text } } }
"""
_SEND = """
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { message { id seq } errors { code message } } }
"""

Variables = Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is asked, with what is different each time."""

    name: str
    document: str
    variables: Variables
    answered: Callable[[dict[str, Any]], object]  # raises, or is false, unless that is an answer


def questions(cast: Cast, size: Size) -> list[Question]:
    """Return what is asked of a world of this size."""
    chat_id = cast.chat(0)

    def page(**arguments: Any) -> Variables:
        return lambda: {"id": chat_id, **arguments}

    def a_page(data: dict[str, Any]) -> bool:
        return len(data["chat"]["messages"]["nodes"]) == 50

    def message() -> dict[str, Any]:
        return {
            "input": {
                "chatId": chat_id,
                "text": "Hello there, this is a chat message of the most ordinary length.",
                "clientMessageId": str(uuid_utils.compat.uuid4()),
            }
        }

    def found(data: dict[str, Any]) -> bool:
        return len(data["searchMessages"]["nodes"]) == 20

    def seldom() -> dict[str, Any]:
        return {"query": SELDOM}

    def often() -> dict[str, Any]:
        return {"query": OFTEN}

    return [
        Question(
            "chat list",
            _CHAT_LIST,
            dict,
            lambda data: len(data["viewer"]["chats"]["nodes"]) == 50,
        ),
        Question("history, first page", _HISTORY, page(first=50), a_page),
        Question(
            "history, middle",
            _HISTORY,
            page(first=50, after=encode_cursor(str(size.messages // 2))),
            a_page,
        ),
        Question("history, last page", _HISTORY, page(last=50), a_page),
        Question("search, a rare word", _SEARCH, seldom, found),
        Question("search, a word of every second", _SEARCH, often, found),
        Question("unread total", _UNREAD, dict, lambda data: data["viewer"]["unreadCount"] > 0),
        Question("send", _SEND, message, lambda data: not data["sendMessage"]["errors"]),
    ]


@dataclass(slots=True)
class World:
    """A filled database with its server, and how long each question took, by round."""

    size: Size
    cast: Cast
    server: servers.Server
    connection: HTTPConnection
    taken: dict[str, list[list[float]]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, question: Question) -> float:
        """Return the milliseconds of one answer; raises `RuntimeError` if it is none."""
        body = orjson.dumps({"query": question.document, "variables": question.variables()})
        started = time.perf_counter()
        self.connection.request(
            "POST",
            "/graphql",
            body,
            {
                "content-type": "application/json",
                "authorization": f"Bearer {self.cast.people[1].token}",
            },
        )
        read = self.connection.getresponse().read()
        taken = time.perf_counter() - started
        answer = orjson.loads(read)
        if answer.get("errors") or not question.answered(answer["data"]):
            raise RuntimeError(f"{question.name} was answered with {read[:500]!r}")
        return taken * 1000

    def measure(self, asked: int) -> None:
        """Ask everything so many times, after a few times that do not count."""
        self.connection.close()  # the server has, after a while in which nobody asked
        for question in questions(self.cast, self.size):
            for _ in range(max(5, asked // 10)):
                self.ask(question)
            self.taken[question.name].append([self.ask(question) for _ in range(asked)])


def run(given: argparse.Namespace, directory: Path) -> results.Report:
    """Fill both worlds, some minutes, and ask."""
    circumstances = [*machine.description(), machine.disk(directory)]
    cores = processes.Cores.apart()
    sizes = [
        Size("small", given.small_messages, given.small_members, given.small_chats),
        Size("large", given.messages, given.members, given.chats),
    ]
    with ExitStack() as stack:
        processes.keep_to(cores.others)
        postgres = stack.enter_context(databases.durable_postgres(directory))
        worlds = [_world(stack, postgres, directory, cores.measured, size) for size in sizes]
        for number, world in in_turn(worlds, given.rounds):
            world.measure(given.asked)
            print(f"round {number} of {given.rounds}  {world.size.name}", flush=True)
    small, large = worlds
    table = results.Table(
        ["asked", "ratio of the medians", "small p50 ms", "p99", "large p50 ms", "p99"]
    )
    beyond = []
    for name in small.taken:
        ratio = Spread.of(
            [
                percentile(b, 0.5) / percentile(a, 0.5)
                for a, b in zip(small.taken[name], large.taken[name], strict=True)
            ]
        )
        table.add(name, ratio, *_figures(small, name), *_figures(large, name))
        if ratio.median > MOST:
            beyond.append(name)
    remark = (
        f"Small: {_described(small.size)}. Large: {_described(large.size)}. Each asked "
        f"{given.asked} times a round over one HTTP connection, {given.rounds} rounds, in turn, "
        "both servers on one core and PostgreSQL on the others; median (lowest–highest) of the "
        "rounds' p50 and p99."
    )
    verdict = f"MORE THAN {MOST}: {', '.join(beyond)}." if beyond else f"All at most {MOST}."
    return results.Report(
        "scale", processes.command("bench.scale", given.arguments), circumstances, table,
        [remark, verdict],
    )  # fmt: skip


def _described(size: Size) -> str:
    return (
        f"a chat of {size.messages:,} messages and {size.members:,} members, a person in "
        f"{size.chats:,} chats"
    )


def _figures(world: World, name: str) -> Iterator[Spread]:
    for share in (0.5, 0.99):
        yield Spread.of([percentile(taken, share) for taken in world.taken[name]])


def _world(stack: ExitStack, postgres: Any, directory: Path, core: set[int], size: Size) -> World:
    print(f"Filling: {_described(size)}", end="", flush=True)
    started = time.perf_counter()
    name = postgres.create()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        cast = runner.run(large_world.fill(postgres.url(name), directory, size))
    databases.vacuum(postgres, name)
    print(f", {time.perf_counter() - started:.0f} s", flush=True)
    server = stack.enter_context(servers.hubbub(postgres.url(name), directory, core))
    connection = HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    stack.callback(connection.close)
    return World(size, cast, server, connection)


def main(arguments: Sequence[str]) -> None:
    """Run the benchmark as a command."""
    parser = options.parser("bench.scale", __doc__, rounds=5, seconds=None)
    for name, small, large, what in (
        ("messages", 1000, 1_000_000, "in the large chat"),
        ("members", 100, 10_000, "of it"),
        ("chats", 100, 10_000, "of one person"),
    ):
        parser.add_argument(
            f"--{name}", type=options.count, default=large, help=f"{what} ({large:,})"
        )
        parser.add_argument(
            f"--small-{name}",
            type=options.count,
            default=small,
            help=f"in the small world ({small:,})",
        )
    parser.add_argument("--asked", type=options.count, default=100, help="times a round (100)")
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
