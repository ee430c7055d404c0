"""What the database holds, read around the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from schema.ids import Kind as IdKind
from schema.ids import encode
from tests.faults.history import Logged, Pointers, Stay, Stored

_LOG = """
SELECT c.title AS chat, e.seq, e.kind, coalesce(e.message_seq, 0) AS about,
       coalesce(u.handle, '') AS subject
FROM events e JOIN chats c ON c.id = e.chat_id LEFT JOIN users u ON u.id = e.subject_id
WHERE e.chat_id IS NOT NULL ORDER BY c.title, e.seq
"""
_MESSAGES = """
SELECT c.title AS chat, m.seq, u.handle AS sender, m.client_message_id::text AS key, m.text,
       m.deleted_at IS NOT NULL AS deleted, m.kind = 'system' AS system
FROM messages m JOIN chats c ON c.id = m.chat_id JOIN users u ON u.id = m.sender_id
ORDER BY c.title, m.seq
"""
_STAYS = """
SELECT c.title AS chat, u.handle AS "user", m.joined_seq AS joined,
       m.first_message_seq AS first_message, coalesce(m.left_seq, 0) AS "left"
FROM members m JOIN chats c ON c.id = m.chat_id JOIN users u ON u.id = m.user_id ORDER BY m.id
"""
# What was to be told of pointers is what marks left; sends move them too, and tell that themselves.
_POINTERS = """
SELECT c.title AS chat, u.handle AS "user", m.delivered_seq AS delivered, m.read_seq AS read,
       coalesce(r.delivered_seq, 0) AS told_delivered, coalesce(r.read_seq, 0) AS told_read
FROM members m JOIN chats c ON c.id = m.chat_id JOIN users u ON u.id = m.user_id
LEFT JOIN receipts r ON r.member_id = m.id
WHERE m.left_seq IS NULL
"""
_PERSONAL = """
SELECT u.handle, e.kind, e.subject_id AS session
FROM events e JOIN users u ON u.id = e.user_id WHERE e.id > $1 ORDER BY e.id
"""
_LAST_ID = "SELECT coalesce(max(id), 0) FROM events"
_LAST = "SELECT title AS chat, last_event_seq AS last FROM chats"


async def last_events(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the number of each chat's last event."""
    return {row["chat"]: row["last"] for row in await connection.fetch(_LAST)}


async def whole_log(connection: asyncpg.Connection) -> dict[str, list[Logged]]:
    return _by_chat(await connection.fetch(_LOG), Logged)


async def whole_messages(connection: asyncpg.Connection) -> dict[str, list[Stored]]:
    return _by_chat(await connection.fetch(_MESSAGES), Stored)


async def all_pointers(connection: asyncpg.Connection) -> list[Pointers]:
    return [Pointers(**row) for row in await connection.fetch(_POINTERS)]


async def last_id(connection: asyncpg.Connection) -> int:
    """Return the id of the last row of the log."""
    return int(await connection.fetchval(_LAST_ID))


async def personal_events(
    connection: asyncpg.Connection, after: int
) -> dict[str, list[tuple[str, str]]]:
    """Return what concerned each person alone after a row of the log."""
    result: dict[str, list[tuple[str, str]]] = {}
    for row in await connection.fetch(_PERSONAL, after):
        event = (row["kind"], encode(IdKind.SESSION, row["session"]))
        result.setdefault(row["handle"], []).append(event)
    return result


async def all_stays(connection: asyncpg.Connection) -> list[Stay]:
    return [Stay(**row) for row in await connection.fetch(_STAYS)]


def _by_chat(rows: Sequence[Any], type_: type[Any]) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for row in rows:
        values = dict(row)
        result.setdefault(values.pop("chat"), []).append(type_(**values))
    return result
