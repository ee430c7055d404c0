"""The bus on every backend: hints arrive, and a lost bus comes back by itself."""

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import pytest

from realtime import bus as module
from realtime.bus import Bus
from tests.parts.people import PATIENCE
from tests.parts.redis import running_redis


@asynccontextmanager
async def running(url):
    """Run a bus until the block ends; yields it once it hears itself."""
    bus = Bus(url)
    task = asyncio.create_task(bus.run())
    try:
        await until(bus.healthy)
        yield bus
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - watched from outside, as an operator would
            await asyncio.sleep(0.01)


@pytest.fixture(params=["memory", "redis", "postgresql"])
def bus_url(request):
    if request.param == "memory":
        return "memory://"
    return request.getfixturevalue(f"{request.param.removesuffix('ql')}_url")


async def test_a_hint_reaches_its_listeners_the_sender_included(bus_url):
    heard: list[Any] = []
    async with running(bus_url) as bus:
        bus.on("greeting", heard.append)
        bus.on("other", lambda _: heard.append("wrong"))
        bus.say("greeting", text="héllo")
        await until(lambda: heard)
    assert heard == [{"kind": "greeting", "text": "héllo"}]


async def test_hints_reach_every_node_in_order(redis_url):
    heard: list[Any] = []
    async with running(redis_url) as one, running(redis_url) as other:
        other.on("count", lambda hint: heard.append(hint["n"]))
        for number in range(200):
            one.say("count", n=number)
        await until(lambda: len(heard) == 200)
    assert heard == list(range(200))


async def test_a_listener_that_fails_harms_no_other(bus_url):
    heard: list[Any] = []

    def broken(_):
        raise RuntimeError("a bug")

    async with running(bus_url) as bus:
        bus.on("greeting", broken)
        bus.on("greeting", heard.append)
        bus.say("greeting")
        await until(lambda: heard)
        assert bus.healthy()


async def test_a_bus_that_dies_comes_back_by_itself_and_says_that_hints_may_be_missing(
    monkeypatch,
):
    monkeypatch.setattr(module, "BEAT_INTERVAL", 0.05)
    monkeypatch.setattr(module, "SILENCE_LIMIT", 0.5)
    heard: list[Any] = []
    rebuilt: list[bool] = []
    with running_redis() as redis:
        async with running(redis.url) as bus:
            bus.on("greeting", heard.append)
            bus.on_rebuilt(lambda: rebuilt.append(True))
            redis.kill()
            await until(lambda: not bus.healthy())
            redis.start()
            await until(bus.healthy)
            bus.say("greeting")
            await until(lambda: heard)
    assert rebuilt


async def test_a_bus_that_hangs_without_an_error_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "BEAT_INTERVAL", 0.05)
    monkeypatch.setattr(module, "SILENCE_LIMIT", 0.5)
    with running_redis() as redis:
        async with running(redis.url) as bus:
            redis.freeze()  # its connections stay open, and say nothing any more
            await until(lambda: not bus.healthy())
            redis.thaw()
            await until(bus.healthy)


async def test_hints_that_cannot_be_sent_do_not_fill_the_memory():
    bus = Bus("redis://127.0.0.1:1")
    for number in range(10 * module.OUTBOX):
        bus.say("typing", n=number)
    assert len(bus._outbox) == module.OUTBOX
    assert not bus.healthy()


async def test_what_is_no_hint_is_passed_over(redis_url):
    import redis.asyncio

    heard: list[Any] = []
    async with running(redis_url) as bus:
        bus.on("greeting", heard.append)
        async with redis.asyncio.Redis.from_url(redis_url) as stranger:
            for nonsense in ("not json", "[]", "{}", "null"):
                await stranger.publish(module.CHANNEL, nonsense)
        bus.say("greeting")
        await until(lambda: heard)
    assert len(heard) == 1


async def test_a_bus_ends_whenever_it_is_cancelled(redis_url):
    # redis-py swallowed about one in twenty of these.
    for attempt in range(60):
        task = asyncio.create_task(Bus(redis_url).run())
        await asyncio.sleep(attempt * 0.0005)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=PATIENCE)
        assert done, f"cancelled {attempt * 0.5} ms after its start, it lives on"
