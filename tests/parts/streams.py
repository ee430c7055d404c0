"""Subscriptions over HTTP as plain clients read them, so that tests see the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.parts.people import PATIENCE, Person

SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
EVENTS = """
subscription Events($after: Cursor) {
  events(after: $after) { __typename cursor ... on MessageSent { message { text } } }
}
"""


class Stream:
    """One open response, piece by piece; a piece of `None` is a heartbeat."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.multipart = response.headers["content-type"].startswith("multipart/")
        self.ids: list[str] = []  # of the events that have one
        self.remarks: list[str] = []  # comments, as people see them
        self.completed = False
        self._chunks = response.aiter_text()
        self._delimiter = "\r\n--graphql" if self.multipart else "\n\n"
        self._text = ""

    async def piece(self) -> Any:
        """Return what comes next, None for a heartbeat; raises `EOFError` at the end."""
        async with asyncio.timeout(PATIENCE):
            while self._delimiter not in self._text:
                try:
                    self._text += await anext(self._chunks)
                except StopAsyncIteration:
                    self.completed = self.completed or self._text == "--\r\n"
                    raise EOFError from None
        piece, _, self._text = self._text.partition(self._delimiter)
        return self._part(piece) if self.multipart else self._event(piece)

    def _part(self, piece: str) -> Any:
        if not piece:
            return None  # what is before the first part
        headers, _, body = piece.partition("\r\n\r\n")
        assert headers == "\r\ncontent-type: application/json"
        return json.loads(body) or None

    def _event(self, piece: str) -> Any:
        assert "\r" not in piece
        if piece.startswith(":"):
            self.remarks.append(piece.removeprefix(":").strip())
            return None
        fields = dict(line.split(":", 1) for line in piece.split("\n"))
        if "id" in fields:
            self.ids.append(fields["id"].strip())
        self.completed = fields["event"].strip() == "complete"
        return None if self.completed else {"payload": json.loads(fields["data"])}

    async def result(self) -> Any:
        """Return the next result's whole payload."""
        while (piece := await self.piece()) is None:
            pass
        assert "errors" not in piece, piece
        return piece["payload"]

    async def next(self) -> Any:
        """Return the next result of a subscription's only field."""
        payload = await self.result()
        assert "errors" not in payload, payload
        (value,) = payload["data"].values()
        return value

    async def text(self) -> str:
        """Return the text of the next message that was sent."""
        while (event := await self.next())["__typename"] != "MessageSent":
            pass
        text: str = event["message"]["text"]
        return text

    async def rest(self) -> list[Any]:
        """Return everything but heartbeats up to the end, whatever end it is."""
        pieces = []
        with contextlib.suppress(EOFError):
            while True:
                if (piece := await self.piece()) is not None:
                    pieces.append(piece)
        return pieces


@contextlib.asynccontextmanager
async def streaming(
    person: Person,
    accept: str,
    query: str = EVENTS,
    *,
    by_get: bool = False,
    last_event_id: str | None = None,
    **variables: Any,
) -> AsyncIterator[Stream]:
    """Open a stream as a person; it is cut with the block."""
    headers = {"accept": accept}
    if person.token is not None:
        headers["authorization"] = f"Bearer {person.token}"
    if last_event_id is not None:
        headers["last-event-id"] = last_event_id
    request: dict[str, Any] = {"query": query, "variables": variables}
    async with httpx.AsyncClient(base_url=person.url, trust_env=False, timeout=PATIENCE) as http:
        opening = (
            http.stream(
                "GET",
                "/graphql",
                params={"query": query, "variables": json.dumps(variables)},
                headers=headers,
            )
            if by_get
            else http.stream("POST", "/graphql", json=request, headers=headers)
        )
        async with opening as response:
            assert response.status_code == 200, await response.aread()
            yield Stream(response)


async def cursor(person: Person) -> str:
    """Return the place in the log where a person is now."""
    here: str = (await person.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    return here
