"""The system under test: API nodes, PostgreSQL and Redis, all real processes on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.faults.proxy import Proxy
from tests.parts.hubbub import COMMAND, ServerProcess, run_hubbub
from tests.parts.postgres import Postgres, running_postgres
from tests.parts.redis import Redis, running_redis

PLANTED = Path(__file__).with_name("planted.py")
PATIENCE = 120.0  # seconds for a node to be ready; it may wait for PostgreSQL or Redis to be back


@dataclass
class Cluster:
    """Everything that can be hurt."""

    postgres: Postgres
    redis: Redis
    nodes: Sequence[ServerProcess]
    proxies: Sequence[Proxy]
    database: str
    deaths: list[str] = field(default_factory=list)  # nodes that ended though nobody ended them

    @property
    def database_url(self) -> str:
        return self.postgres.url(self.database)

    async def start_node(self, node: ServerProcess) -> None:
        """Start a node that has ended, again and again as a supervisor would, until it is ready."""
        await asyncio.to_thread(_start_until_ready, node)

    async def connect(self) -> asyncpg.Connection:
        """Return a connection of the harness's own; the caller closes it."""
        return await asyncpg.connect(self.database_url, timeout=10)

    async def heal(self) -> None:
        """Bring everything back that is not there; whoever hurt it should have done so."""
        for node in self.nodes:
            node.thaw()
        if not await asyncio.to_thread(self.postgres.answers):
            await asyncio.to_thread(self.postgres.start)
        if not await asyncio.to_thread(self.redis.answers):
            await asyncio.to_thread(self.redis.start)
        for node in self.nodes:
            if node.process.exit_code is not None:
                self.deaths.append(f"{node.process.name} ended with {node.process.exit_code}")
                await self.start_node(node)
            else:
                await asyncio.to_thread(node.wait_ready, PATIENCE)


def _drop_unique_keys(postgres: Postgres, database: str) -> None:
    """Take away what keeps a message from being stored twice."""
    unique = "conrelid = 'messages'::regclass AND contype = 'u'"
    names = postgres.sql(f"SELECT conname FROM pg_constraint WHERE {unique}", database).split()
    assert names, "messages has no unique key to drop"
    for name in names:
        postgres.sql(f"ALTER TABLE messages DROP CONSTRAINT {name}", database)


def _start_until_ready(node: ServerProcess) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        node.start()
        try:
            node.wait_ready(PATIENCE)
        except RuntimeError:  # it ended, because PostgreSQL is away just now
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


@contextlib.asynccontextmanager
async def running_cluster(
    directory: Path, node_count: int, fault: str = ""
) -> AsyncIterator[Cluster]:
    """Yield a system that is ready, with one of the faults of `planted.py` in its nodes, if any."""
    async with contextlib.AsyncExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        redis = stack.enter_context(running_redis())
        database = postgres.create()
        settings = {
            "HUBBUB_DATABASE_URL": postgres.url(database),
            "HUBBUB_BUS_URL": redis.url,
            "HUBBUB_PASSWORD_MEMORY_KIB": "8192",
            "HUBBUB_LOG_LEVEL": "warning",
        }
        run_hubbub("migrate", directory=directory, HUBBUB_DATABASE_URL=postgres.url(database))
        if fault == "no_unique_key":
            _drop_unique_keys(postgres, database)
        command: Path = COMMAND
        arguments: tuple[str, ...] = ("api",)
        if fault:
            command, arguments = Path(sys.executable), ("-P", str(PLANTED), fault, "api")
        nodes = []
        for _ in range(node_count):
            node = ServerProcess(directory, command, arguments, settings)
            stack.callback(_end, node)
            nodes.append(node)
        for node in nodes:
            await asyncio.to_thread(node.wait_ready, PATIENCE)
        proxies = [await stack.enter_async_context(Proxy(node.port).running()) for node in nodes]
        yield Cluster(postgres, redis, nodes, proxies, database)


def _end(node: ServerProcess) -> None:
    if node.process.exit_code is None:
        node.thaw()
        with contextlib.suppress(TimeoutError):
            node.stop()
