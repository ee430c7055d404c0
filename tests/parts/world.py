"""People and chats behind the use-cases, without a server in front: for tests of what is stored."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import sqlalchemy as sa
import uuid_utils.compat

from models.chats import Chat, ChatKind, chats
from models.database import Database
from models.events import events
from models.messages import Message, messages
from models.viewer import Viewer
from resolvers import accounts
from resolvers import chats as chat_cases
from resolvers import messages as message_cases
from resolvers.services import Services
from server.app import open_services
from server.settings import Settings
from tests.parts.hubbub import SECRET_KEY
from tests.parts.people import PASSWORD


@dataclass
class World:
    """One node's services, on a database that other nodes may share."""

    url: str
    services: Services

    async def person(self, handle: str) -> Viewer:
        """Sign somebody up."""
        signed_in = await accounts.register(
            self.services, handle=handle, password=PASSWORD, display_name=handle.title()
        )
        claims = self.services.credentials.access_tokens.read(signed_in.access_token)
        return Viewer(claims.user_id, claims.session_id, claims.expires_at)

    async def group(self, owner: Viewer, *others: Viewer) -> Chat:
        """Start a group."""
        return await chat_cases.create(
            self.services,
            owner,
            kind=ChatKind.GROUP,
            title="Team",
            description=None,
            member_ids=[other.user_id for other in others],
        )

    async def send(
        self, viewer: Viewer, chat: Chat, text: str = "Hello", key: UUID | None = None
    ) -> Message:
        """Send a message, under an id of its own unless one is given."""
        return await message_cases.send(
            self.services,
            viewer,
            chat_id=chat.id,
            text=text,
            client_message_id=key or uuid_utils.compat.uuid4(),
        )

    async def stored(self, chat: Chat) -> dict[UUID, int]:
        """Return the numbers of a chat's messages by their clients' ids.

        Raises unless every message is there once, numbered without gaps, and in the log once, in
        the order of the numbers.
        """
        async with self.services.db.reading() as connection:
            rows = (
                await connection.execute(
                    sa.select(messages)
                    .where(messages.c.chat_id == chat.id)
                    .order_by(messages.c.seq)
                )
            ).all()
            logged = (
                await connection.execute(
                    sa.select(events.c.seq, events.c.message_seq)
                    .where(events.c.chat_id == chat.id)
                    .order_by(events.c.id)
                )
            ).all()
            now = (await connection.execute(sa.select(chats).where(chats.c.id == chat.id))).one()
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)
        assert len({(row.sender_id, row.client_message_id) for row in rows}) == len(rows)
        assert [row.seq for row in logged] == list(range(1, len(logged) + 1))
        sent = [row.message_seq for row in logged if row.message_seq is not None]
        assert list(dict.fromkeys(sent)) == [row.seq for row in rows]
        assert (now.last_message_seq, now.last_event_seq) == (len(rows), len(logged))
        return {row.client_message_id: row.seq for row in rows}


@contextlib.asynccontextmanager
async def open_world(url: str) -> AsyncIterator[World]:
    """Open a node's services; several may be open on one database."""
    settings = Settings(
        _env_file=None, database_url=url, secret_key=SECRET_KEY, password_memory_kib=8192
    )
    async with open_services(settings) as services:
        yield World(url, services)


@pytest.fixture
async def world(migrated_database_url: str) -> AsyncIterator[World]:
    """A node on an empty database; the test runs once on SQLite and once on PostgreSQL."""
    async with open_world(migrated_database_url) as opened:
        yield opened


@pytest.fixture
async def postgres_world(migrated_postgresql_url: str) -> AsyncIterator[World]:
    """A node on PostgreSQL, for what SQLite has no part in."""
    async with open_world(migrated_postgresql_url) as opened:
        yield opened


@pytest.fixture
async def elsewhere(world: World) -> AsyncIterator[Database]:
    """The same database by a way of its own, as another process has it."""
    other = Database(world.url)
    yield other
    await other.close()
