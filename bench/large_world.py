"""Fill a database with a chat of many messages and members, and give one person many chats.

Rows are made inside the database: a million sends would take as long as everything else. What is
made is what sends would have left, the log included.
"""

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bench import databases
from bench.databases import Cast
from models import search
from models.database import Database
from models.messages import messages
from models.search import Text, search_entries
from models.terms import Terms

# A word of every message in the large chat, of half of all, and of few: as many in a small world as
# in a large one.
EVERYWHERE, OFTEN, SELDOM = "everywhere", "often", "seldom"
SELDOM_FOUND = 25  # messages of the large chat
WORDS = 5000  # others, of which each message has six
OF_EACH = 3  # messages in each of the other chats
SENDERS = 20  # members of the large chat who have written


@dataclass(frozen=True, slots=True)
class Size:
    """How large a world is."""

    name: str
    messages: int  # in the large chat
    members: int
    chats: int  # of the one person, besides


# Nobody is signed in as these: they only are there.
_PEOPLE = """
    INSERT INTO users (id, handle, display_name, created_at)
    SELECT gen_random_uuid(), 'crowd_' || n, 'Crowd ' || n, now()
    FROM generate_series(1, :members - 2) AS n
"""
_MEMBERS = """
    INSERT INTO members (id, chat_id, user_id, role, joined_at, joined_seq, first_message_seq,
                         read_seq)
    SELECT gen_random_uuid(), :chat_id, id, 'member', now(), 1, 1, :messages
    FROM users WHERE handle LIKE 'crowd\\_%'
"""
_MESSAGES = """
    WITH sender AS MATERIALIZED (
        SELECT array_agg(user_id) AS ids
        FROM (SELECT user_id FROM members WHERE chat_id = :chat_id LIMIT {senders}) AS few
    )
    INSERT INTO messages (chat_id, seq, sender_id, text, client_message_id, content_hash,
                          created_at)
    SELECT :chat_id, n, ids[1 + n % array_length(ids, 1)],
           '{everywhere}' || CASE WHEN n % 2 = 0 THEN ' {often}' ELSE '' END
               || CASE WHEN n % (:messages / {found}) = 0 THEN ' {seldom}' ELSE '' END
               || (SELECT string_agg(' word' || (n * 7919 + k * 104729 * n) % {words}, '')
                   FROM generate_series(1, 6) AS k),
           gen_random_uuid(), decode('00', 'hex'),
           now() - make_interval(secs => 10 * (:messages - n))
    FROM generate_series(1, :messages) AS n, sender
"""
_EVENTS = """
    INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, xid, created_at)
    SELECT chat_id, :before + seq, 'message_sent', sender_id, seq, pg_current_xact_id(), created_at
    FROM messages WHERE chat_id = :chat_id ORDER BY seq
"""
_COUNTS = """
    UPDATE chats SET last_message_seq = :messages, last_event_seq = :before + :messages,
                     member_count = :members, last_activity_at = now()
    WHERE id = :chat_id
"""
_CHATS = """
    INSERT INTO chats (id, kind, title, created_by, created_at, last_activity_at, member_count,
                       last_message_seq, last_event_seq)
    SELECT gen_random_uuid(), 'group', 'Chat ' || n, :owner_id, now(),
           now() - make_interval(secs => n), 2, {of_each}, 1 + {of_each}
    FROM generate_series(1, :chats) AS n
"""
_CHAT_MEMBERS = """
    INSERT INTO members (id, chat_id, user_id, role, joined_at, joined_seq, first_message_seq,
                         read_seq)
    SELECT gen_random_uuid(), chats.id, who.id, who.role, now(), 1, 1, who.read
    FROM chats, (VALUES (CAST(:owner_id AS uuid), 'owner', {of_each}),
                        (CAST(:person_id AS uuid), 'member', 1)) AS who (id, role, read)
    WHERE chats.id <> :chat_id
"""
_CHAT_MESSAGES = """
    INSERT INTO messages (chat_id, seq, sender_id, text, client_message_id, content_hash,
                          created_at)
    SELECT chats.id, n, :owner_id,
           'Said in a small chat, number ' || n
               || CASE WHEN random() < 0.5 THEN ' {often}' ELSE '' END,
           gen_random_uuid(), decode('00', 'hex'), last_activity_at
    FROM chats, generate_series(1, {of_each}) AS n WHERE chats.id <> :chat_id
"""
_CHAT_EVENTS = """
    INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, xid, created_at)
    SELECT messages.chat_id, seq + 1, 'message_sent', sender_id, seq, pg_current_xact_id(),
           messages.created_at
    FROM messages WHERE messages.chat_id <> :chat_id ORDER BY messages.chat_id, seq
"""
_STEPS = (
    _PEOPLE,
    _MEMBERS,
    _MESSAGES,
    _EVENTS,
    _COUNTS,
    _CHATS,
    _CHAT_MEMBERS,
    _CHAT_MESSAGES,
    _CHAT_EVENTS,
)


# In the order in which sends would have made their entries.
_TEXTS = sa.select(
    messages.c.chat_id, messages.c.seq, messages.c.sender_id, messages.c.text
).order_by(messages.c.created_at, messages.c.chat_id, messages.c.seq)
AT_ONCE = 5000  # texts that are indexed in one transaction


async def fill(url: str, directory: Path, size: Size) -> Cast:
    """Fill an empty PostgreSQL database; the second person is who has all these chats."""
    cast = await databases.fill(url, directory, people=2, chat_count=1)
    owner, person = [each.viewer.user_id for each in cast.people]
    (chat_id,) = cast.chat_ids
    db = Database(url)
    try:
        async with db.engine.connect() as connection:
            for setting in ("synchronous_commit = off", "statement_timeout = 0"):
                await connection.execute(sa.text(f"SET {setting}"))
            await connection.commit()
            for step in _STEPS:
                sql = step.format(
                    senders=SENDERS,
                    everywhere=EVERYWHERE,
                    often=OFTEN,
                    seldom=SELDOM,
                    found=SELDOM_FOUND,
                    words=WORDS,
                    of_each=OF_EACH,
                )
                values = {
                    "chat_id": chat_id,
                    "owner_id": owner,
                    "person_id": person,
                    "messages": size.messages,
                    "members": size.members,
                    "chats": size.chats,
                    "before": 1,  # the event that tells of the chat itself
                }
                needed = {name: value for name, value in values.items() if f":{name}" in sql}
                typed = [
                    sa.bindparam(name, type_=sa.Uuid if name.endswith("_id") else sa.BigInteger)
                    for name in needed
                ]
                async with connection.begin():
                    await connection.execute(sa.text(sql).bindparams(*typed), needed)
            await _index(db, connection)
    finally:
        await db.close()
    return cast


async def _index(db: Database, connection: AsyncConnection) -> None:
    """Make the entries by which messages are found, and their index at the end, at once."""
    terms = Terms()
    async with connection.begin():
        await connection.execute(sa.text("DROP INDEX ix_search_entries_words"))
    async with db.engine.connect() as reader:
        await reader.execute(sa.text("SET statement_timeout = 0"))
        rows = await reader.stream(_TEXTS)
        async for page in rows.partitions(AT_ONCE):
            async with connection.begin():
                await search.add(connection, terms, [Text(*row) for row in page])
    async with connection.begin():
        await connection.execute(sa.text("SET maintenance_work_mem = '512MB'"))
        (index,) = (each for each in search_entries.indexes if "words" in each.columns)
        await connection.run_sync(index.create)
