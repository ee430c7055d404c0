"""Asks one operation over each transport, and says in a word what came of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import websockets
from graphql import OperationType, parse
from graphql.language import OperationDefinitionNode

from tests.parts.people import Person, Socket
from tests.parts.streams import SSE, streaming

CLOSED = 4403  # the token is not good (any more)


def begins(document: str) -> OperationType:
    """Return what an operation is."""
    (definition,) = parse(document).definitions
    assert isinstance(definition, OperationDefinitionNode)
    return definition.operation


def refusal(code: str) -> dict[str, Any]:
    return {"errors": [{"extensions": {"code": code}}]}


class OverHttp:
    """`POST`, and for a subscription a stream."""

    name = "HTTP"

    def __init__(self, person: Person) -> None:
        self._person = person

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, person: Person) -> AsyncIterator[OverHttp]:
        yield cls(person)

    async def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the response, of a subscription the first."""
        if begins(document) is not OperationType.SUBSCRIPTION:
            return await self._person.run(document, **variables)
        async with streaming(self._person, SSE, document, **variables) as stream:
            try:
                while (piece := await stream.piece()) is None:
                    pass
            except TimeoutError:
                return {"data": "a subscription that goes on"}
        return dict(piece["payload"])


class OverSocket:
    """One socket, opened before the role comes about."""

    name = "socket"

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._count = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, person: Person) -> AsyncIterator[OverSocket]:
        async with person.socket() as socket:
            yield cls(socket)

    async def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return the response, of a subscription the first; a closed socket is a refusal too."""
        self._count += 1
        id_ = str(self._count)
        try:
            await self._socket.subscribe(id_, document, **variables)
            message = await self._answer(id_)
        except websockets.ConnectionClosed:
            code, _ = await self._socket.closed()
            return refusal("UNAUTHENTICATED" if code == CLOSED else f"CLOSED_{code}")
        except TimeoutError:
            return {"data": "a subscription that goes on"}
        if message["type"] == "error":
            return {"errors": message["payload"]}
        return dict(message["payload"])

    async def _answer(self, id_: str) -> Any:
        while True:  # what belongs to a subscription that was let in is not this one's answer
            message = await self._socket.receive()
            if message.get("id") == id_ and message["type"] in ("next", "error"):
                return message


TRANSPORTS: list[type[OverHttp | OverSocket]] = [OverHttp, OverSocket]


def verdict(answer: dict[str, Any]) -> str:
    """Return the one code with which an answer refuses, `null` for nothing there, else itself."""
    if answer.get("errors"):
        return _one({str(error["extensions"]["code"]) for error in answer["errors"]}, answer)
    data = answer["data"]
    while isinstance(data, dict) and len(data) == 1 and "errors" not in data:
        (data,) = data.values()
    if data is None or (isinstance(data, list) and not any(data)):
        return "null"
    if isinstance(data, dict) and data.get("errors"):
        if any(value for name, value in data.items() if name != "errors"):
            return json.dumps(answer)  # refused, and told something all the same
        return _one({str(error["code"]) for error in data["errors"]}, answer)
    return json.dumps(answer)


def _one(codes: set[str], answer: dict[str, Any]) -> str:
    return codes.pop() if len(codes) == 1 else json.dumps(answer)
