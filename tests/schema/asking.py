"""Asks the same over HTTP and over a socket: limits hold on every transport."""

from __future__ import annotations

from typing import Any

from tests.parts.people import Person

TRANSPORTS = ("post", "get", "socket")


async def answer(person: Person, transport: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the response to a request; what a socket refuses looks as it does over HTTP."""
    if transport == "post":
        return dict((await person.post(request)).json())
    if transport == "get":
        return dict((await person.ask_by_get(request)).json())
    async with person.socket() as socket:
        await socket.send(id="1", type="subscribe", payload=request)
        message = await socket.receive()
    payload = message["payload"]
    return {"errors": payload} if message["type"] == "error" else payload


async def refused(person: Person, transport: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the only error of a request that must not run."""
    answered = await answer(person, transport, request)
    assert "data" not in answered, answered
    (error,) = answered["errors"]
    return dict(error)
