"""Every root field has its pace: who is too fast is told so, in the way of the field."""

import time
from types import SimpleNamespace
from uuid import uuid4

import pytest

from resolvers import rates
from resolvers.rates import Pace
from schema.ids import Kind, decode
from schema.pacing import PACES, pace_of
from schema.policies import POLICIES
from tests.parts.running import running

SEND = """
mutation($i: SendMessageInput!) {
  sendMessage(input: $i) {
    message { id } errors { __typename code ... on RateLimitedError { retryAfter } }
  }
}
"""


@pytest.fixture
async def limited(migrated_sqlite_url, monkeypatch):
    """A server with its limits on, where no time passes that would fill a bucket again."""
    monkeypatch.setattr(rates, "time", SimpleNamespace(monotonic=lambda: 1000.0, time=time.time))
    async with running(migrated_sqlite_url, rate_limits=True) as started:
        yield started


def exhaust(server, pace, key):
    """Take everything that somebody may take at once."""
    while not server.program.services.rates.pace(pace, key):
        pass


def key_of(person):
    return decode(Kind.USER, person.user_id).int


def test_the_table_names_fields_that_exist():
    assert set(PACES) <= set(POLICIES)
    assert {pace_of(field) for field in POLICIES} == set(Pace)


async def test_who_sends_faster_than_anybody_needs_is_refused_in_the_payload(limited):
    ana = await limited.registered("ana")
    ben = await limited.registered("ben")
    chat_id = await ana.group("Team", ben)
    exhaust(limited, Pace.SENDING, key_of(ana))
    variables = {"i": {"chatId": chat_id, "text": "Hi", "clientMessageId": str(uuid4())}}
    answer = await ana.post({"query": SEND, "variables": variables})
    assert answer.json()["data"]["sendMessage"] == {
        "message": None,
        "errors": [{"__typename": "RateLimitedError", "code": "RATE_LIMITED", "retryAfter": 1}],
    }
    assert (answer.status_code, answer.headers["retry-after"]) == (200, "1")
    await ben.send(chat_id, "I was not as fast")
    # Whatever was refused is not stored.
    history = await ben.ask(
        "query($id: ID!) { chat(id: $id) { messages { nodes { text } } } }", id=chat_id
    )
    assert history["chat"]["messages"]["nodes"] == [{"text": "I was not as fast"}]


async def test_a_query_that_comes_too_fast_is_a_top_level_error(limited):
    ana = await limited.registered("ana")
    exhaust(limited, Pace.READING, key_of(ana))
    answer = await ana.post({"query": "{ viewer { email } }"})
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}
    assert answer.headers["retry-after"] == "1"


async def test_a_subscription_that_comes_too_fast_is_refused_and_the_socket_stays(limited):
    ana = await limited.registered("ana")
    exhaust(limited, Pace.SUBSCRIBING, key_of(ana))
    async with ana.socket() as socket:
        await socket.subscribe("1", "subscription { events { cursor } }")
        refused = await socket.receive()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1}
        await socket.subscribe("2", "{ viewer { email } }")
        assert (await socket.receive())["type"] == "next"


async def test_who_is_not_signed_in_is_known_by_their_address(limited):
    here, there = limited.person(), limited.person()
    here.come_from("192.0.2.1")
    there.come_from("192.0.2.2")
    exhaust(limited, Pace.READING, "192.0.2.1")
    assert (await here.run("{ server { name } }"))["errors"][0]["extensions"][
        "code"
    ] == "RATE_LIMITED"
    assert await there.ask("{ server { name } }")


async def test_sockets_and_requests_are_counted_together(limited):
    ana = await limited.registered("ana")
    exhaust(limited, Pace.READING, key_of(ana))
    async with ana.socket() as socket:
        await socket.subscribe("1", "{ viewer { email } }")
        assert (await socket.receive())["payload"]["errors"][0]["extensions"]["retryAfter"] == 1
