"""Ways in for a message: the use-case in this process, and GraphQL over HTTP at a server."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import uuid_utils.compat

from bench import databases, keepalive, processes
from bench.databases import Cast
from resolvers import messages as message_cases
from resolvers.services import Services
from server.app import open_services
from tests.parts.hubbub import COMMAND, ServerProcess

TEXT = "Hello there, this is a chat message of the most ordinary length."  # 64 characters

Send = Callable[[int, int], Awaitable[None]]  # by which sender, into which chat


@dataclass(slots=True)
class Entrance:
    """One way in to one database, which nothing else uses; counts what was acknowledged."""

    name: str
    url: str
    send: Send
    server_pid: int | None  # the process that does the work; None when it is this one
    acknowledged: int = 0

    def cpu_seconds(self) -> float:
        """Return the processor time that the Python process which does the work has used."""
        if self.server_pid is None:
            return time.process_time()
        return processes.cpu_seconds(self.server_pid)


@dataclass(frozen=True, slots=True)
class Filled:
    """A kind of database, two copies of it, and who is in there."""

    kind: str
    use_case_url: str
    http_url: str
    cast: Cast


@asynccontextmanager
async def opened(filled: Filled, directory: Path, cores: set[int]) -> AsyncIterator[list[Entrance]]:
    """Yield both entrances to a filled database, the server's on these cores.

    Raises in the end if a database does not hold what was acknowledged.
    """
    async with AsyncExitStack() as stack:
        settings = databases.settings(filled.use_case_url, directory)
        services = await stack.enter_async_context(open_services(settings))
        with processes.starting_on(cores):
            server = ServerProcess(
                directory, COMMAND, ("api",), databases.environment(filled.http_url)
            )
        stack.callback(server.stop)
        server.wait_ready()
        calling = _through_use_case(services, filled.cast)
        cast = filled.cast
        everywhere = [[cast.chat(number) for number in range(len(cast.chat_ids))]] * len(
            cast.people
        )
        posting = await stack.enter_async_context(
            through_http(server.port, requests(cast, everywhere), keepalive.stored)
        )
        entrances = [
            Entrance(f"use-case, {filled.kind}", filled.use_case_url, calling, None),
            Entrance(f"HTTP, {filled.kind}", filled.http_url, posting, server.process.pid),
        ]
        yield entrances
        for entrance in entrances:
            await databases.check_stored(entrance.url, entrance.acknowledged)


def _through_use_case(services: Services, cast: Cast) -> Send:
    async def send(sender: int, chat: int) -> None:
        await message_cases.send(
            services,
            cast.people[sender].viewer,
            chat_id=cast.chat_ids[chat],
            text=TEXT,
            client_message_id=uuid_utils.compat.uuid4(),
        )

    return send


def requests(cast: Cast, chats: Sequence[Sequence[str]]) -> list[list[Sequence[bytes]]]:
    """Return each person's requests into chats of theirs, in two parts, an id belongs between."""
    blank = str(UUID(int=0))
    return [
        [
            keepalive.send_request(person.token, chat, TEXT, blank).split(blank.encode())
            for chat in theirs
        ]
        for person, theirs in zip(cast.people, chats, strict=True)
    ]


@asynccontextmanager
async def through_http(
    port: int,
    requests: Sequence[Sequence[Sequence[bytes]]],
    acknowledge: Callable[[keepalive.Answer], object],
) -> AsyncIterator[Send]:
    """Yield a send over one connection per person that is kept alive.

    Everything but a message's own id has been put together before anything is measured;
    `acknowledge` raises `keepalive.Failed` unless an answer says that the message is stored.
    """
    connections = [keepalive.Connection(port) for _ in requests]

    async def send(sender: int, chat: int) -> None:
        before, after = requests[sender][chat]
        id_ = str(uuid_utils.compat.uuid4()).encode()
        acknowledge(await connections[sender].exchange(before + id_ + after))

    try:
        yield send
    finally:
        for connection in connections:
            connection.close()
