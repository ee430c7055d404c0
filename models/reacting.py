"""A batch's reactions, on either database: who may, what is there, the change and its event."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import columns, moment_to_sqlite, sqlite_reader
from models.events import EventKind
from models.messages import Message, messages
from models.reactions import MAX_KINDS
from models.sending import Outcome, Reaction, Verdict

_CHANGED = EventKind.REACTIONS_CHANGED.value
_COLUMNS = columns(messages, Message)
_MESSAGE = ", ".join(column.name for column in _COLUMNS)
_message = sqlite_reader(_COLUMNS)

# The limit counts what is there and what earlier rows of the batch bring along.
_ON_POSTGRESQL = sa.text(
    f"""
    WITH batch AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:chat_ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:user_ids AS uuid[]),
            CAST(:emojis AS text[]), CAST(:wanted AS boolean[])
        ) WITH ORDINALITY AS row (of_chat, of_seq, user_id, emoji, wanted, n)
    ),
    now AS MATERIALIZED (SELECT clock_timestamp() AS moment),
    stay AS MATERIALIZED (
        SELECT batch.n, found.*,
               CASE WHEN NOT wanted THEN NULL
                    WHEN silenced_until > moment THEN '{Verdict.SILENCED}'
                    WHEN reaction_set IS NULL OR CAST(reaction_set AS jsonb) ? emoji THEN NULL
                    ELSE '{Verdict.NOT_IN_SET}' END AS refusal
        FROM batch CROSS JOIN now CROSS JOIN LATERAL (
            SELECT first_message_seq, silenced_until, reaction_set
            FROM members JOIN chats ON chats.id = members.chat_id
            WHERE user_id = batch.user_id AND chat_id = batch.of_chat AND left_seq IS NULL
            OFFSET 0
        ) AS found
    ),
    target AS MATERIALIZED (
        SELECT batch.n, batch.user_id, batch.emoji, batch.wanted, stay.refusal, found.*,
               -- Counted: for EXISTS the planner would also think of reading the whole table.
               (
                   SELECT count(*) FROM reactions AS r
                   WHERE r.chat_id = found.chat_id AND r.message_seq = found.seq
                     AND r.user_id = batch.user_id AND r.emoji = batch.emoji
               ) > 0 AS there
        FROM batch JOIN stay USING (n) CROSS JOIN now CROSS JOIN LATERAL (
            SELECT {_MESSAGE} FROM messages
            WHERE chat_id = batch.of_chat AND seq = batch.of_seq AND deleted_at IS NULL
              AND (expires_at IS NULL OR expires_at > (SELECT moment FROM now))
            OFFSET 0
        ) AS found
        WHERE found.seq >= stay.first_message_seq
    ),
    kinds AS MATERIALIZED (
        SELECT target.n,
               (SELECT count(DISTINCT emoji) FROM reactions AS r
                WHERE r.chat_id = target.chat_id AND r.message_seq = target.seq)
               + dense_rank() OVER (PARTITION BY chat_id, seq ORDER BY emoji) AS number
        FROM target
        WHERE wanted AND refusal IS NULL AND NOT EXISTS (
            SELECT FROM reactions AS r
            WHERE r.chat_id = target.chat_id AND r.message_seq = target.seq
              AND r.emoji = target.emoji
        )
    ),
    changed AS MATERIALIZED (
        SELECT target.*, row_number() OVER (PARTITION BY chat_id ORDER BY n) AS place
        FROM target
        WHERE wanted <> there AND refusal IS NULL
          AND NOT EXISTS (SELECT FROM kinds WHERE kinds.n = target.n AND number > {MAX_KINDS})
    ),
    added AS (
        INSERT INTO reactions (chat_id, message_seq, user_id, emoji, created_at)
        SELECT chat_id, seq, user_id, emoji, moment FROM changed, now WHERE wanted
    ),
    removed AS (
        DELETE FROM reactions AS r USING changed
        WHERE NOT changed.wanted
          AND r.chat_id = changed.chat_id AND r.message_seq = changed.seq
          AND r.user_id = changed.user_id AND r.emoji = changed.emoji
    ),
    advanced AS (
        UPDATE chats SET last_event_seq = last_event_seq + share.size
        FROM (SELECT chat_id, count(*) AS size FROM changed GROUP BY chat_id) AS share
        WHERE chats.id = share.chat_id AND chats.id = ANY (ARRAY(SELECT chat_id FROM changed))
        RETURNING chats.id AS chat_id, last_event_seq - share.size AS events_before
    ),
    logged AS (
        INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, xid, created_at)
        SELECT chat_id, events_before + place, '{_CHANGED}', user_id, seq, pg_current_xact_id(),
               moment
        FROM changed JOIN advanced USING (chat_id), now ORDER BY n
    )
    SELECT CASE WHEN stay.n IS NULL THEN '{Verdict.NO_CHAT}'
                WHEN target.n IS NULL THEN '{Verdict.NO_MESSAGE}'
                WHEN target.there = target.wanted THEN '{Verdict.REACTED}'
                WHEN target.refusal IS NOT NULL THEN target.refusal
                WHEN changed.n IS NULL THEN '{Verdict.TOO_MANY}'
                ELSE '{Verdict.REACTED}' END AS verdict,
           {", ".join(f"target.{column.name}" for column in _COLUMNS)}
    FROM batch LEFT JOIN stay USING (n)
    LEFT JOIN target USING (n) LEFT JOIN (SELECT n FROM changed) AS changed USING (n)
    ORDER BY n
    """  # noqa: S608 - what is put in are constants
).columns(sa.column("verdict", sa.String), *_COLUMNS)


async def react_on_postgresql(
    connection: AsyncConnection, batch: Sequence[Reaction]
) -> list[Outcome]:
    """Carry out the reactions of a batch whose chats are locked; returns what became of each."""
    rows = await connection.execute(
        _ON_POSTGRESQL,
        {
            "chat_ids": [reaction.chat_id for reaction in batch],
            "seqs": [reaction.message_seq for reaction in batch],
            "user_ids": [reaction.user_id for reaction in batch],
            "emojis": [reaction.emoji for reaction in batch],
            "wanted": [reaction.wanted for reaction in batch],
        },
    )
    return [
        Outcome(Verdict(verdict), Message(*message) if verdict == Verdict.REACTED else None)
        for verdict, *message in rows
    ]


_STAY = """
SELECT members.first_message_seq, members.silenced_until, chats.reaction_set, chats.last_event_seq
FROM members JOIN chats ON chats.id = members.chat_id
WHERE members.user_id = ? AND members.chat_id = ? AND members.left_seq IS NULL
"""
_TARGET = f"""
SELECT {_MESSAGE} FROM messages
WHERE chat_id = ? AND seq = ? AND seq >= ? AND deleted_at IS NULL
  AND (expires_at IS NULL OR expires_at > ?)
"""  # noqa: S608 - what is put in are names of columns
_THERE = """
SELECT 1 FROM reactions WHERE chat_id = ? AND message_seq = ? AND user_id = ? AND emoji = ?
"""
_KINDS = "SELECT DISTINCT emoji FROM reactions WHERE chat_id = ? AND message_seq = ?"
_ADD = """
INSERT INTO reactions (chat_id, message_seq, user_id, emoji, created_at) VALUES (?, ?, ?, ?, ?)
"""
_REMOVE = """
DELETE FROM reactions WHERE chat_id = ? AND message_seq = ? AND user_id = ? AND emoji = ?
"""
_ADVANCE = "UPDATE chats SET last_event_seq = ? WHERE id = ?"
_EVENT = f"""
INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, created_at)
VALUES (?, ?, '{_CHANGED}', ?, ?, ?)
"""  # noqa: S608 - what is put in is a constant


def react_on_sqlite(connection: sqlite3.Connection, batch: Sequence[Reaction]) -> Iterator[Outcome]:
    """Carry out the reactions of a batch inside its transaction; yields what became of each."""
    now = moment_to_sqlite(datetime.now(UTC))
    for reaction in batch:
        chat_id, user_id = reaction.chat_id.hex, reaction.user_id.hex
        stay = connection.execute(_STAY, (user_id, chat_id)).fetchone()
        if stay is None:
            yield Outcome(Verdict.NO_CHAT)
            continue
        first_message_seq, silenced_until, reaction_set, last_event_seq = stay
        of_message = (chat_id, reaction.message_seq)
        target = connection.execute(_TARGET, (*of_message, first_message_seq, now)).fetchone()
        if target is None:
            yield Outcome(Verdict.NO_MESSAGE)
            continue
        this = (*of_message, user_id, reaction.emoji)
        there = connection.execute(_THERE, this).fetchone() is not None
        if reaction.wanted and not there:
            if silenced_until is not None and silenced_until > now:
                yield Outcome(Verdict.SILENCED)
                continue
            if reaction_set is not None and reaction.emoji not in orjson.loads(reaction_set):
                yield Outcome(Verdict.NOT_IN_SET)
                continue
            kinds = {emoji for (emoji,) in connection.execute(_KINDS, of_message)}
            if len(kinds | {reaction.emoji}) > MAX_KINDS:
                yield Outcome(Verdict.TOO_MANY)
                continue
            connection.execute(_ADD, (*this, now))
        elif there and not reaction.wanted:
            connection.execute(_REMOVE, this)
        if reaction.wanted != there:
            seq = last_event_seq + 1
            connection.execute(_ADVANCE, (seq, chat_id))
            connection.execute(_EVENT, (chat_id, seq, user_id, reaction.message_seq, now))
        yield Outcome(Verdict.REACTED, Message(*_message(target)))
