"""What an operation costs beside its answer: nothing that stays."""

import asyncio
import gc
import tracemalloc
from contextlib import aclosing

import pytest

from models.viewer import Viewer
from realtime.operations import OperationRequest, Result
from resolvers.services import utc_now
from schema.engine import Engine
from schema.ids import Kind, decode
from tests.parts.people import EVENTS, until_subscribed


@pytest.mark.timeout(120)
async def test_a_subscription_keeps_nothing_of_the_events_it_has_delivered(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    services = sqlite_server.program.services
    user_id = decode(Kind.USER, ana.user_id)
    viewer = Viewer(user_id, user_id, utc_now())
    engine = Engine(services)
    async with aclosing(engine.stream(OperationRequest(EVENTS), viewer)) as results:

        async def hear(count):
            for number in range(count):
                next_result = anext(results)
                await ana.send(chat_id, str(number))
                assert isinstance(await next_result, Result)

        first = asyncio.ensure_future(anext(results))
        await until_subscribed(sqlite_server.url, 1)
        await ana.send(chat_id, "first")
        await first
        await hear(10)
        before = executions_alive()
        await hear(50)
        assert executions_alive() - before < 50


async def test_a_subscription_keeps_no_variables_that_it_does_not_declare(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        tracemalloc.start()
        try:
            for number in range(10):
                await socket.subscribe(
                    f"events{number}", "subscription { events { seq } }", unused="y" * 500_000
                )
            await until_subscribed(sqlite_server.url, 10)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 2_500_000
        finally:
            tracemalloc.stop()


async def test_a_subscription_with_more_variables_than_are_kept_is_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        await socket.subscribe("events", EVENTS, chatIds=["x" * 30] * 3000)
        (error,) = (await socket.receive())["payload"]
    assert error["extensions"]["code"] == "VARIABLES_TOO_LARGE"
    assert "at most 65536" in error["message"]


def executions_alive():
    """Return how many objects of graphql-core's execution are in memory."""
    gc.collect()
    return sum(
        str(type(each).__module__).startswith("graphql.execution") for each in gc.get_objects()
    )
