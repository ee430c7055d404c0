"""Who is there, across nodes: whoever holds the sockets, and whatever becomes of node and bus."""

import asyncio
import contextlib
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from models import presence
from realtime import presence_looks, presence_state
from schema.ids import Kind, decode
from tests.journeys.test_presence import (
    heard,
    seen,
    set_up,
    until_seen,
    watching,
)
from tests.parts.hubbub import SECRET_KEY
from tests.parts.people import PATIENCE
from tests.parts.running import running

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
BUSES = {
    "sqlite": ("migrated_sqlite_url", None),
    "redis": ("migrated_postgresql_url", "redis_url"),
}


@pytest.fixture(params=BUSES)
def urls(request):
    """Where nodes meet: one SQLite file without a common bus, or PostgreSQL and Redis."""
    database, bus = BUSES[request.param]
    return {
        "database_url": request.getfixturevalue(database),
        "bus_url": request.getfixturevalue(bus) if bus else "memory://",
    }


@pytest.fixture
def quick(monkeypatch):
    """Who goes counts as gone in a moment, and nodes look more often."""
    monkeypatch.setattr(presence_state, "LINGER", timedelta(seconds=0.3))
    monkeypatch.setattr(presence_looks, "TICK", 0.1)
    monkeypatch.setattr(presence_looks, "LOOK_INTERVAL", 0.2)


@asynccontextmanager
async def two_nodes(urls):
    async with running(**urls, node_id="one") as one, running(**urls, node_id="other") as other:
        yield one, other


def at(server, person):
    """Return a client of the same session at another node."""
    there = server.person()
    there.token, there.user_id, there.handle = person.token, person.user_id, person.handle
    return there


async def test_what_happens_on_one_node_is_told_on_the_other(urls, quick):
    async with two_nodes(urls) as (one, other):
        ana, ben = await one.registered("ana"), await one.registered("ben")
        there = at(other, ben)
        async with watching(ana, ben) as socket:
            assert socket.at_first == [("ben", "OFFLINE")]
            async with there.socket():
                assert await heard(socket) == ("ben", "ONLINE")
                # Said to the node that does not hold the socket, as over HTTP.
                await ben.done("setPresence", "errors { code }", state="AWAY")
                assert await heard(socket) == ("ben", "AWAY")
                await there.done("setPresence", "errors { code }", state="ONLINE")
                assert await heard(socket) == ("ben", "ONLINE")
                await set_up(there, whoSeesLastSeen="NOBODY")
                assert await heard(socket) == ("ben", None)
                await set_up(ben, whoSeesLastSeen="EVERYBODY")
                assert await heard(socket) == ("ben", "ONLINE")
                await set_up(there, invisible=True)
                assert await heard(socket) == ("ben", "OFFLINE")
                await set_up(there, invisible=False)
                assert await heard(socket) == ("ben", "ONLINE")
            assert await heard(socket) == ("ben", "OFFLINE")


async def test_without_a_bus_it_takes_a_moment_longer(migrated_postgresql_url, quick):
    urls = {"database_url": migrated_postgresql_url, "bus_url": NOWHERE}
    async with two_nodes(urls) as (one, other):
        ana, ben = await one.registered("ana"), await other.registered("ben")
        async with watching(ana, ben) as socket:
            async with ben.socket():
                assert await heard(socket) == ("ben", "ONLINE")
            assert await heard(socket) == ("ben", "OFFLINE")


async def test_a_node_that_restarts_makes_nobody_come_and_go(urls):
    async with AsyncExitStack() as stack, running(**urls, node_id="one") as one:
        people = [await one.registered(f"person{number}") for number in range(20)]
        ana = await one.registered("ana")
        async with running(**urls, node_id="other") as other:
            for person in people:
                await stack.enter_async_context(at(other, person).socket())
            await asyncio.gather(*(until_seen(ana, person, "ONLINE") for person in people))
            socket = await stack.enter_async_context(watching(ana, *people))
            assert {state for _, state in socket.at_first} == {"ONLINE"}
            for person in people:
                await until_written(one, person)
            async with one.program.services.db.writing() as connection:
                long_ago = datetime.now(UTC) - timedelta(minutes=4)
                await connection.execute(presence.last_seen.update().values(seen_at=long_ago))
        # The other node has ended in order, so they count as there for a while.
        assert (await seen(ana, people[0]))["state"] == "ONLINE"
        async with running(**urls, node_id="another") as again:
            for person in people:
                await stack.enter_async_context(at(again, person).socket())
            node = one.program.services.node
            node.presence.look_at_everybody()
            await node.presence.look()
            assert node.presence.watch.transitions == 0
            # What comes next over the socket is the first that has happened since.
            await people[0].done("updateSettings", "errors { code }", invisible=True)
            assert await heard(socket) == ("person0", "OFFLINE")


@pytest.mark.slow
@pytest.mark.timeout(150)
async def test_the_people_of_a_killed_node_are_gone_when_its_lease_runs_out(urls, hubbub):
    doomed = hubbub(
        HUBBUB_DATABASE_URL=urls["database_url"],
        HUBBUB_BUS_URL=urls["bus_url"],
        HUBBUB_SECRET_KEY=SECRET_KEY,
        HUBBUB_NODE_ID="doomed",
    )
    async with running(**urls, node_id="survivor") as survivor:
        ana, ben = await survivor.registered("ana"), await survivor.registered("ben")
        there = at(survivor, ben)
        there.url = doomed.url
        async with watching(ana, ben) as socket, there.socket():
            assert await heard(socket) == ("ben", "ONLINE")
            await until_written(survivor, ben)
            doomed.kill()
            # Its lease lasts 30 s, and then nobody has said that he went.
            told = await _within(60, socket)
            assert (told["user"]["handle"], told["state"]) == ("ben", "OFFLINE")
            assert told["lastSeenAt"] is not None


async def until_written(server, person):
    """Wait until it is stored that somebody was there."""
    key = decode(Kind.USER, person.user_id)
    async with asyncio.timeout(PATIENCE), server.program.services.db.reading() as connection:
        while not await presence.seen(connection, [key]):
            await connection.rollback()


async def _within(seconds, socket):
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(TimeoutError):  # of a single waiting
                return await socket.next("presence")
