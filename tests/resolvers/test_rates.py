"""Counting what is tried: alike in memory and in Redis, and never in the way when Redis is away."""

import asyncio
import socket
import time
from types import SimpleNamespace

import pytest

from models.client import Client
from models.errors import RateLimited
from resolvers import rate_storage
from resolvers import rates as module
from resolvers.rate_storage import Memory
from resolvers.rates import Pace, Rate, Rates, rates
from tests.parts.redis import running_redis


@pytest.fixture(autouse=True)
def still(monkeypatch):
    """No time passes for what is counted in memory: a window must not end in a test's middle."""
    now = time.time()
    monkeypatch.setattr(rate_storage, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture
def patient(monkeypatch):
    """A Redis that is slow because the machine is busy is waited for, and not done without."""
    monkeypatch.setattr(module, "STORAGE_TIMEOUT", 10.0)


@pytest.fixture(params=["memory", "redis"])
async def counted(request, patient):
    """What counts, in each place where it may."""
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    async with rates(url, enabled=True) as opened:
        yield opened


async def waiting(counted, rate, key):
    """Return for how long one has to wait, 0 if not."""
    try:
        await counted.spend(rate, key)
    except RateLimited as refusal:
        return refusal.retry_after
    return 0


async def spent(counted, rate, key, times):
    """Spend so often and return how often that went well."""
    return [await waiting(counted, rate, key) for _ in range(times)].count(0)


async def test_what_is_too_often_is_refused_with_the_seconds_to_wait(counted):
    assert await spent(counted, Rate.REGISTER_FROM_ADDRESS, "192.0.2.1", 70) <= 60
    wait = await waiting(counted, Rate.REGISTER_FROM_ADDRESS, "192.0.2.1")
    assert 1 <= wait <= 3600
    assert await waiting(counted, Rate.REGISTER_FROM_ADDRESS, "192.0.2.2") == 0


async def test_the_shortest_window_refuses_first_and_what_is_forgiven_begins_anew(counted):
    assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 30) == 5
    assert await waiting(counted, Rate.GUESS_FROM_ADDRESS, "ana") <= 60
    await counted.forgive(Rate.GUESS_FROM_ADDRESS, "ana")
    assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 30) == 5


async def test_many_at_once_gain_nothing(counted):
    results = await asyncio.gather(
        *(waiting(counted, Rate.GUESS_FROM_ADDRESS, "ana") for _ in range(50))
    )
    assert results.count(0) <= 5


async def test_a_whole_ipv6_network_gets_no_more_than_sixteen_addresses_do(counted):
    async def registered(address):
        try:
            await counted.spend_from(Rate.REGISTER_FROM_ADDRESS, Client(address))
        except RateLimited:
            return 0
        return 1

    # Tunnels of 65,536 such addresses are to be had for nothing.
    neighbours = [f"2001:db8:7:{n:x}::1" for n in range(1000)]
    assert sum([await registered(address) for address in neighbours]) == 16 * 60
    assert await registered("2001:db8:8::1") == 1
    # IPv4 addresses of one network are different people's.
    assert all([await registered(f"192.0.2.{n}") for n in range(250)])


async def test_nodes_that_share_a_redis_count_together(redis_url, patient):
    async with rates(redis_url, enabled=True) as here, rates(redis_url, enabled=True) as there:
        assert await spent(here, Rate.GUESS_FROM_ADDRESS, "shared", 3) == 3
        assert await spent(there, Rate.GUESS_FROM_ADDRESS, "shared", 30) == 2


async def test_what_is_kept_in_redis_names_nobody(redis_url, patient):
    import redis.asyncio

    async with rates(redis_url, enabled=True) as counted:
        await counted.spend(Rate.GUESS_FROM_ADDRESS, "ana from 192.0.2.1")
    async with redis.asyncio.from_url(redis_url) as client:
        keys = [key.decode() async for key in client.scan_iter("*hubbub:limits*")]
        assert keys
        assert not [key for key in keys if "ana" in key or "192.0.2.1" in key]
        assert all([await client.ttl(key) > 0 for key in keys])


async def test_a_redis_that_refuses_is_done_without_and_found_again(monkeypatch):
    monkeypatch.setattr(module, "STORAGE_REST", 0.05)
    with running_redis() as redis:
        async with rates(redis.url, enabled=True) as counted:
            assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 2) == 2
            redis.kill()
            # This node counts for itself: nobody is refused for it, and guessing has an end.
            assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 30) == 5
            redis.start()
            async with asyncio.timeout(20):
                while counted._rests_until:
                    await waiting(counted, Rate.GUESS_FROM_ADDRESS, "someone else")


async def test_a_redis_that_never_answers_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        async with rates(url, enabled=True) as counted, asyncio.timeout(5):
            assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 1000) == 5


async def test_without_limits_nothing_is_counted():
    counted = Rates(enabled=False)
    assert await spent(counted, Rate.GUESS_FROM_ADDRESS, "ana", 100) == 100
    assert not any(counted.pace(Pace.INVITING, "ana") for _ in range(1000))


async def test_the_memory_forgets_a_window_when_two_have_passed(monkeypatch):
    now = time.time() // 60 * 60
    clock = SimpleNamespace(time=lambda: now)
    monkeypatch.setattr(rate_storage, "time", clock)
    memory = Memory()

    async def hits():
        return [await memory.acquire_sliding_window_entry("a", 10, 60) for _ in range(20)]

    assert (await hits()).count(True) == 10
    now += 90  # half of the window before still counts
    assert (await hits()).count(True) == 5
    now += 120
    assert (await hits()).count(True) == 10


async def test_the_memory_takes_no_more_room_than_two_generations():
    memory = Memory(generation=100)
    for number in range(5000):
        await memory.acquire_sliding_window_entry(str(number), 10, 3600)
        assert len(memory) <= 200


@pytest.mark.parametrize(
    ("address", "single"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("not an address", "not an address"),
        (None, None),
    ],
)
def test_a_client_is_known_by_all_that_is_its_own(address, single):
    assert Client(address).single_address == single


@pytest.mark.parametrize(
    "url",
    ["redis://redis", "redis://", "redis://:secret@redis/1", "rediss://user:a%40b@[::1]/0?db=2"],
)
async def test_an_address_without_a_port_means_the_usual_one(url):
    async with rates(url, enabled=True) as counted:
        assert counted._shared is not None
