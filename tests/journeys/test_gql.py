"""Python's gql by each of its transports: queries, mutations, refusals, subscriptions."""

import asyncio

import pytest
from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport, HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

from tests.parts.people import until_subscribed

CREATE = """
mutation($t: String!) { createChat(input: {kind: GROUP, title: $t, memberIds: []}) {
  chat { title } errors { code }
} }"""
EVENTS = """
subscription($ids: [ID!]) { events(chatIds: $ids) { ... on MessageSent { message { text } } } }"""
VIEWER = "{ viewer { user { handle } } }"


def header(person):
    return {"authorization": f"Bearer {person.token}"}


def over_http(transport):
    return lambda person: transport(url=f"{person.url}/graphql", headers=header(person))


def over_websockets(transport, **more):
    return lambda person: transport(
        url=person.url.replace("http", "ws") + "/graphql", init_payload=header(person), **more
    )


GRAPHQL_WS = [WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
SOCKETS = {
    "websockets": over_websockets(
        WebsocketsTransport, subprotocols=GRAPHQL_WS, ping_interval=0.05, pong_timeout=10
    ),
    "aiohttp-websockets": over_websockets(
        AIOHTTPWebsocketsTransport, subprotocols=GRAPHQL_WS, ping_interval=0.05, pong_timeout=10
    ),
}
TRANSPORTS = {
    "httpx": over_http(HTTPXAsyncTransport),
    "aiohttp": over_http(AIOHTTPTransport),
    **SOCKETS,
}


@pytest.mark.parametrize("name", TRANSPORTS)
async def test_a_transport_asks_changes_and_tells_what_is_wrong(sqlite_server, name):
    ana = await sqlite_server.registered("ana")
    async with Client(transport=TRANSPORTS[name](ana)) as session:
        who = await session.execute(GraphQLRequest(VIEWER))
        assert who == {"viewer": {"user": {"handle": "ana"}}}
        for title, codes in (("Team", []), ("x" * 129, ["TOO_LONG"])):
            request = GraphQLRequest(CREATE, variable_values={"t": title})
            payload = (await session.execute(request))["createChat"]
            assert [error["code"] for error in payload["errors"]] == codes
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(GraphQLRequest("{ nope }"))
        (error,) = refused.value.errors or []
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert await session.execute(GraphQLRequest(VIEWER)) == who


async def test_a_client_without_a_loop_fetches_the_schema_and_checks_requests_by_it(sqlite_server):
    ana = await sqlite_server.registered("ana")
    transport = over_http(HTTPXTransport)(ana)

    def ask():
        with Client(transport=transport, fetch_schema_from_transport=True) as session:
            assert session.client.schema.get_type("MessageSent") is not None
            return session.execute(GraphQLRequest(VIEWER))

    assert await asyncio.to_thread(ask) == {"viewer": {"user": {"handle": "ana"}}}


@pytest.mark.parametrize("name", SOCKETS)
async def test_subscriptions_share_a_socket_and_one_can_end_before_the_other(sqlite_server, name):
    url = sqlite_server.url
    ana = await sqlite_server.registered("ana")
    chats = [await ana.group("Team"), await ana.group("Club")]
    async with Client(transport=SOCKETS[name](ana)) as session:
        team, club = [
            session.subscribe(GraphQLRequest(EVENTS, variable_values={"ids": [chat_id]}))
            for chat_id in chats
        ]
        first = [asyncio.ensure_future(anext(heard)) for heard in (team, club)]
        await until_subscribed(url, 2)
        for chat_id in chats:
            await ana.send(chat_id, "Hello")
        for event in first:
            assert (await event)["events"]["message"]["text"] == "Hello"
        await team.aclose()
        for chat_id in chats:
            await ana.send(chat_id, "Anybody there?")
        assert (await anext(club))["events"]["message"]["text"] == "Anybody there?"
        await club.aclose()
