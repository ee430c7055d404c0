"""A reply whose time is over is told to those who read its thread."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from models.messages import messages
from resolvers.expiry import expire_due
from resolvers.services import utc_now

THREAD_EVENTS = """subscription ($id: ID!, $after: Cursor) {
    threadEvents(threadId: $id, after: $after) {
        __typename ... on MessageExpired { messageId messageSeq threadId }
    } }"""


async def test_a_threads_readers_hear_that_a_reply_has_expired(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    root = await ana.send(chat_id, "Root")
    reply = await ana.send(chat_id, "Reply", threadId=root["id"], expiresInSeconds=60)
    await ana.send(chat_id, "Elsewhere", expiresInSeconds=60)
    thread = await ana.ask(
        "query ($id: ID!) { viewer { cursor } node(id: $id) { ... on Message { threadId } } }",
        id=reply["id"],
    )
    services = server.program.services
    async with services.db.writing() as connection:
        await connection.execute(
            sa.update(messages)
            .where(messages.c.expires_at.is_not(None))
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    assert await expire_due(services) == 2
    async with ana.socket() as socket:
        await socket.subscribe(
            "events", THREAD_EVENTS, id=root["id"], after=thread["viewer"]["cursor"]
        )
        assert await socket.next() == {
            "__typename": "MessageExpired",
            "messageId": reply["id"],
            "messageSeq": reply["seq"],
            "threadId": thread["node"]["threadId"],
        }
