"""The limit of what ASGI allows: one frame made per message, `await send` for each subscriber.

No GraphQL, no database, nobody asked who they are. Started as `python -m bench.peers.bare PORT`.
"""

import itertools
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.peers.uvicorn_server import serve

SUBPROTOCOL = "graphql-transport-ws"
# As long as Hubbub's ids.
CHAT_ID = "Y" * 23
MESSAGE_ID = "bQGfJ3aVJnWrIQxJrb1D-wAAA"

Push = Callable[[str, Iterable[Send]], Awaitable[None]]

_subscribers: dict[Send, str] = {}
_sequence = itertools.count(1)


def broadcast(push: Push) -> ASGIApp:
    """Return an application that pushes the text of every message to everybody by `push`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _listen(receive, send)
        else:
            await _publish(receive, send, push)

    return app


async def by_await(text: str, subscribers: Iterable[Send]) -> None:
    """Send a text as ASGI has it."""
    frame = {"type": "websocket.send", "text": text}
    for push in list(subscribers):
        await push(frame)


async def _listen(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL})
    await receive()
    await send({"type": "websocket.send", "text": '{"type":"connection_ack"}'})
    subscription = orjson.loads((await receive())["text"])
    _subscribers[send] = subscription["id"]
    try:
        while (await receive())["type"] != "websocket.disconnect":
            pass
    finally:
        del _subscribers[send]


async def _publish(receive: Receive, send: Send, push: Push) -> None:
    body = b""
    while True:
        part = await receive()
        body += part["body"]
        if not part["more_body"]:
            break
    sent = orjson.loads(body)["variables"]["input"]
    seq = next(_sequence)
    message = {
        "id": f"{MESSAGE_ID}{seq:06}",
        "seq": seq,
        "text": sent["text"],
        "sender": {"displayName": "Person 0"},
    }
    event = {"__typename": "MessageSent", "chat": {"id": CHAT_ID}, "message": message}
    if _subscribers:
        id_ = next(iter(_subscribers.values()))  # all of them subscribed under the same one
        payload = {"data": {"events": event}}
        text = orjson.dumps({"type": "next", "id": id_, "payload": payload}).decode()
        await push(text, _subscribers)
    stored = {"id": message["id"], "seq": seq, "createdAt": datetime.now(UTC).isoformat()}
    answer = orjson.dumps({"data": {"sendMessage": {"message": stored, "errors": []}}})
    headers = [
        (b"content-type", b"application/graphql-response+json"),
        (b"content-length", str(len(answer)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    serve(broadcast(by_await))
