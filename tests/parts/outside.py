"""A server of somebody else's, which Hubbub's worker may reach: for previews and webhooks."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest

from models.members import Role, members
from outbound.signing import HEADER, is_signed
from resolvers import link_previews, webhook_feed, webhook_sending
from resolvers.services import utc_now
from schema.ids import Kind, decode
from schema.webhook_payloads import payload
from tests.outbound.villain import OUTSIDE, Server, answer, serving
from tests.parts.people import Person
from tests.parts.running import Running, running

WEBHOOKS = """query($id: ID!) { chat(id: $id) { webhooks {
    id name url events state failingSince disabledAt disabledReason waiting
    chats { id } createdBy { handle }
    deliveries { id type state attempts status problem }
} } }"""

EVENTS = ["MESSAGE_SENT", "MESSAGE_EDITED", "MESSAGE_DELETED"]


@dataclass
class Outside:
    """Hubbub, and somebody else's server."""

    hubbub: Running
    other: Server

    def url(self, path: str = "/hook") -> str:
        return f"http://{OUTSIDE}:{self.other.port}{path}"

    def accept(self, *paths: str) -> None:
        """Have the other server accept what is posted to some paths."""
        for path in paths or ("/hook",):
            self.other.answers[path] = answer("204 No Content")

    async def webhook(self, person: Person, *chat_ids: str, **given: Any) -> Any:
        """Return the payload with which a person has made a webhook."""
        given = {"name": "Hook", "url": self.url(), "events": EVENTS, **given}
        return await person.done(
            "createWebhook", "webhook { id url state } secret", chatIds=list(chat_ids), **given
        )

    async def feed(self) -> None:
        await webhook_feed.feed(self.hubbub.program.services)

    async def send(self) -> None:
        await webhook_sending.deliver(self.hubbub.program.services, payload)

    async def work(self) -> None:
        """Do what the worker does about webhooks, once."""
        await self.feed()
        await self.send()

    async def preview(self) -> None:
        """Do what the worker does about links, once."""
        await link_previews.follow(self.hubbub.program.services)
        await link_previews.fetch(self.hubbub.program.services)

    @property
    def told(self) -> list[Any]:
        """What has been posted to the other server, in its order."""
        return [json.loads(body) for body in self.other.bodies if body]

    def signed(self, number: int, secret: str) -> bool:
        """Whether one of what was posted is signed with a secret, as a receiver finds out."""
        header = self.header(number, HEADER)
        return is_signed(header, secret, self.other.bodies[number], int(utc_now().timestamp()))

    def header(self, number: int, name: str) -> str:
        """Return a header of one of what was asked."""
        lines = self.other.heads[number].split("\r\n")
        found = [line for line in lines if line.lower().startswith(f"{name.lower()}:")]
        return found[0].partition(":")[2].strip()


@contextlib.asynccontextmanager
async def outside(database_url: str, **given: Any) -> AsyncIterator[Outside]:
    """Serve Hubbub and the other server until the block ends."""
    async with serving(OUTSIDE) as other:
        given = {
            "outbound_allow": [ip_network(OUTSIDE)],
            "outbound_ports": [other.port],
            **given,
        }
        async with running(database_url, **given) as hubbub:
            yield Outside(hubbub, other)


async def make_admin(server: Running, chat_id: str, person: Person) -> None:
    """Make somebody an admin of a chat that they are in."""
    async with server.program.services.db.writing() as connection:
        await connection.execute(
            members.update()
            .where(
                members.c.chat_id == decode(Kind.CHAT, chat_id),
                members.c.user_id == decode(Kind.USER, person.user_id),
            )
            .values(role=Role.ADMIN.value)
        )


async def webhooks_shown(person: Person, chat_id: str) -> Any:
    """Return the webhooks of a chat as somebody sees them."""
    return (await person.ask(WEBHOOKS, id=chat_id))["chat"]["webhooks"]


@pytest.fixture
async def out(migrated_database_url: str) -> AsyncIterator[Outside]:
    """Hubbub, and a server that accepts what is posted to it."""
    async with outside(migrated_database_url) as opened:
        opened.accept()
        yield opened


@pytest.fixture
async def sqlite_out(migrated_sqlite_url: str) -> AsyncIterator[Outside]:
    """The same on SQLite alone, for what the database has no part in."""
    async with outside(migrated_sqlite_url) as opened:
        opened.accept()
        yield opened
