"""The registry on every place where it may be kept: who has sockets on which node."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from models import leases as tables
from models.base import new_key
from models.database import Database
from models.viewer import Viewer
from realtime import registry as module
from realtime.leases import DatabaseLeases
from realtime.leases_redis import RUNS, RedisLeases
from realtime.registry import Registry, RegistryUnavailable
from realtime.sockets import Sockets
from realtime.tasks import end
from server import worker
from server.app import open_services
from server.settings import Settings
from tests.parts.people import PATIENCE
from tests.parts.redis import running_redis

PLACES = ("sqlite", "postgresql", "redis")


@dataclass
class Node:
    """What a node tells the registry, without the rest of a node."""

    sockets: Sockets
    registry: Registry
    task: asyncio.Task[None]

    def open(self, viewer):
        """Open a socket of the viewer's, and return what closes it."""
        socket = Socket()
        self.sockets.add(socket)
        self.sockets.signed_in(socket, viewer)
        return lambda: self.sockets.remove(socket, viewer)

    async def kill(self):
        """End it without a word to anybody."""
        await end([self.task])

    async def sees(self, *viewers):
        """Return the names of the nodes that hold sockets of each of these people."""
        found = await self.registry.online([viewer.user_id for viewer in viewers])
        return [{each.node_id for each in found.get(viewer.user_id, ())} for viewer in viewers]


class Socket:
    """Something that is open."""

    def close_soon(self, code, reason, after=None):
        return None


def somebody():
    return Viewer(new_key(), new_key(), datetime.now(UTC) + timedelta(minutes=15))


@pytest.fixture(params=PLACES)
def connect(request):
    """A function that connects to the place where the leases are."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        return lambda: RedisLeases(url)
    url = request.getfixturevalue(f"migrated_{request.param}_url")
    return lambda: DatabaseLeases(Database(url))


@pytest.fixture
async def start(connect):
    """A function that starts nodes."""
    running = []

    async def start(node_id):
        leases, sockets = connect(), Sockets()
        registry = Registry(leases, sockets, node_id)
        node = Node(sockets, registry, asyncio.create_task(registry.run()))
        running.append((node, leases))
        return node

    yield start
    for node, leases in running:
        await node.kill()
        await close(leases)


async def close(leases):
    await leases.close()
    if isinstance(leases, DatabaseLeases):
        await leases._db.close()


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - watched from outside
            await asyncio.sleep(0.01)


async def until_seen(node, *expected):
    """Wait until a node sees these people, given as pairs of a viewer and the nodes' names."""

    async def seen():
        return await node.sees(*(viewer for viewer, _ in expected)) == [
            set(names) for _, names in expected
        ]

    await until(seen)


async def test_every_node_can_tell_who_is_connected_where(start):
    one, other = await start("one"), await start("other")
    ana, ben, cyd = somebody(), somebody(), somebody()
    close_here = one.open(ana)
    other.open(ana)
    other.open(ben)
    for node in (one, other):
        await until_seen(node, (ana, ["one", "other"]), (ben, ["other"]), (cyd, []))
    assert await one.registry.elsewhere(ana.session_id) == ["other"]
    assert await one.registry.elsewhere(cyd.session_id) == []
    close_here()
    for node in (one, other):
        await until_seen(node, (ana, ["other"]), (ben, ["other"]))
    assert await one.registry.online([]) == {}


async def test_it_says_which_sessions_how_many_sockets_and_since_when(start):
    node = await start("one")
    before = datetime.now(UTC)
    phone = somebody()
    laptop = Viewer(phone.user_id, new_key(), phone.expires_at)
    node.open(phone)
    node.open(laptop)
    close_one = node.open(laptop)

    async def held():
        found = (await node.registry.online([phone.user_id])).get(phone.user_id, [])
        return {each.held.session_id: each.held for each in found}

    async def both():
        return {key: row.sockets for key, row in (await held()).items()} == {
            phone.session_id: 1,
            laptop.session_id: 2,
        }

    await until(both)
    first = await held()
    assert all(before <= row.since <= datetime.now(UTC) for row in first.values())
    close_one()

    async def fewer():
        return (await held())[laptop.session_id].sockets == 1

    await until(fewer)
    now = (await held())[laptop.session_id]
    # Rounded to what the place keeps.
    assert abs(now.since - first[laptop.session_id].since) < timedelta(milliseconds=1)
    (of_session,) = await node.registry.nodes_of(laptop.session_id)
    assert of_session.held == now


async def test_a_node_that_leaves_is_forgotten_at_once(start):
    one, other = await start("one"), await start("other")
    ana = somebody()
    one.open(ana)
    await until_seen(other, (ana, ["one"]))
    await one.kill()
    await one.registry.leave()
    assert await other.sees(ana) == [set()]
    assert [lease.node_id for lease in await other.registry.running_nodes()] == ["other"]


async def test_a_node_that_was_killed_is_forgotten_when_its_lease_runs_out(start, monkeypatch):
    monkeypatch.setattr(module, "LEASE_LASTS", 1.0)
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.3)
    one, other = await start("one"), await start("other")
    ana, ben = somebody(), somebody()
    one.open(ana)
    other.open(ben)
    await until_seen(other, (ana, ["one"]), (ben, ["other"]))
    await one.kill()
    await until_seen(other, (ana, []), (ben, ["other"]))


async def test_a_node_that_comes_back_after_a_kill_is_not_taken_for_two(start, monkeypatch):
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.3)
    first = await start("one")
    ana = somebody()
    first.open(ana)
    await until_seen(first, (ana, ["one"]))
    await first.kill()
    second = await start("one")
    ben = somebody()
    # It has looked around several times while the lease of its last run was still there.
    for _ in range(5):
        close_it = second.open(ben)
        await until_seen(second, (ana, ["one"]), (ben, ["one"]))
        close_it()
        await until_seen(second, (ana, ["one"]), (ben, []))
    assert len(await second.registry.running_nodes()) == 2
    assert second.registry.trouble() is None


async def test_two_running_nodes_of_one_name_both_notice(start, monkeypatch):
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.3)
    one, other, third = await start("same"), await start("same"), await start("third")

    async def noticed():
        return one.registry.trouble() == other.registry.trouble() == "node id taken"

    await until(noticed)
    assert third.registry.trouble() is None
    # What they hold is told apart all the same.
    ana = somebody()
    other.open(ana)
    await until_seen(one, (ana, ["same"]))
    assert await one.registry.elsewhere(ana.session_id) == ["same"]
    assert await other.registry.elsewhere(ana.session_id) == []
    await other.kill()
    await other.registry.leave()

    async def alone():
        return one.registry.trouble() is None

    await until(alone)


async def test_a_thousand_clients_that_come_at_once_are_written_in_a_batch(start):
    node = await start("one")
    herd = [somebody() for _ in range(1000)]
    await until(node.registry.running_nodes)
    (before,) = await node.registry.running_nodes()
    for viewer in herd:
        node.open(viewer)()
        node.open(viewer)  # lost, and back at once
    await until_seen(node, *((viewer, ["one"]) for viewer in herd))
    (after,) = await node.registry.running_nodes()
    assert after.version - before.version <= 2
    assert (after.sockets, after.people) == (1000, 1000)


async def forget(leases):
    """Do what an emptied Redis does, or the worker to a node that stood still."""
    if isinstance(leases, RedisLeases):
        await leases._redis.flushall()
    else:
        async with leases._db.writing() as connection:
            await connection.execute(tables.node_leases.delete())


async def test_a_node_whose_lease_is_gone_writes_all_of_it_again(start, connect, monkeypatch):
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.3)
    one, other = await start("one"), await start("other")
    people = [somebody() for _ in range(20)]
    for viewer in people:
        one.open(viewer)
    await until_seen(other, *((viewer, ["one"]) for viewer in people))
    leases = connect()
    await forget(leases)
    late = somebody()
    one.open(late)
    await until_seen(other, *((viewer, ["one"]) for viewer in [*people, late]))
    await close(leases)


async def test_the_runs_of_killed_nodes_do_not_pile_up_in_redis(redis_url, monkeypatch):
    monkeypatch.setattr(module, "LEASE_LASTS", 0.5)
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.1)
    leases = RedisLeases(redis_url)
    for number in range(3):
        registry = Registry(leases, Sockets(), f"short {number}")
        task = asyncio.create_task(registry.run())
        await until(registry.running_nodes)
        await end([task])
    registry = Registry(leases, Sockets(), "last")
    task = asyncio.create_task(registry.run())

    async def alone():
        return await leases._redis.scard(RUNS) == 1

    await until(alone)
    await end([task])
    await leases.close()


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_a_redis_that_goes_away_and_comes_back_empty_is_filled_again(how, monkeypatch):
    monkeypatch.setattr(module, "RENEW_INTERVAL", 0.3)
    monkeypatch.setattr(module, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(module, "WRITE_TIMEOUT", 0.5)
    with running_redis() as redis:
        leases, sockets = RedisLeases(redis.url), Sockets()
        registry = Registry(leases, sockets, "one")
        node = Node(sockets, registry, asyncio.create_task(registry.run()))
        ana, ben = somebody(), somebody()
        node.open(ana)
        await until_seen(node, (ana, ["one"]))
        getattr(redis, how)()
        with pytest.raises(RegistryUnavailable):
            await registry.online([ana.user_id])
        node.open(ben)

        async def lost():
            return registry.trouble() == "not written"

        await until(lost)
        if how == "kill":
            redis.start()
        else:
            redis.thaw()
            redis.flush()
        await until_back(node, (ana, ["one"]), (ben, ["one"]))
        await node.kill()
        await leases.close()


async def until_back(node, *expected):
    async def back():
        try:
            seen = await node.sees(*(viewer for viewer, _ in expected))
        except RegistryUnavailable:
            return False
        return seen == [set(names) for _, names in expected] and node.registry.trouble() is None

    await until(back)


async def test_the_worker_deletes_what_killed_nodes_held_and_leaves_the_others(
    migrated_database_url, monkeypatch
):
    db = Database(migrated_database_url)
    leases = DatabaseLeases(db)
    held = tables.HeldSession(new_key(), new_key(), 1, datetime.now(UTC))
    for lasts in (-1.0, 30.0):
        lease = tables.Lease(new_key(), f"for {lasts} s", datetime.now(UTC), 1, 1, 1)
        await leases.begin(lease, {held.user_id: [held]}, lasts=lasts)
    settings = Settings(_env_file=None, secret_key="s" * 32, database_url=migrated_database_url)
    async with open_services(settings) as services:
        await worker.prune_leases(services, settings)
    async with db.reading() as connection:
        left = (await connection.execute(sa.select(tables.node_leases.c.node_id))).scalars().all()
        rows = (await connection.execute(sa.select(tables.node_sessions.c.run))).all()
    assert (left, len(rows)) == (["for 30.0 s"], 1)
    await db.close()
