"""The client libraries that stream over HTTP: they hear everything once, and come back."""

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest

from accounts import tokens
from tests.parts.clients import NodeClient, Refused
from tests.parts.people import PASSWORD, Person, until_subscribed
from tests.parts.streams import EVENTS
from tests.parts.streams import cursor as cursor_of

QUICK = {"HUBBUB_PASSWORD_MEMORY_KIB": "8192"}
CLIENTS = {
    "graphql-sse": ("graphql-sse.mjs", None),
    "EventSource": ("eventsource.mjs", None),
    "urql over SSE": ("urql.mjs", "sse"),
    "urql over graphql-ws": ("urql.mjs", "graphql-ws"),
    "Apollo Client by multipart": ("apollo.mjs", "multipart"),
}
WITHOUT_CURSOR = "subscription { events { __typename ... on MessageSent { message { text } } } }"
BY_THEMSELVES = ("graphql-sse",)  # these come back without the application
APPLICATIONS = ("urql over SSE", "Apollo Client by multipart")

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def start(node, clients):
    """A function that starts a client program and signs Ana in with it."""

    @asynccontextmanager
    async def start(name, url):
        program, transport = CLIENTS[name]
        async with NodeClient.running(node, clients / program, url) as client:
            if transport is not None:
                await client.do("over", transport=transport)
            await client.do("logIn", handle="ana", password=PASSWORD)
            yield client

    return start


@asynccontextmanager
async def people(url):
    """Register Ana and Ben; yield both and the chat that they share."""
    ana, ben = Person(url), Person(url)
    try:
        await ana.register("ana")
        await ben.register("ben")
        yield ana, ben, await ben.group("Team", ana)
    finally:
        await ana.close()
        await ben.close()


async def texts(client, count):
    """Return the texts of the next messages, and the cursor of the last one."""
    heard: list[str] = []
    while len(heard) < count:
        event = await client.event()
        if event["__typename"] == "MessageSent":
            heard.append(event["message"]["text"])
    return heard, event.get("cursor")


@pytest.mark.parametrize("name", CLIENTS)
async def test_it_asks_sends_and_hears_messages_in_order(sqlite_server, start, name):
    url = sqlite_server.url
    async with people(url) as (ana, ben, chat_id), start(name, url) as client:
        here = await cursor_of(ana)
        assert (await client.do("query", query="{ server { name } }"))["server"]["name"] == "Hubbub"
        await client.do("subscribe", query=EVENTS, variables={"after": here})
        for number in range(20):
            await ben.send(chat_id, str(number))
        await client.do("send", chatId=chat_id, text="Ana's own")
        heard, _ = await texts(client, 21)
    assert heard == [*map(str, range(20)), "Ana's own"]


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { events { nope } }", "BAD_REQUEST"),
        ('subscription { typing(chatId: "garbage") { typing } }', "INVALID_ID"),
    ],
)
async def test_it_understands_why_a_subscription_is_refused(
    sqlite_server, start, name, query, code
):
    async with people(sqlite_server.url), start(name, sqlite_server.url) as client:
        with suppress(Refused):  # some clients say it in the answer, too
            await client.do("subscribe", query=query)
        assert (await client.ended())["error"]["code"] == code


@pytest.mark.slow
@pytest.mark.parametrize("name", BY_THEMSELVES)
async def test_it_resumes_by_itself_when_the_server_was_away(hubbub, start, name):
    server, other = [await asyncio.to_thread(hubbub, "serve", **QUICK) for _ in range(2)]
    async with people(other.url) as (ana, ben, chat_id), start(name, server.url) as client:
        await client.do("subscribe", query=EVENTS, variables={"after": await cursor_of(ana)})
        await ben.send(chat_id, "before")
        assert (await texts(client, 1))[0] == ["before"]
        assert await asyncio.to_thread(server.stop) == 0
        await ben.send(chat_id, "meanwhile")
        await asyncio.to_thread(_start, server)
        await ben.send(chat_id, "after")
        assert (await texts(client, 2))[0] == ["meanwhile", "after"]


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
async def test_its_application_resumes_when_the_server_was_away(hubbub, start, name):
    server, other = [await asyncio.to_thread(hubbub, "serve", **QUICK) for _ in range(2)]
    async with people(other.url) as (ana, ben, chat_id), start(name, server.url) as client:
        await client.do("subscribe", query=EVENTS, variables={"after": await cursor_of(ana)})
        await ben.send(chat_id, "before")
        heard, cursor = await texts(client, 1)
        assert heard == ["before"]
        assert await asyncio.to_thread(server.stop) == 0
        ended = await client.ended()
        if "Apollo" in name:
            assert ended["error"]["code"] == "RECONNECT"
        await ben.send(chat_id, "meanwhile")
        await asyncio.to_thread(_start, server)
        await client.do("subscribe", query=EVENTS, variables={"after": cursor})
        await ben.send(chat_id, "after")
        assert (await texts(client, 2))[0] == ["meanwhile", "after"]


def _start(server):
    server.start()
    server.wait_ready()


async def test_an_event_source_resumes_by_itself_though_its_document_knows_no_cursor(
    sqlite_server, start
):
    url, sockets = sqlite_server.url, sqlite_server.program.services.node.sockets
    async with people(url) as (_, ben, chat_id), start("EventSource", url) as client:
        await client.do("subscribe", query=WITHOUT_CURSOR)
        await until_subscribed(url, 1)
        heard = []
        for number in range(3):
            await ben.send(chat_id, f"{number}, live")
            heard += (await texts(client, 1))[0]
            await sockets.close_all()
            await ben.send(chat_id, f"{number}, missed")
            await client.socket("away")
            heard += (await texts(client, 1))[0]
    assert heard == [f"{number}, {how}" for number in range(3) for how in ("live", "missed")]


async def test_graphql_sse_resumes_with_a_new_token_when_its_own_expires(
    sqlite_server, start, monkeypatch
):
    async with people(sqlite_server.url) as (ana, ben, chat_id):
        here = await cursor_of(ana)
        monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=3))
        async with start("graphql-sse", sqlite_server.url) as client:
            await client.do("subscribe", query=EVENTS, variables={"after": here})
            await client.do("use", accessToken=ana.token)
            await ben.send(chat_id, "before")
            assert (await texts(client, 1))[0] == ["before"]
            while not (await client.socket("connected"))["wasRetry"]:
                pass
            await ben.send(chat_id, "after")
            assert (await texts(client, 1))[0] == ["after"]


async def test_apollo_client_is_told_that_its_token_expired(sqlite_server, start, monkeypatch):
    async with people(sqlite_server.url):
        monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=3))
        async with start("Apollo Client by multipart", sqlite_server.url) as client:
            await client.do("subscribe", query=EVENTS)
            assert (await client.ended())["error"]["code"] == "UNAUTHENTICATED"
