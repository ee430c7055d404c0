"""Guessing passwords is slowed down, and its victim is not."""

import time
from types import SimpleNamespace

import pytest

from models import sessions
from resolvers import rate_storage
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.running import running

HOME, ABROAD = "198.51.100.7", "203.0.113.9"


@pytest.fixture(autouse=True)
def still(monkeypatch):
    """No time passes for what is counted in memory: a window must not end in a test's middle."""
    now = time.time()
    monkeypatch.setattr(rate_storage, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture
async def limited(migrated_database_url):
    """A server with its limits on; its people may come from anywhere."""
    async with running(migrated_database_url, rate_limits=True) as started:
        yield started


def somebody(server, address):
    person = server.person()
    person.come_from(address)
    return person


async def tried(person, handle="ana", password="a wrong one entirely"):
    """Try to log in and return what came of it, `in` for a session."""
    payload = await person.do(
        "logIn",
        f"{SIGNED_IN} errors {{ ... on RateLimitedError {{ retryAfter }} }}",
        handle=handle,
        password=password,
    )
    if not payload["errors"]:
        return "in"
    (error,) = payload["errors"]
    if error["code"] == "RATE_LIMITED":
        assert 0 < error["retryAfter"] <= 3600
    return error["code"]


async def test_guesses_from_one_address_are_slowed_down_alike_whether_the_account_exists(limited):
    await somebody(limited, HOME).register("ana")
    stranger = somebody(limited, ABROAD)
    of_ana = [await tried(stranger) for _ in range(8)]
    of_nobody = [await tried(stranger, "nobody") for _ in range(8)]
    assert of_ana == ["BAD_CREDENTIALS"] * 5 + ["RATE_LIMITED"] * 3
    assert of_nobody == of_ana


async def test_the_right_password_is_not_looked_at_either_while_one_has_to_wait(limited):
    await somebody(limited, HOME).register("ana")
    stranger = somebody(limited, ABROAD)
    for _ in range(5):
        await tried(stranger)
    assert await tried(stranger, password=PASSWORD) == "RATE_LIMITED"


async def test_whose_password_is_guessed_logs_in_as_ever(limited):
    await somebody(limited, HOME).register("ana")
    # From as many addresses as one likes: each has five, and all together have twenty.
    results = [await tried(somebody(limited, f"203.0.{n}.9")) for n in range(30)]
    assert results == ["BAD_CREDENTIALS"] * 20 + ["RATE_LIMITED"] * 10
    assert await tried(somebody(limited, "203.0.113.200"), password=PASSWORD) == "RATE_LIMITED"
    assert await tried(somebody(limited, HOME), password=PASSWORD) == "in"
    # A neighbour in the network where the owner is at home is not the owner's address.
    assert await tried(somebody(limited, "198.51.100.99"), password=PASSWORD) == "in"


async def test_who_has_a_whole_network_next_to_its_victim_guesses_no_longer_than_others(limited):
    await somebody(limited, "2001:db8:7:1::1").register("ana")
    # Each of the 65,536 parts of it counts as a client of its own.
    results = [await tried(somebody(limited, f"2001:db8:7:{n:x}::1")) for n in range(2, 52)]
    assert results == ["BAD_CREDENTIALS"] * 40 + ["RATE_LIMITED"] * 10
    # Her own network elsewhere knows nothing of that.
    await somebody(limited, HOME).register("ben")
    assert await tried(somebody(limited, HOME), "ben", PASSWORD) == "in"


async def test_who_remembers_the_password_at_last_may_be_wrong_five_times_again(limited):
    await somebody(limited, HOME).register("ana")
    person = somebody(limited, HOME)
    for _ in range(2):
        for _ in range(4):
            assert await tried(person) == "BAD_CREDENTIALS"
        assert await tried(person, password=PASSWORD) == "in"


async def test_an_own_account_does_not_clear_what_an_address_has_tried(limited):
    await somebody(limited, HOME).register("ana")
    mallory = somebody(limited, ABROAD)
    await mallory.register("mallory")
    results = []
    for number in range(40):
        results.append(await tried(mallory, f"victim{number}"))
        results.append(await tried(mallory, "mallory", PASSWORD))
    assert results.count("RATE_LIMITED") == 20  # sixty a minute
    assert set(results[60:]) == {"RATE_LIMITED"}


async def test_a_refused_log_in_says_in_a_header_when_to_come_back(limited):
    stranger = somebody(limited, ABROAD)
    body = {
        "query": "mutation($i: LogInInput!) { logIn(input: $i) { errors { code } } }",
        "variables": {"i": {"handle": "ana", "password": "wrong"}},
    }
    for _ in range(5):
        assert "retry-after" not in (await stranger.post(body)).headers
    answer = await stranger.post(body)
    assert answer.status_code == 200
    assert 0 < int(answer.headers["retry-after"]) <= 60


async def test_an_address_that_a_stranger_writes_themselves_is_not_theirs(
    migrated_sqlite_url,
):
    # Nothing on this machine is a proxy of ours here.
    async with running(migrated_sqlite_url, rate_limits=True, trusted_proxies=[]) as server:
        results = [await tried(somebody(server, f"203.0.{n}.9")) for n in range(8)]
        assert results == ["BAD_CREDENTIALS"] * 5 + ["RATE_LIMITED"] * 3


async def test_a_planted_fault_is_seen(limited, monkeypatch):
    """Without the count of strangers, guessing from everywhere has no end."""

    async def seen_everywhere(*_, **__):
        return True

    await somebody(limited, HOME).register("ana")
    monkeypatch.setattr(sessions, "seen_in", seen_everywhere)
    results = [await tried(somebody(limited, f"203.0.{n}.9")) for n in range(30)]
    assert results == ["BAD_CREDENTIALS"] * 30
