"""The bus on Kafka, where one was named: docs/configuration.md says how to run these."""

import asyncio
import gc

import pytest

from realtime.bus import Bus
from tests.parts.people import PATIENCE
from tests.parts.running import running as running_node
from tests.realtime.test_bus import running, until

TYPING = "subscription($chatId: ID!) { typing(chatId: $chatId) { user { handle } typing } }"


async def test_hints_reach_every_node_in_order_the_sender_included(kafka_url):
    at_one: list[int] = []
    at_other: list[int] = []
    async with running(kafka_url) as one, running(kafka_url) as other:
        one.on("count", lambda hint: at_one.append(hint["n"]))
        other.on("count", lambda hint: at_other.append(hint["n"]))
        for number in range(200):
            one.say("count", n=number)
        await until(lambda: len(at_one) == len(at_other) == 200)
    assert at_one == at_other == list(range(200))


async def test_people_on_different_nodes_talk_live(kafka_url, migrated_postgresql_url):
    urls = {"database_url": migrated_postgresql_url, "bus_url": kafka_url}
    async with running_node(**urls) as one, running_node(**urls) as other:
        for node in (one, other):
            while (await node.person().get("/readyz")).status_code != 200:
                pass
        ana, ben = await one.registered("ana"), await other.registered("ben")
        async with ben.listening() as at_ben:
            chat_id = await ana.group("Across", ben)
            assert (await at_ben.next())["__typename"] == "ChatCreated"
            # Typing is stored nowhere: the bus alone brings it to the other node.
            async with ben.socket() as socket:
                await socket.subscribe("typing", TYPING, chatId=chat_id)
                await at_ben.subscribe("there", "{ server { name } }")
                heard = asyncio.create_task(socket.next("typing"))
                while not heard.done():
                    await ana.done("setTyping", "expiresAt", chatId=chat_id, typing=True)
                assert await heard == {"user": {"handle": "ana"}, "typing": True}


async def test_one_broker_of_those_named_is_enough(kafka_url):
    heard: list[int] = []
    async with running(kafka_url.replace("kafka://", "kafka://127.0.0.1:1,")) as bus:
        bus.on("greeting", heard.append)
        bus.say("greeting")
        await until(lambda: heard)


# A connection that aiokafka is just opening when it is cancelled is left to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_it_ends_whenever_it_is_cancelled(kafka_url):
    for attempt in range(30):
        task = asyncio.create_task(Bus(kafka_url).run())
        await asyncio.sleep(attempt * 0.005)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        assert done, f"cancelled {attempt * 5} ms after its start, it lives on"
    gc.collect()
