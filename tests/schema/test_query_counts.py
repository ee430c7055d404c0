"""One statement per relation, however many rows there are."""

import asyncio
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from models import events as log_table
from models import log_state
from models.database import Database
from realtime.loading import load
from tests.parts.roles import join_link, join_request

QUERY = """
query($first: Int!) { viewer {
  unreadCount
  chats(first: $first) { nodes {
    title memberCount
    lastMessage { text sender { displayName } chat { title } }
    viewerMembership { unreadCount }
    members(first: 5) { nodes { role user { handle } } }
    messages(last: 5) { nodes { text sender { handle } replyTo { text sender { handle } } } }
  } }
} }
"""


# What the tailer, the registry and the watch over sessions send by themselves.
OWN = ("events.id > ", "pg_snapshot", "log_state", "node_leases", "SELECT id FROM sessions")


@contextmanager
def statements(db):
    """Collect the statements that a database gets, the node's own now and then aside."""
    seen: list[str] = []

    def note(connection, cursor, statement, *_):
        polling = any(part in statement for part in OWN)
        if not statement.startswith("BEGIN") and not polling:
            seen.append(statement)

    engine = db.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.mark.timeout(120)
async def test_fifty_chats_take_no_more_statements_than_one(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    for number in range(50):
        chat_id = await ana.group(f"Chat {number}", ben)
        asked = await ben.send(chat_id, "Question?")
        await ana.send(chat_id, "Answer", replyToId=asked["id"])
    # The tailer loads what is new in the log with statements of its own: let it finish first.
    up_to_date = asyncio.Event()
    server.program.services.node.tailer.at_boundary(up_to_date.set)
    await up_to_date.wait()

    async def count(first):
        with statements(server.program.services.db) as seen:
            data = await ana.ask(QUERY, first=first)
        nodes = data["viewer"]["chats"]["nodes"]
        assert len(nodes) == first
        for chat in nodes:
            replies = [message["replyTo"] for message in chat["messages"]["nodes"]]
            assert replies == [None, {"text": "Question?", "sender": {"handle": "ben"}}]
            assert chat["lastMessage"]["text"] == "Answer"
            assert len(chat["members"]["nodes"]) == 2
        return len(seen)

    # One for each relation that the query names, the session and the viewer. Relations of several
    # levels may or may not meet in one batch, so fewer is possible.
    assert await count(1) <= 16
    assert await count(50) <= 16


ORDER = """
query($first: Int!) { viewer { chats(first: $first) { nodes {
  joinLinks { uses createdBy { handle viewerBlocks } }
  joinRequests { nodes { chatTitle user { handle } } }
  bans { nodes { user { handle } bannedBy { handle } } }
  wordFilters { pattern }
  auditLog(first: 2) { nodes { act actor { handle } subject { handle } } }
} } } }
"""


@pytest.mark.timeout(120)
async def test_the_order_of_twenty_chats_takes_no_more_statements_than_that_of_one(server):
    ana, ben, cleo = [await server.registered(name) for name in ("ana", "ben", "cleo")]
    for number in range(20):
        chat_id = await ana.group(f"Chat {number}", ben)
        _, token = await join_link(ana, chat_id, requiresApproval=True)
        await join_request(cleo, token)
        await ana.done("banMember", "", chatId=chat_id, userId=ben.user_id)
        filters = [{"pattern": "word"}]
        await ana.done("setWordFilters", "", chatId=chat_id, filters=filters)
    up_to_date = asyncio.Event()
    server.program.services.node.tailer.at_boundary(up_to_date.set)
    await up_to_date.wait()

    async def count(first):
        with statements(server.program.services.db) as seen:
            data = await ana.ask(ORDER, first=first)
        nodes = data["viewer"]["chats"]["nodes"]
        assert len(nodes) == first
        for chat in nodes:
            assert chat["joinRequests"]["nodes"][0]["user"] == {"handle": "cleo"}
            assert chat["bans"]["nodes"][0]["user"] == {"handle": "ben"}
            assert chat["wordFilters"] == [{"pattern": "word"}]
            acts = [each["act"] for each in chat["auditLog"]["nodes"]]
            assert acts == ["WORD_FILTERS_SET", "MEMBER_BANNED"]
        return len(seen)

    one = await count(1)
    assert await count(20) <= one


@pytest.mark.timeout(120)
async def test_fifty_events_are_loaded_in_as_many_statements_as_one(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    db = Database(server.settings.database_url)  # of our own: the tailer reads through the other
    try:
        async with db.reading() as connection:
            start = (await log_state.present(connection)).position
        for number in range(50):
            await ana.send(chat_id, str(number))

        async def count(limit):
            async with db.reading() as connection:
                batch = await log_table.since(connection, start)
                with statements(db) as seen:
                    assert len(await load(connection, batch.events[:limit])) == limit
            return len(seen)

        assert await count(1) == await count(50)
    finally:
        await db.close()
