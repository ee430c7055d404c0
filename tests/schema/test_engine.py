"""What an operation costs beside its answer: nothing that stays."""

import asyncio
import gc
import tracemalloc
from contextlib import aclosing

import pytest

from models.viewer import Viewer
from realtime.endpoint import Result
from realtime.protocol import OperationRequest
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
        await hear(30)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await hear(100)
        gc.collect()
        kept = (tracemalloc.get_traced_memory()[0] - before) / 100
        tracemalloc.stop()
    assert kept < 1000, f"{kept:.0f} bytes stay of every event"
