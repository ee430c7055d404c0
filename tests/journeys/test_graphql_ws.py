"""graphql-ws's own client in its modes: lazy or not, coming back, pinging, sharing a socket."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from accounts import tokens
from realtime.protocol import CloseCode
from tests.parts.clients import NodeClient
from tests.parts.people import until_subscribed

SERVER = "{ server { name } }"
EVENTS = """
subscription($ids: [ID!]) { events(chatIds: $ids) { ... on MessageSent { message { text } } } }"""
LONG = 60_000  # milliseconds; longer than any test

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def opened(node, clients):
    """A function that runs a client: a server's address, then tokens, then the client's mode."""

    @asynccontextmanager
    async def opened(url, *tokens, **mode):
        async with NodeClient.running(node, clients / "sockets.mjs", url) as client:
            await client.do("open", tokens=tokens, **mode)
            yield client

    return opened


async def heard(client, name):
    """Return the text of the next message that a subscription hears; it has to be of this name."""
    event = await client.event()
    assert (event["name"], event.get("errors")) == (name, None)
    return event["data"]["events"]["message"]["text"]


async def answered(client, name):
    """Wait until a query of `SERVER` was answered and is over."""
    event = await client.event()
    assert event == {"name": name, "data": {"server": {"name": "Hubbub"}}}
    assert await client.ended() == {"name": name, "error": None}


async def test_a_lazy_client_has_a_socket_only_while_something_runs_on_it(sqlite_server, opened):
    ana = await sqlite_server.registered("ana")
    async with opened(sqlite_server.url, ana.token, lazy=True) as client:
        for name in ("first", "second"):
            await client.do("subscribe", name=name, query=SERVER)
            assert await client.socket("connecting") == {"state": "connecting", "isRetry": False}
            await answered(client, name)
            assert (await client.socket("closed"))["code"] == 1000


async def test_a_lazy_client_that_waits_to_close_takes_the_same_socket_again(sqlite_server, opened):
    ana = await sqlite_server.registered("ana")
    mode = {"lazy": True, "lazyCloseTimeout": LONG}
    async with opened(sqlite_server.url, ana.token, **mode) as client:
        for name in ("first", "second"):
            await client.do("subscribe", name=name, query=SERVER)
            await answered(client, name)
        await client.do("terminate")
        states = [(await client.any_socket())["state"] for _ in range(3)]
    assert states == ["connecting", "connected", "closed"]


async def test_a_lazy_client_that_waited_long_enough_closes(sqlite_server, opened):
    ana = await sqlite_server.registered("ana")
    mode = {"lazy": True, "lazyCloseTimeout": 50}
    async with opened(sqlite_server.url, ana.token, **mode) as client:
        await client.do("subscribe", name="only", query=SERVER)
        await answered(client, "only")
        assert (await client.socket("closed"))["code"] == 1000


async def test_an_eager_client_is_connected_before_anything_is_asked_and_stays_so(
    sqlite_server, opened
):
    ana = await sqlite_server.registered("ana")
    async with opened(sqlite_server.url, ana.token, lazy=False) as client:
        await client.socket("connected")
        for name in ("first", "second"):
            await client.do("subscribe", name=name, query=SERVER)
            await answered(client, name)
        await client.do("terminate")
        assert (await client.any_socket())["state"] == "closed"


async def test_a_client_comes_back_when_the_server_restarts_its_sockets(sqlite_server, opened):
    url = sqlite_server.url
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    async with opened(url, ana.token, lazy=True) as client:
        await client.do("subscribe", name="events", query=EVENTS)
        await until_subscribed(url, 1)
        await sqlite_server.program.services.node.sockets.close_all()
        assert (await client.socket("closed"))["code"] == CloseCode.RESTARTING
        assert (await client.socket("connected"))["wasRetry"]
        await until_subscribed(url, 1)
        await ana.send(chat_id, "Welcome back")
        assert await heard(client, "events") == "Welcome back"


async def test_a_client_comes_back_when_its_token_could_not_be_checked(
    sqlite_server, opened, monkeypatch
):
    ana = await sqlite_server.registered("ana")

    async def away(*_):
        raise ConnectionError("database away")

    with monkeypatch.context() as patch:
        patch.setattr("server.authentication.sessions.with_user", away)
        async with opened(sqlite_server.url, ana.token, lazy=False) as client:
            assert (await client.socket("closed"))["code"] == CloseCode.TRY_AGAIN_LATER
            patch.undo()
            assert (await client.socket("connected"))["wasRetry"]
            await client.do("subscribe", name="q", query=SERVER)
            await answered(client, "q")


async def test_a_client_comes_back_with_a_fresh_token_when_the_first_one_expires(
    sqlite_server, opened, monkeypatch
):
    url = sqlite_server.url
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    lasting = ana.token
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=2))
        await ana.log_in("ana")
    async with opened(url, ana.token, lasting, lazy=True) as client:
        await client.do("subscribe", name="events", query=EVENTS)
        closed = await client.socket("closed")
        assert closed == {
            "state": "closed",
            "code": CloseCode.FORBIDDEN,
            "reason": "The access token expired",
        }
        assert (await client.socket("connected"))["wasRetry"]
        await until_subscribed(url, 1)
        ana.token = lasting
        await ana.send(chat_id, "Still there?")
        assert await heard(client, "events") == "Still there?"


async def test_a_client_that_pings_is_answered_every_time(sqlite_server, opened):
    ana = await sqlite_server.registered("ana")
    mode = {"lazy": False, "keepAlive": 20, "patience": LONG}
    async with opened(sqlite_server.url, ana.token, **mode) as client:
        for _ in range(5):
            assert await client.socket("pinged") == {"state": "pinged"}
            assert await client.socket("ponged") == {"state": "ponged"}


async def test_a_client_whose_pings_are_not_answered_gives_up_and_comes_back(hubbub, opened):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    mode = {"lazy": False, "keepAlive": 50, "patience": 1000}
    async with opened(server.url, None, **mode) as client:
        await client.socket("ponged")
        server.freeze()
        assert (await client.socket("closed"))["code"] == 4499  # its own
        server.thaw()
        assert (await client.socket("connected"))["wasRetry"]


async def test_operations_share_a_socket_and_an_invalid_one_leaves_the_others_alone(
    sqlite_server, opened
):
    url = sqlite_server.url
    ana = await sqlite_server.registered("ana")
    team, club = await ana.group("Team"), await ana.group("Club")
    async with opened(url, ana.token, lazy=True) as client:
        for name, chat_id in (("team", team), ("club", club)):
            await client.do("subscribe", name=name, query=EVENTS, variables={"ids": [chat_id]})
        await until_subscribed(url, 2)
        for query, code in (("{ nope }", "BAD_REQUEST"), ("{", "GRAPHQL_PARSE_FAILED")):
            await client.do("subscribe", name="bad", query=query)
            assert (await client.ended())["error"]["code"] == code
        await ana.send(team, "to the team")
        assert await heard(client, "team") == "to the team"
        await client.do("complete", name="team")
        assert await client.ended() == {"name": "team", "error": None}
        await ana.send(team, "to nobody")
        await ana.send(club, "to the club")
        assert await heard(client, "club") == "to the club"
        await client.do("terminate")
        states = [(await client.any_socket())["state"] for _ in range(3)]
    assert states == ["connecting", "connected", "closed"]
