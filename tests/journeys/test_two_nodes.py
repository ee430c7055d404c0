"""Two nodes on one PostgreSQL and one Redis: what happens on one is heard on the other."""

import asyncio

import pytest

from tests.parts.redis import running_redis
from tests.parts.running import running


@pytest.fixture
async def nodes(migrated_postgresql_url):
    with running_redis() as redis:
        async with (
            running(migrated_postgresql_url, bus_url=redis.url) as one,
            running(migrated_postgresql_url, bus_url=redis.url) as other,
        ):
            for node in (one, other):
                while (await node.person().get("/readyz")).status_code != 200:
                    pass
            yield one, other, redis


async def test_people_on_different_nodes_talk_live(nodes):
    one, other, _ = nodes
    ana, ben = await one.registered("ana"), await other.registered("ben")
    async with ben.listening() as at_ben:
        chat_id = await ana.group("Across", ben)
        assert (await at_ben.next())["__typename"] == "ChatCreated"
        await ana.send(chat_id, "Hello over there")
        assert (await at_ben.next())["message"]["text"] == "Hello over there"


async def test_without_the_bus_messages_still_arrive(nodes):
    one, other, redis = nodes
    ana, ben = await one.registered("ana"), await other.registered("ben")
    chat_id = await ana.group("Across", ben)
    async with ben.listening() as at_ben:
        redis.kill()
        for number in range(5):
            await ana.send(chat_id, str(number))
        assert [(await at_ben.next())["message"]["text"] for _ in range(5)] == list("01234")


async def test_logging_out_on_one_node_closes_the_socket_on_the_other(nodes):
    one, other, _ = nodes
    here = await one.registered("ana")
    there = other.person()
    there.token = here.token
    async with there.listening() as socket:
        await here.ask("mutation { logOut { errors { code } } }")
        assert (await socket.closed())[0] == 4403
    answer = await there.run("{ viewer { email } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_without_the_bus_logging_out_still_closes_the_socket_on_the_other_node(nodes):
    one, other, redis = nodes
    here, ben = await one.registered("ana"), await other.registered("ben")
    there = other.person()
    there.token = here.token
    async with there.listening() as socket, ben.listening() as at_ben:
        redis.kill()
        await here.ask("mutation { logOut { errors { code } } }")
        assert await socket.closed() == (4403, "The session has ended")
        # Who has not logged out notices nothing.
        await ben.group("Still there")
        assert (await at_ben.next())["__typename"] == "ChatCreated"


async def test_the_same_send_through_both_nodes_is_stored_once(nodes):
    one, other, _ = nodes
    ana = await one.registered("ana")
    chat_id = await ana.group("Across")
    twin = other.person()
    await twin.log_in("ana")
    for attempt in range(5):
        key = f"3f0c8a52-6f0e-4b43-9a39-0f6d3f1f7a1{attempt}"
        sent = await asyncio.gather(
            *(person.send(chat_id, "Once", clientMessageId=key) for person in (ana, twin) * 3)
        )
        assert {message["seq"] for message in sent} == {attempt + 1}
