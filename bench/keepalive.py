"""HTTP/1.1 for measuring: requests made beforehand, answers taken apart with little work."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import orjson

SEND_MESSAGE = """
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) {
    message { id seq createdAt }
    errors { code message }
  }
}
"""


class Failed(Exception):
    """The server answered something else than what was measured."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, and how many bytes of the stream it took."""

    status: int
    body: bytes
    size: int


def send_request(token: str, chat_id: str, text: str, client_message_id: str) -> bytes:
    """Return the request that sends a message, as it goes over the wire."""
    variables = {
        "input": {"chatId": chat_id, "text": text, "clientMessageId": client_message_id},
    }
    body = orjson.dumps({"query": SEND_MESSAGE, "operationName": "Send", "variables": variables})
    head = (
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\n"
        "content-type: application/json\r\naccept: application/graphql-response+json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def parse(received: bytes | bytearray) -> Answer | None:
    """Return the first answer in a stream, None while it is incomplete."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    status = int(head.split(maxsplit=2)[1])
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if not found:
        if b"\r\ntransfer-encoding: chunked" not in head:
            raise Failed(f"no content-length in {head!r}")
        return _chunked(status, received, end + 4)
    size = end + 4 + int(rest.partition(b"\r\n")[0])
    if len(received) < size:
        return None
    return Answer(status, bytes(received[end + 4 : size]), size)


def _chunked(status: int, received: bytes | bytearray, start: int) -> Answer | None:
    """Return an answer whose body comes in chunks (RFC 9112 §7.1), without trailers."""
    body = b""
    while (line := received.find(b"\r\n", start)) >= 0:
        size = int(received[start:line].partition(b";")[0], 16)
        start = line + 2 + size + 2
        if len(received) < start:
            break
        if not size:
            return Answer(status, body, start)
        body += received[line + 2 : start - 2]
    return None


def stored(answer: Answer) -> dict[str, Any]:
    """Return the message that an answer to `SEND_MESSAGE` acknowledges; raises `Failed`."""
    message = None
    if answer.status == 200:
        payload = orjson.loads(answer.body)
        if "errors" not in payload and not payload["data"]["sendMessage"]["errors"]:
            message = payload["data"]["sendMessage"]["message"]
    if not isinstance(message, dict):
        raise Failed(f"{answer.status}: {answer.body[:500]!r}")
    return message


class Connection(asyncio.Protocol):
    """One connection that is kept alive, with one request under way at a time.

    Servers end one that was idle for some seconds; the next request then opens another.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[Answer] | None = None

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and return its answer."""
        if self._transport is None:
            self._received.clear()
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._waiting = asyncio.get_running_loop().create_future()
        cast("asyncio.Transport", self._transport).write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        answer = parse(self._received)
        if answer is not None and self._waiting is not None and not self._waiting.done():
            del self._received[: answer.size]
            self._waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Failed(f"the server hung up: {exc}"))
