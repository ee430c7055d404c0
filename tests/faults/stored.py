"""What the database holds, read around the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from tests.faults.history import Logged, Stay, Stored

_LOG = """
SELECT c.title AS chat, e.seq, e.kind, coalesce(e.message_seq, 0) AS about,
       coalesce(u.handle, '') AS subject
FROM events e JOIN chats c ON c.id = e.chat_id LEFT JOIN users u ON u.id = e.subject_id
WHERE e.chat_id IS NOT NULL ORDER BY c.title, e.seq
"""
_MESSAGES = """
SELECT c.title AS chat, m.seq, u.handle AS sender, m.client_message_id::text AS key, m.text,
       m.deleted_at IS NOT NULL AS deleted
FROM messages m JOIN chats c ON c.id = m.chat_id JOIN users u ON u.id = m.sender_id
ORDER BY c.title, m.seq
"""
_STAYS = """
SELECT c.title AS chat, u.handle AS "user", m.joined_seq AS joined,
       m.first_message_seq AS first_message, coalesce(m.left_seq, 0) AS "left"
FROM members m JOIN chats c ON c.id = m.chat_id JOIN users u ON u.id = m.user_id ORDER BY m.id
"""
_LAST = "SELECT title AS chat, last_event_seq AS last FROM chats"


async def last_events(connection: asyncpg.Connection) -> dict[str, int]:
    """Return the number of each chat's last event."""
    return {row["chat"]: row["last"] for row in await connection.fetch(_LAST)}


async def whole_log(connection: asyncpg.Connection) -> dict[str, list[Logged]]:
    return _by_chat(await connection.fetch(_LOG), Logged)


async def whole_messages(connection: asyncpg.Connection) -> dict[str, list[Stored]]:
    return _by_chat(await connection.fetch(_MESSAGES), Stored)


async def all_stays(connection: asyncpg.Connection) -> list[Stay]:
    return [Stay(**row) for row in await connection.fetch(_STAYS)]


def _by_chat(rows: Sequence[Any], type_: type[Any]) -> dict[str, list[Any]]:
    result: dict[str, list[Any]] = {}
    for row in rows:
        values = dict(row)
        result.setdefault(values.pop("chat"), []).append(type_(**values))
    return result
