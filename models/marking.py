"""A batch's marks, on either database: pointers move forward, and what moved leaves a receipt."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import columns, moment_to_sqlite, sqlite_reader
from models.chats import Chat, chats
from models.sending import Mark, Outcome, Verdict

_COLUMNS = columns(chats, Chat)
_CHAT = ", ".join(f"chats.{column.name}" for column in _COLUMNS)
_chat = sqlite_reader(_COLUMNS)

# Several marks of one person in one chat move the pointers once, to the furthest. What is counted
# are mentions that the pointer passes, if there are any; those that stay are not looked at.
_ON_POSTGRESQL = sa.text(
    f"""
    WITH batch AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:chat_ids AS uuid[]), CAST(:user_ids AS uuid[]),
            CAST(:delivered AS bigint[]), CAST(:read AS bigint[])
        ) WITH ORDINALITY AS row (chat_id, user_id, delivered, read, n)
    ),
    stay AS MATERIALIZED (
        SELECT batch.n, batch.delivered, batch.read, found.* FROM batch CROSS JOIN LATERAL (
            SELECT members.id AS stay_id, {_CHAT}
            FROM members JOIN chats ON chats.id = members.chat_id
            WHERE user_id = batch.user_id AND chat_id = batch.chat_id AND left_seq IS NULL
            OFFSET 0
        ) AS found
    ),
    moved AS (
        UPDATE members SET delivered_seq = greatest(members.delivered_seq, furthest.delivered),
                           read_seq = greatest(members.read_seq, furthest.read),
                           unread_mentions = CASE
            WHEN members.unread_mentions = 0 OR furthest.read >= furthest.newest THEN 0
            ELSE members.unread_mentions - (
                SELECT count(*) FROM mentions
                WHERE mentions.user_id = members.user_id AND mentions.chat_id = members.chat_id
                  AND message_seq > members.read_seq AND message_seq <= furthest.read AND counted
            ) END
        FROM (
            SELECT stay_id, max(least(delivered, last_message_seq)) AS delivered,
                   max(least(read, last_message_seq)) AS read, max(last_message_seq) AS newest
            FROM stay GROUP BY stay_id
        ) AS furthest
        WHERE members.id = furthest.stay_id
          AND members.id = ANY (ARRAY(SELECT stay_id FROM stay))
          AND (members.delivered_seq < furthest.delivered OR members.read_seq < furthest.read)
        RETURNING members.id, chat_id, user_id, members.delivered_seq, members.read_seq
    ),
    told AS (
        INSERT INTO receipts (member_id, chat_id, user_id, delivered_seq, read_seq, xid, moved_at)
        SELECT moved.*, pg_current_xact_id(), clock_timestamp() FROM moved
        ON CONFLICT (member_id) DO UPDATE SET
            delivered_seq = excluded.delivered_seq, read_seq = excluded.read_seq,
            xid = excluded.xid, moved_at = excluded.moved_at
    )
    SELECT {_CHAT} FROM batch LEFT JOIN stay AS chats USING (n) ORDER BY n
    """  # noqa: S608 - what is put in are constants
).columns(*_COLUMNS)


async def mark_on_postgresql(connection: AsyncConnection, marks: Sequence[Mark]) -> list[Outcome]:
    """Move pointers in locked chats, and return what became of each mark."""
    rows = await connection.execute(
        _ON_POSTGRESQL,
        {
            "chat_ids": [mark.chat_id for mark in marks],
            "user_ids": [mark.user_id for mark in marks],
            "delivered": [mark.delivered_seq for mark in marks],
            "read": [mark.read_seq for mark in marks],
        },
    )
    return [
        Outcome(Verdict.NO_CHAT) if row.id is None else Outcome(Verdict.MARKED, chat=Chat(*row))
        for row in rows
    ]


_CHAT_OF = f"""
SELECT {_CHAT}
FROM members JOIN chats ON chats.id = members.chat_id
WHERE members.user_id = ? AND members.chat_id = ? AND members.left_seq IS NULL
"""  # noqa: S608 - what is put in are names of columns
_MARK = """
UPDATE members SET
    delivered_seq = max(delivered_seq, :delivered), read_seq = max(read_seq, :read),
    unread_mentions = CASE
        WHEN unread_mentions = 0 OR :read >= :newest THEN 0
        ELSE unread_mentions - (
            SELECT count(*) FROM mentions
            WHERE mentions.user_id = members.user_id AND mentions.chat_id = members.chat_id
              AND message_seq > members.read_seq AND message_seq <= :read AND counted
        ) END
WHERE user_id = :user_id AND chat_id = :chat_id AND left_seq IS NULL
  AND (delivered_seq < :delivered OR read_seq < :read)
RETURNING id, chat_id, user_id, delivered_seq, read_seq
"""
_BATCH_OF_RECEIPTS = "UPDATE log_state SET receipts = receipts + 1 RETURNING receipts"
_RECEIPT = """
INSERT INTO receipts (member_id, chat_id, user_id, delivered_seq, read_seq, xid, moved_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (member_id) DO UPDATE SET
    delivered_seq = excluded.delivered_seq, read_seq = excluded.read_seq,
    xid = excluded.xid, moved_at = excluded.moved_at
"""


def mark_on_sqlite(connection: sqlite3.Connection, marks: Sequence[Mark]) -> list[Outcome]:
    """Move pointers inside the batch's transaction, and note the moved ones under its number."""
    outcomes = []
    moved: dict[str, tuple[object, ...]] = {}  # by stay: the last of several is the furthest
    for mark in marks:
        who = (mark.user_id.hex, mark.chat_id.hex)
        row = connection.execute(_CHAT_OF, who).fetchone()
        if row is None:
            outcomes.append(Outcome(Verdict.NO_CHAT))
            continue
        chat = Chat(*_chat(row))
        newest = chat.last_message_seq
        values = {
            "delivered": min(mark.delivered_seq, newest),
            "read": min(mark.read_seq, newest),
            "newest": newest,
            "user_id": who[0],
            "chat_id": who[1],
        }
        stay = connection.execute(_MARK, values).fetchone()
        if stay is not None:
            moved[stay[0]] = stay
        outcomes.append(Outcome(Verdict.MARKED, chat=chat))
    if moved:
        (number,) = connection.execute(_BATCH_OF_RECEIPTS).fetchone()
        now = moment_to_sqlite(datetime.now(UTC))
        connection.executemany(_RECEIPT, [(*stay, number, now) for stay in moved.values()])
    return outcomes
