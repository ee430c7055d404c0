"""Real nodes in the registry: who is connected where, whatever becomes of the nodes."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import structlog.testing

from realtime import session_watch
from schema.ids import Kind, decode
from tests.parts.hubbub import SECRET_KEY, run_hubbub
from tests.parts.people import PATIENCE
from tests.parts.running import running

BUSES = {
    "sqlite": ("migrated_sqlite_url", None),
    "postgresql": ("migrated_postgresql_url", "postgres_url"),
    "redis": ("migrated_postgresql_url", "redis_url"),
}


@pytest.fixture(params=BUSES)
def urls(request):
    """Where nodes meet: the database, and the bus, which decides where the registry is kept."""
    database, bus = BUSES[request.param]
    return {
        "database_url": request.getfixturevalue(database),
        "bus_url": request.getfixturevalue(bus) if bus else "memory://",
    }


@asynccontextmanager
async def two_nodes(urls):
    async with running(**urls, node_id="one") as one, running(**urls, node_id="other") as other:
        yield one, other


async def until_online(node, expected, patience=PATIENCE):
    """Wait until a node says that these people are online, with the names of their nodes."""
    keys = {decode(Kind.USER, person.user_id): names for person, names in expected.items()}
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        found = await node.program.services.node.registry.online(list(keys))
        seen = {key: {each.node_id for each in found.get(key, ())} for key in keys}
        if seen == keys:
            return
        assert asyncio.get_running_loop().time() < deadline, seen
        await asyncio.sleep(0.01)


async def test_every_node_knows_who_is_connected_to_which(urls):
    async with two_nodes(urls) as (one, other):
        ana, ben, cyd = [await one.registered(name) for name in ("ana", "ben", "cyd")]
        elsewhere = other.person()
        elsewhere.token = ana.token
        async with ana.socket(), elsewhere.socket() as left_open:
            for node in (one, other):
                await until_online(node, {ana: {"one", "other"}, ben: set(), cyd: set()})
            async with ben.socket(), cyd.socket():
                for node in (one, other):
                    await until_online(node, {ben: {"one"}, cyd: {"one"}})
            for node in (one, other):
                await until_online(node, {ben: set(), cyd: set()})
            await ana.ask("mutation { logOut { errors { code } } }")
            assert (await left_open.closed())[0] == 4403
            for node in (one, other):
                await until_online(node, {ana: set()})


async def test_what_a_node_held_is_forgotten_when_it_ends_in_order(urls):
    async with running(**urls, node_id="one") as one, AsyncExitStack() as sockets:
        ana = await one.registered("ana")
        async with running(**urls, node_id="other") as other:
            elsewhere = other.person()
            elsewhere.token = ana.token
            await sockets.enter_async_context(elsewhere.socket())
            await until_online(one, {ana: {"other"}})
        assert await names_of_running(one) == ["one"]
        await until_online(one, {ana: set()})


async def names_of_running(server):
    running_nodes = await server.program.services.node.registry.running_nodes()
    return [lease.node_id for lease in running_nodes]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("urls", ["sqlite", "redis"], indirect=True)
async def test_what_a_killed_node_held_is_forgotten_when_its_lease_runs_out(urls, hubbub):
    doomed = hubbub(
        HUBBUB_DATABASE_URL=urls["database_url"],
        HUBBUB_BUS_URL=urls["bus_url"],
        HUBBUB_SECRET_KEY=SECRET_KEY,
        HUBBUB_NODE_ID="doomed",
    )
    async with running(**urls, node_id="survivor") as survivor:
        ana, ben = await survivor.registered("ana"), await survivor.registered("ben")
        there = survivor.person()
        there.url, there.token = doomed.url, ana.token
        async with ben.socket(), there.socket():
            await until_online(survivor, {ana: {"doomed"}, ben: {"survivor"}})
            doomed.kill()
            await until_online(survivor, {ana: set(), ben: {"survivor"}}, patience=60)
            assert await names_of_running(survivor) == ["survivor"]


async def test_nodes_without_a_common_bus_close_each_others_sockets_too(
    migrated_database_url, monkeypatch
):
    monkeypatch.setattr(session_watch, "CHECK_INTERVAL", 0.2)
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    async with two_nodes({"database_url": migrated_database_url, "bus_url": nowhere}) as nodes:
        one, other = nodes
        ana = await one.registered("ana")
        elsewhere = other.person()
        elsewhere.token = ana.token
        async with elsewhere.socket() as socket:
            await until_online(one, {ana: {"other"}})
            with structlog.testing.capture_logs() as told:
                await ana.ask("mutation { logOut { errors { code } } }")
                assert await socket.closed() == (4403, "The session has ended")
        # The operator is told which nodes were late.
        (line,) = [line for line in told if line["event"] == "session_end_unheard"]
        assert line["nodes"] == ["other"]


async def test_two_nodes_of_one_name_say_so(urls, monkeypatch):
    monkeypatch.setattr("realtime.registry.RENEW_INTERVAL", 0.3)
    with structlog.testing.capture_logs() as told:
        async with running(**urls, node_id="same") as one, running(**urls, node_id="same") as other:
            for node in (one, other):
                async with asyncio.timeout(PATIENCE):
                    while (ready := (await node.person().get("/readyz")).json())[
                        "registry"
                    ] != "node id taken":
                        pass
                assert (ready["node"], ready["status"]) == ("same", "degraded")
            metrics = (await one.person().get("/metrics")).text
    assert "hubbub_registry_up 0.0" in metrics
    assert "node_id_taken" in {line["event"] for line in told if line["log_level"] == "error"}


async def test_the_nodes_that_run_can_be_listed(urls, tmp_path):
    def listed():
        return run_hubbub(
            "nodes",
            directory=tmp_path,
            HUBBUB_DATABASE_URL=urls["database_url"],
            HUBBUB_BUS_URL=urls["bus_url"],
        ).stdout.splitlines()

    async with two_nodes(urls) as (one, other):
        ana = await one.registered("ana")
        async with ana.socket(), ana.socket(), other.person().socket():
            await until_online(other, {ana: {"one"}})
            lines = await asyncio.to_thread(listed)
    assert lines[0].split() == ["node", "sockets", "people", "running", "since"]
    assert [line.split()[0] for line in lines[1:]] == ["one", "other"]
    assert await asyncio.to_thread(listed) == ["No node is running."]
