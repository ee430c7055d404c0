"""A session that is ended on one node is over on the other: two processes, and what is between."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from tests.parts.people import SIGNED_IN, Person
from tests.parts.redis import running_redis
from tests.parts.running import running


@pytest.fixture(params=["postgresql and redis", "sqlite alone"])
def nodes(request, hubbub):
    """Two processes on PostgreSQL and Redis, or on one SQLite file with nothing else in common."""
    if request.param == "sqlite alone":
        url = request.getfixturevalue("migrated_sqlite_url")
        yield [hubbub("api", HUBBUB_DATABASE_URL=url) for _ in range(2)]
        return
    url = request.getfixturevalue("migrated_postgresql_url")
    with running_redis() as redis:
        given = {"HUBBUB_DATABASE_URL": url, "HUBBUB_BUS_URL": redis.url}
        processes = [hubbub("api", **given) for _ in range(2)]
        yield processes
        for process in processes:
            process.stop()


async def signed_in_on(nodes):
    """Return a person's laptop on one node, their phone on the other, and the phone's session."""
    laptop, phone = Person(nodes[0].url), Person(nodes[1].url)
    await laptop.register("ana")
    payload = await phone.log_in("ana")
    return laptop, phone, payload["session"]["id"]


async def test_a_session_revoked_on_one_node_loses_its_socket_on_the_other(nodes, request, capsys):
    laptop, phone, phone_id = await signed_in_on(nodes)
    async with phone.listening() as socket:
        started = time.perf_counter()
        await laptop.done("revokeSession", "sessionId", sessionId=phone_id)
        assert await socket.closed() == (4403, "The session has ended")
        took = (time.perf_counter() - started) * 1000
    with capsys.disabled():
        between = request.node.callspec.params["nodes"]
        print(f"\nrevoked here, closed there ({between}): {took:.0f} ms")
    (error,) = (await phone.run("{ viewer { email } }"))["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    await asyncio.gather(laptop.close(), phone.close())


async def test_a_stream_over_http_ends_with_its_session_on_the_other_node_too(nodes):
    laptop, phone, _ = await signed_in_on(nodes)
    headers = {"authorization": f"Bearer {phone.token}", "accept": "text/event-stream"}
    request = {"query": "subscription { events { __typename } }"}
    async with phone._http.stream("POST", "/graphql", json=request, headers=headers) as stream:
        told = stream.aiter_text()
        heard = await anext(told)
        await laptop.ask("mutation { revokeOtherSessions { errors { code } } }")
        async for text in told:
            heard += text
    assert "UNAUTHENTICATED" in heard
    await asyncio.gather(laptop.close(), phone.close())


@pytest.mark.parametrize("between", ["redis", "sqlite"])
async def test_a_node_is_told_and_does_not_find_out_by_looking(request, monkeypatch, between):
    monkeypatch.setattr("realtime.tailer.POLL_INTERVAL", 1e6)
    monkeypatch.setattr("realtime.session_watch.CHECK_INTERVAL", 1e6)
    async with AsyncExitStack() as stack:
        if between == "sqlite":
            url, bus_url = request.getfixturevalue("migrated_sqlite_url"), "memory://"
        else:
            url = request.getfixturevalue("migrated_postgresql_url")
            bus_url = stack.enter_context(running_redis()).url
        nodes = [await stack.enter_async_context(running(url, bus_url=bus_url)) for _ in range(2)]
        for node in nodes:
            while (await node.person().get("/readyz")).status_code != 200:
                pass
        laptop, phone = await nodes[0].registered("ana"), nodes[1].person()
        payload = await phone.log_in("ana")
        async with phone.listening() as socket:
            await laptop.done("revokeSession", "sessionId", sessionId=payload["session"]["id"])
            assert (await socket.closed())[0] == 4403


async def test_a_stolen_refresh_token_ends_the_session_on_every_node(
    migrated_postgresql_url, monkeypatch
):
    monkeypatch.setattr("resolvers.sessions.REFRESH_GRACE", timedelta(seconds=-1))
    with running_redis() as redis:
        async with (
            running(migrated_postgresql_url, bus_url=redis.url) as one,
            running(migrated_postgresql_url, bus_url=redis.url) as other,
        ):
            ana, thief = await one.registered("ana"), one.person()
            there = other.person()
            there.token = ana.token
            async with there.listening() as socket:
                stolen = ana.refresh_token
                ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=stolen))
                await thief.refused("refreshSession", "accessToken", refreshToken=stolen)
                assert (await socket.closed())[0] == 4403
