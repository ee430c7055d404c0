"""What one gets by following Strawberry's documentation: its ASGI view, a queue per subscriber.

Messages are kept in memory, so nothing here waits for a database. Started as
`python -m bench.peers.stock_strawberry PORT`.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

import strawberry
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from bench.peers.bare import CHAT_ID, MESSAGE_ID
from bench.peers.uvicorn_server import serve


@strawberry.type
class User:
    id: strawberry.ID
    display_name: str


@strawberry.type
class Chat:
    id: strawberry.ID


@strawberry.type
class Message:
    id: strawberry.ID
    seq: int
    text: str
    created_at: datetime
    sender: User


@strawberry.interface
class Event:
    chat: Chat


@strawberry.type
class MessageSent(Event):
    message: Message


@strawberry.type
class UserError:
    code: str
    message: str


@strawberry.type
class SendMessagePayload:
    message: Message | None
    errors: list[UserError]


@strawberry.input
class SendMessageInput:
    chat_id: strawberry.ID
    text: str
    client_message_id: UUID


_PERSON = User(id=strawberry.ID("person"), display_name="Person 0")
_sequence = itertools.count(1)
_queues: set[asyncio.Queue[Event]] = set()


@strawberry.type
class Query:
    viewer: User | None = None


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def send_message(self, input: SendMessageInput) -> SendMessagePayload:
        seq = next(_sequence)
        message = Message(
            id=strawberry.ID(f"{MESSAGE_ID}{seq:06}"),
            seq=seq,
            text=input.text,
            created_at=datetime.now(UTC),
            sender=_PERSON,
        )
        event = MessageSent(chat=Chat(id=strawberry.ID(CHAT_ID)), message=message)
        for queue in _queues:
            queue.put_nowait(event)
        return SendMessagePayload(message=message, errors=[])


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def events(self) -> AsyncGenerator[Event, None]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        _queues.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            _queues.discard(queue)


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[MessageSent],
    extensions=[ParserCache, ValidationCache],
)
app = GraphQL[None, None](schema, subscription_protocols=[GRAPHQL_TRANSPORT_WS_PROTOCOL])

if __name__ == "__main__":
    serve(app)
