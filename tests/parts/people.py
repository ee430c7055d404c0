"""A person's client: plain HTTP and raw `graphql-transport-ws`, so that tests see the wire."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

PASSWORD = "correct horse battery"
PATIENCE = 10.0  # seconds; a test that waits longer has failed

EVENTS = """
subscription Events($chatIds: [ID!]) {
  events(chatIds: $chatIds) {
    __typename seq chat { id title } actor { handle }
    ... on MessageSent { message { id seq text sender { handle } } }
    ... on MessageEdited { message { id seq text } }
    ... on MessageDeleted { messageId messageSeq }
    ... on MemberJoined { membership { user { handle } role } }
    ... on MemberLeft { membership { user { handle } } }
    ... on MemberRoleChanged { membership { user { handle } role } }
  }
}
"""


class Person:
    """Talks to one server, signed in or not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.token: str | None = None
        self.refresh_token = ""
        self.user_id = ""
        self.handle = ""
        # No proxy from the environment may stand between a test and its server.
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)

    async def close(self) -> None:
        """Let go of the connections to the server."""
        await self._http.aclose()

    def come_from(self, address: str) -> None:
        """Send everything over HTTP from an address, as a proxy on this machine tells it."""
        self._http.headers["x-forwarded-for"] = address

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        """Send a GraphQL request as it is and return the HTTP response."""
        if self.token and "authorization" not in headers:
            headers["authorization"] = f"Bearer {self.token}"
        if isinstance(body, (bytes, str)):
            headers.setdefault("content-type", "application/json")
            return await self._http.post("/graphql", content=body, headers=headers)
        return await self._http.post("/graphql", json=body, headers=headers)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self._http.get(path, headers=headers)

    async def ask_by_get(self, request: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a GraphQL request by GET and return the HTTP response."""
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        parameters = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in request.items()
        }
        return await self._http.get("/graphql", params=parameters, headers=headers)

    async def run(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """Run an operation and return its whole response."""
        answer: dict[str, Any] = (await self.post({"query": query, "variables": variables})).json()
        return answer

    async def ask(self, query: str, /, **variables: Any) -> Any:
        """Run a query that has to succeed and return its data."""
        answer = await self.run(query, **variables)
        assert "errors" not in answer, answer
        return answer["data"]

    async def do(self, mutation: str, /, selection: str, **input_: Any) -> Any:
        """Run one mutation by name and return its payload, `errors` included."""
        type_ = mutation[0].upper() + mutation[1:] + "Input"
        data = await self.ask(
            f"mutation Do($input: {type_}!) {{ {mutation}(input: $input) "
            f"{{ {selection} errors {{ __typename code message path }} }} }}",
            input=input_,
        )
        return data[mutation]

    async def done(self, mutation: str, /, selection: str, **input_: Any) -> Any:
        """Run one mutation that has to succeed and return its payload."""
        payload = await self.do(mutation, selection, **input_)
        assert payload["errors"] == [], payload
        return payload

    async def refused(self, mutation: str, /, selection: str, **input_: Any) -> str:
        """Run one mutation that has to be refused and return the code."""
        payload = await self.do(mutation, selection, **input_)
        assert len(payload["errors"]) == 1, payload
        code: str = payload["errors"][0]["code"]
        return code

    # --- the usual steps ----------------------------------------------------------------------

    async def register(self, handle: str, **more: Any) -> Any:
        more = {"password": PASSWORD, "displayName": handle.title(), **more}
        payload = await self.done("register", SIGNED_IN, handle=handle, **more)
        self.take(payload)
        return payload

    async def log_in(self, handle: str, password: str = PASSWORD) -> Any:
        payload = await self.done("logIn", SIGNED_IN, handle=handle, password=password)
        self.take(payload)
        return payload

    def take(self, payload: Any) -> None:
        """Use the tokens of a payload from now on."""
        self.token, self.refresh_token = payload["accessToken"], payload["refreshToken"]
        self.user_id = payload["session"]["user"]["id"]
        self.handle = payload["session"]["user"]["handle"]

    async def group(self, title: str, *others: Person) -> str:
        """Start a group and return its id."""
        payload = await self.done(
            "createChat",
            "chat { id }",
            kind="GROUP",
            title=title,
            memberIds=[other.user_id for other in others],
        )
        chat_id: str = payload["chat"]["id"]
        return chat_id

    async def send(self, chat_id: str, text: str, **more: Any) -> Any:
        """Send a message and return it as stored."""
        more.setdefault("clientMessageId", str(uuid4()))
        payload = await self.done("sendMessage", MESSAGE, chatId=chat_id, text=text, **more)
        return payload["message"]

    # --- sockets ------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def socket(self, *, init: bool = True, **options: Any) -> AsyncIterator[Socket]:
        """Open a socket, signed in as this person unless `init` is false."""
        url = self.url.replace("http", "ws", 1) + "/graphql"
        options.setdefault("subprotocols", ["graphql-transport-ws"])
        # A full queue stops the reading, and then close() waits ten seconds for an answer that it
        # never reads.
        options.setdefault("max_queue", None)
        async with websockets.connect(url, proxy=None, **options) as connection:
            socket = Socket(connection)
            if init:
                payload = {"authorization": f"Bearer {self.token}"} if self.token else {}
                await socket.send(type="connection_init", payload=payload)
                assert (await socket.receive())["type"] == "connection_ack"
            yield socket

    @contextlib.asynccontextmanager
    async def listening(self, *chat_ids: str) -> AsyncIterator[Socket]:
        """Open a socket on which the person's events arrive, from now on for certain."""
        async with self.socket() as socket:
            variables = {"chatIds": list(chat_ids)} if chat_ids else {}
            before = await subscribers(self._http)
            await socket.subscribe("events", EVENTS, **variables)
            await until_subscribed(self.url, before + 1)
            yield socket


async def subscribers(http: httpx.AsyncClient) -> int:
    """Return how many event subscriptions the server says are live."""
    metrics = (await http.get("/metrics")).text
    (line,) = (x for x in metrics.splitlines() if x.startswith("hubbub_event_subscribers "))
    return int(float(line.split()[1]))


async def until_subscribed(url: str, count: int) -> None:
    """Wait until so many event subscriptions are live.

    The protocol acknowledges no subscription, so the server's own count is watched.
    """
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http, asyncio.timeout(PATIENCE):
        while await subscribers(http) < count:
            pass


class Socket:
    """One WebSocket, message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> Any:
        """Return the next message, the server's pings aside."""
        while True:
            async with asyncio.timeout(PATIENCE):
                message = json.loads(await self.connection.recv())
            if message["type"] != "ping":
                return message

    async def subscribe(self, id_: str, query: str, /, **variables: Any) -> None:
        await self.send(id=id_, type="subscribe", payload={"query": query, "variables": variables})

    async def next(self, id_: str = "events") -> Any:
        """Return the next result of a subscription's only field."""
        message = await self.receive()
        assert message["type"] == "next", message
        assert message["id"] == id_, message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        return value

    async def closed(self) -> tuple[int, str]:
        """Wait for the server to close the socket and return the code and the reason."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(websockets.ConnectionClosedError):
                async for _ in self.connection:  # what still comes has to be taken off the wire
                    pass
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""


SIGNED_IN = "session { id user { id handle } } accessToken refreshToken expiresIn"
MESSAGE = "message { id seq text createdAt editedAt deletedAt clientMessageId }"
