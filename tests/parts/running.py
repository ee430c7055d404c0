"""Hubbub in the test's own event loop, on a real port: for tests that look at one behaviour."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from server.app import Program, open_program
from server.run import configuration
from server.settings import Settings
from tests.parts.hubbub import SECRET_KEY, run_hubbub
from tests.parts.people import Person
from tests.parts.postgres import Postgres, running_postgres

PASSWORD_MEMORY_KIB = 8192  # the least that is allowed: tests register many people


@dataclass
class Running:
    """A server that answers at `url`, and the program behind it."""

    url: str
    program: Program
    settings: Settings
    people: list[Person] = field(default_factory=list)

    def person(self) -> Person:
        """Return a client that is not signed in yet."""
        person = Person(self.url)
        self.people.append(person)
        return person

    async def registered(self, handle: str) -> Person:
        """Return the client of a new person."""
        person = self.person()
        await person.register(handle)
        return person


@contextlib.asynccontextmanager
async def running(database_url: str, **given: object) -> AsyncIterator[Running]:
    """Serve on a free port until the block ends."""
    given.setdefault("rate_limits", False)  # everybody in a test comes from one address
    settings = Settings(
        _env_file=None,
        database_url=database_url,
        secret_key=SECRET_KEY,
        password_memory_kib=PASSWORD_MEMORY_KIB,
        **given,  # type: ignore[arg-type]
    )
    async with open_program(settings) as program:
        config = configuration(program.app)
        config.host, config.port = "127.0.0.1", 0
        server = uvicorn.Server(config)
        # Signals belong to pytest.
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        serving = asyncio.create_task(server.serve())
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0)
        port = server.servers[0].sockets[0].getsockname()[1]
        started = Running(f"http://127.0.0.1:{port}", program, settings)
        try:
            yield started
        finally:
            for person in started.people:
                await person.close()
            server.should_exit = True
            await serving


@pytest.fixture
async def server(migrated_database_url: str) -> AsyncIterator[Running]:
    """A server on an empty database; the test runs once on SQLite and once on PostgreSQL."""
    async with running(migrated_database_url) as started:
        yield started


@pytest.fixture
async def sqlite_server(migrated_sqlite_url: str) -> AsyncIterator[Running]:
    """A server on SQLite alone, for behaviour that no database has a part in."""
    async with running(migrated_sqlite_url) as started:
        yield started


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[tuple[Postgres, str]]:
    """A PostgreSQL of the test's own, to be killed and started, and a migrated database on it."""
    with running_postgres() as postgres:
        url = postgres.url(postgres.create())
        run_hubbub("migrate", directory=tmp_path, HUBBUB_DATABASE_URL=url)
        yield postgres, url


@pytest.fixture
async def postgres_server(
    own_postgres: tuple[Postgres, str],
) -> AsyncIterator[tuple[Postgres, Running]]:
    """A PostgreSQL of the test's own, to be killed and started, and a server on it."""
    postgres, url = own_postgres
    async with running(url) as started:
        yield postgres, started
