"""The journey of the first release: Python and Node, over the installed command, on both databases.

Two independent client libraries register, make a chat, send, and hear each other live.
"""

import asyncio
from uuid import uuid4

import pytest
from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.parts.clients import NodeClient, Refused
from tests.parts.people import PASSWORD, until_subscribed

REGISTER = """
mutation($input: RegisterInput!) { register(input: $input) {
  accessToken session { user { id } } errors { code }
} }"""
CREATE_CHAT = """
mutation($input: CreateChatInput!) { createChat(input: $input) {
  chat { id } errors { code }
} }"""
SEND = """
mutation($input: SendMessageInput!) { sendMessage(input: $input) {
  message { id seq } errors { code }
} }"""
EVENTS = """
subscription { events {
  __typename chat { id } ... on MessageSent { message { text sender { handle } } }
} }"""


@pytest.mark.timeout(120)
async def test_a_python_client_and_apollo_client_talk_to_each_other_live(
    hubbub, migrated_database_url, node, clients
):
    server = await asyncio.to_thread(
        hubbub,
        "serve",
        HUBBUB_DATABASE_URL=migrated_database_url,
        HUBBUB_PASSWORD_MEMORY_KIB="8192",
    )
    async with NodeClient.running(node, clients / "apollo.mjs", server.url) as apollo:
        ana = await register(server.url, "ana")
        ben_id = (await apollo.do("register", handle="ben", password=PASSWORD, displayName="Ben"))[
            "userId"
        ]
        await apollo.do("subscribe")
        transport = WebsocketsTransport(
            url=server.url.replace("http", "ws") + "/graphql",
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            init_payload={"authorization": f"Bearer {ana}"},
        )
        async with Client(transport=transport) as session:
            heard = session.subscribe(gql(EVENTS))
            first = asyncio.ensure_future(anext(heard))
            await until_subscribed(server.url, 2)
            # Ana's client starts the chat, and sends over the same socket that she listens on.
            group = {"kind": "GROUP", "title": "Two languages", "memberIds": [ben_id]}
            created = await session.execute(request(CREATE_CHAT, group))
            chat_id = created["createChat"]["chat"]["id"]
            assert (await first)["events"]["__typename"] == "ChatCreated"
            assert (await apollo.event())["chat"]["id"] == chat_id
            given = {"chatId": chat_id, "text": "From Python", "clientMessageId": str(uuid4())}
            sent = await session.execute(request(SEND, given))
            assert sent["sendMessage"] == {
                "message": {"id": sent["sendMessage"]["message"]["id"], "seq": 1},
                "errors": [],
            }
            assert (await apollo.event())["message"]["text"] == "From Python"
            assert (await anext(heard))["events"]["message"]["sender"] == {"handle": "ana"}
            await apollo.do("send", chatId=chat_id, text="From Apollo Client")
            assert (await anext(heard))["events"]["message"] == {
                "text": "From Apollo Client",
                "sender": {"handle": "ben"},
            }
            await heard.aclose()


def request(query, input_):
    """Return a gql request with one input."""
    made = gql(query)
    made.variable_values = {"input": input_}
    return made


async def register(url, handle):
    """Register over HTTP with gql and return the access token."""
    async with Client(transport=HTTPXAsyncTransport(url=f"{url}/graphql")) as session:
        given = {"handle": handle, "password": PASSWORD, "displayName": handle.title()}
        payload = (await session.execute(request(REGISTER, given)))["register"]
    assert payload["errors"] == []
    return payload["accessToken"]


@pytest.mark.timeout(120)
async def test_apollo_client_gets_refusals_as_data_and_being_signed_out_as_an_error(
    hubbub, node, clients
):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    async with NodeClient.running(node, clients / "apollo.mjs", server.url) as apollo:
        with pytest.raises(Refused) as signed_out:
            await apollo.do("query", query='{ user(handle: "ana") { id } }')
        assert signed_out.value.code == "UNAUTHENTICATED"
        await apollo.do("register", handle="ana", password=PASSWORD, displayName="Ana")
        with pytest.raises(Refused) as taken:
            await apollo.do("register", handle="ana", password=PASSWORD, displayName="Ana")
        assert taken.value.code == "HANDLE_TAKEN"
        data = await apollo.do("query", query="{ viewer { unreadCount } }")
        assert data["viewer"]["unreadCount"] == 0


@pytest.mark.timeout(120)
async def test_the_graphql_ws_client_comes_back_by_itself_when_the_server_restarts(
    hubbub, node, clients
):
    server = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    async with NodeClient.running(node, clients / "graphql-ws.mjs", server.url) as client:
        await client.do("register", handle="ana", password=PASSWORD, displayName="Ana")
        await client.do("subscribe")
        await until_subscribed(server.url, 1)
        assert await asyncio.to_thread(server.stop) == 0
        closed = await client.socket("closed")
        assert closed["code"] == 1012
        server.start()
        await asyncio.to_thread(server.wait_ready)
        await until_subscribed(server.url, 1)
        chat = await client.do("createChat", kind="GROUP", title="Back again", memberIds=[])
        assert (await client.event())["chat"]["id"] == chat["id"]
