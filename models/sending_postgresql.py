"""A batch on PostgreSQL: lock the chats, then one statement for all changes of a kind.

The lock is a statement of its own, so that the second one, with a snapshot of its own, reads
membership under it: as a single statement the two accepted a send after a concurrent removal.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.base import UtcDateTime, columns
from models.database import Database
from models.errors import Unreachable
from models.marking import mark_on_postgresql
from models.messages import Message, messages
from models.reacting import react_on_postgresql
from models.search import INSERT_ON_POSTGRESQL, Text, document
from models.sending import (
    EXTRAS,
    PLAIN,
    SENT,
    Change,
    Outcome,
    Outgoing,
    Verdict,
    as_json,
    by_kind,
    by_name,
    in_order,
)
from models.terms import Terms

# How long a lock is waited for, in milliseconds. In the fast lane a chat that somebody holds for
# longer than a few commits take must not hold up the others; in the slow lane, where everything is
# held, whoever waits that long gets a turn among those who wait in line.
FAST_LOCK_TIMEOUT = 20
SLOW_LOCK_TIMEOUT = 250

# A batch takes milliseconds; a server that says nothing for so long is taken for lost.
STATEMENT_TIMEOUT = 5.0  # seconds

# What is wrong is the server, not a row: 08 connection, 53 resources, 57 operator intervention,
# 58 system; 25006 says that the server has become a standby.
# PostgreSQL, Appendix A "PostgreSQL Error Codes".
_SERVER_STATES = ("08", "53", "57", "58", "25006")

_LOCK = """
SELECT id FROM chats WHERE id = ANY (CAST(:ids AS uuid[])) ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_FIRST = sa.text(_LOCK)
_LOCK_FREE = sa.text(f"{_LOCK} SKIP LOCKED")
_EXISTING = sa.text("SELECT id FROM chats WHERE id = ANY (CAST(:ids AS uuid[]))")

_COLUMNS = columns(messages, Message)
_MESSAGE = ", ".join(column.name for column in _COLUMNS)
_EARLIER = ", ".join(f"earlier.{column.name}" for column in _COLUMNS)
# Most messages have none, and then nothing is taken out of nothing.
_TYPES: dict[type, str] = {
    sa.String: "text",
    sa.BigInteger: "bigint",
    sa.Uuid: "uuid",
    sa.Boolean: "boolean",
    UtcDateTime: "timestamptz",
}


def _extra(column: sa.Column[Any]) -> str:
    if isinstance(column.type, sa.JSON):
        return f"CAST(extras -> '{column.name}' AS json)"
    value = f"CAST(extras ->> '{column.name}' AS {_TYPES[type(column.type)]})"
    default = getattr(PLAIN, column.name)
    return value if default is None else f"coalesce({value}, '{default}')"


_EXTRAS = ", ".join(_extra(messages.c[name]) for name in EXTRAS)

_INDEX = INSERT_ON_POSTGRESQL.format(
    rows="""(
        SELECT chat_id, seq, made.words, n FROM numbered
        JOIN unnest(CAST(:words AS text[])) WITH ORDINALITY AS made (words, n) USING (n)
    ) AS found"""
)

# OFFSET 0 and the ANY (ARRAY …) make the planner look up each row by its key, whatever it believes
# about the size of the batch. Rows are inserted in the order of the batch, so that within a chat
# the log's ids grow with its numbers.
_STORE = sa.text(
    f"""
    WITH batch AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:chat_ids AS uuid[]), CAST(:sender_ids AS uuid[]), CAST(:client_ids AS uuid[]),
            CAST(:hashes AS bytea[]), CAST(:texts AS text[]), CAST(:replies AS bigint[]),
            CAST(:extras AS jsonb[])
        ) WITH ORDINALITY
        AS row (chat_id, sender_id, client_message_id, content_hash, text, reply_to_seq, extras, n)
    ),
    now AS MATERIALIZED (SELECT clock_timestamp() AS moment),
    stay AS MATERIALIZED (
        SELECT batch.n, found.* FROM batch CROSS JOIN LATERAL (
            SELECT id, first_message_seq FROM members
            WHERE user_id = batch.sender_id AND chat_id = batch.chat_id AND left_seq IS NULL
            OFFSET 0
        ) AS found
    ),
    earlier AS MATERIALIZED (
        SELECT batch.n, found.* FROM batch CROSS JOIN LATERAL (
            SELECT {_MESSAGE}, messages.content_hash = batch.content_hash AS same
            FROM messages
            WHERE sender_id = batch.sender_id AND client_message_id = batch.client_message_id
            OFFSET 0
        ) AS found
    ),
    unanswerable AS MATERIALIZED (
        SELECT batch.n FROM batch JOIN stay USING (n) LEFT JOIN LATERAL (
            SELECT seq FROM messages
            WHERE chat_id = batch.chat_id AND seq = batch.reply_to_seq AND deleted_at IS NULL
              AND (expires_at IS NULL OR expires_at > (SELECT moment FROM now))
            OFFSET 0
        ) AS found ON true
        WHERE batch.reply_to_seq IS NOT NULL
          AND (found.seq IS NULL OR found.seq < stay.first_message_seq)
    ),
    accepted AS MATERIALIZED (
        SELECT batch.*, stay.id AS stay_id,
               row_number() OVER (PARTITION BY batch.chat_id ORDER BY batch.n) AS place
        FROM batch JOIN stay USING (n)
        WHERE NOT EXISTS (SELECT FROM earlier WHERE earlier.n = batch.n)
          AND NOT EXISTS (SELECT FROM unanswerable WHERE unanswerable.n = batch.n)
    ),
    advanced AS (
        UPDATE chats
        SET last_message_seq = last_message_seq + share.size,
            last_event_seq = last_event_seq + share.size,
            last_activity_at = now.moment
        FROM (SELECT chat_id, count(*) AS size FROM accepted GROUP BY chat_id) AS share, now
        WHERE chats.id = share.chat_id
          AND chats.id = ANY (ARRAY(SELECT chat_id FROM accepted))
        RETURNING chats.id AS chat_id,
                  last_message_seq - share.size AS messages_before,
                  last_event_seq - share.size AS events_before
    ),
    numbered AS MATERIALIZED (
        SELECT accepted.*, messages_before + place AS seq, events_before + place AS event_seq
        FROM accepted JOIN advanced USING (chat_id)
    ),
    stored AS (
        INSERT INTO messages (chat_id, seq, sender_id, text, reply_to_seq, client_message_id,
                              content_hash, created_at, {", ".join(EXTRAS)})
        SELECT chat_id, seq, sender_id, text, reply_to_seq, client_message_id, content_hash, moment,
               {_EXTRAS}
        FROM numbered, now ORDER BY n
    ),
    indexed AS ({_INDEX}),
    logged AS (
        INSERT INTO events (chat_id, seq, kind, actor_id, message_seq, xid, created_at)
        SELECT chat_id, event_seq, '{SENT}', sender_id, seq, pg_current_xact_id(), moment
        FROM numbered, now ORDER BY n
    ),
    read AS (
        -- Who writes has read what was there; everybody knows, so it is no news.
        UPDATE members SET delivered_seq = newest.seq, read_seq = newest.seq
        FROM (SELECT stay_id, max(seq) AS seq FROM numbered GROUP BY stay_id) AS newest
        WHERE members.id = newest.stay_id
          AND members.id = ANY (ARRAY(SELECT stay_id FROM numbered))
          AND members.read_seq < newest.seq
    )
    SELECT CASE WHEN stay.n IS NULL THEN '{Verdict.NO_CHAT}'
                WHEN earlier.same THEN '{Verdict.DUPLICATE}'
                WHEN earlier.n IS NOT NULL THEN '{Verdict.CONFLICT}'
                WHEN unanswerable.n IS NOT NULL THEN '{Verdict.NO_REPLY_TARGET}'
                ELSE '{Verdict.STORED}' END AS verdict,
           numbered.seq AS new_seq, now.moment, {_EARLIER}
    FROM batch CROSS JOIN now
    LEFT JOIN stay USING (n) LEFT JOIN earlier USING (n)
    LEFT JOIN unanswerable USING (n) LEFT JOIN numbered USING (n)
    ORDER BY n
    """  # noqa: S608 - what is put in are constants
).columns(
    sa.column("verdict", sa.String),
    sa.column("new_seq", sa.BigInteger),
    sa.column("moment", UtcDateTime),
    *_COLUMNS,
)


class PostgresqlWriter:
    """Hold one connection and store batches on it."""

    def __init__(self, db: Database, terms: Terms, *, lock_timeout: int) -> None:
        """Connect when the first batch comes; a lock is waited for so many milliseconds.

        Messages are found by these terms.
        """
        self._terms = terms
        self._engine = db.apart(
            STATEMENT_TIMEOUT, application_name="hubbub sends", lock_timeout=f"{lock_timeout}ms"
        )
        self._connection: AsyncConnection | None = None

    async def store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        """Store a batch; see `models.sending.Writer`."""
        chat_ids = list({change.chat_id for change in batch})
        try:
            try:
                return await self._transact(batch, chat_ids, _LOCK_FIRST)
            except _ChatHeld:
                return await self._transact(batch, chat_ids, _LOCK_FREE)
        except DBAPIError as error:
            if _lock_timed_out(error) and len(batch) == 1:
                return [None]  # not the chat, but a row that its message refers to
            raise

    async def close(self) -> None:
        """Close the connection; the writer may be used again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
        await self._engine.dispose()

    async def _transact(
        self, batch: Sequence[Change], chat_ids: Collection[UUID], lock: sa.TextClause
    ) -> list[Outcome | None]:
        try:
            if self._connection is None:
                self._connection = await self._engine.connect()
            transaction = await self._connection.begin()
            try:
                outcomes = await _attempt(self._connection, batch, chat_ids, lock, self._terms)
                await transaction.commit()
            except Exception as error:
                if not _server_is_gone(error):
                    await transaction.rollback()
                raise
        except asyncio.CancelledError:
            # In the middle of a statement: of no use to anybody any more.
            await self._drop()
            raise
        except Exception as error:
            if not _server_is_gone(error):
                raise
            # Without a rollback, for which a silent server would be waited for again.
            await self._drop()
            raise Unreachable(str(error).partition("\n")[0]) from error
        return outcomes

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.invalidate()
                await connection.close()
            except Exception:  # noqa: BLE001, S110 - it was of no use before
                pass


class _ChatHeld(Exception):
    """Somebody holds one of the chats."""


async def _attempt(
    connection: AsyncConnection,
    batch: Sequence[Change],
    chat_ids: Collection[UUID],
    lock: sa.TextClause,
    terms: Terms,
) -> list[Outcome | None]:
    """Return what becomes of each change, once it is committed."""
    try:
        locked = set((await connection.execute(lock, {"ids": chat_ids})).scalars())
    except DBAPIError as error:
        if _lock_timed_out(error):
            raise _ChatHeld from error
        raise
    held: set[UUID] = set()
    if lock is _LOCK_FREE and len(locked) < len(chat_ids):
        there = await connection.execute(_EXISTING, {"ids": chat_ids})
        held = set(there.scalars()) - locked
    free = [each for each in batch if each.chat_id in locked]
    outcomes = await _carry_out(connection, free, terms)

    def outcome(change: Change) -> Outcome | None:
        if change.chat_id in held:
            return None
        return next(outcomes) if change.chat_id in locked else Outcome(Verdict.NO_CHAT)

    return [outcome(change) for change in batch]


async def _carry_out(
    connection: AsyncConnection, changes: Sequence[Change], terms: Terms
) -> Iterator[Outcome]:
    """Return what becomes of changes in locked chats, in their order; one statement per kind."""
    sent, marks, reactions = by_kind(changes)
    return in_order(
        changes,
        await _store(connection, sent, terms) if sent else (),
        await mark_on_postgresql(connection, marks) if marks else (),
        await react_on_postgresql(connection, reactions) if reactions else (),
    )


async def _store(
    connection: AsyncConnection, batch: Sequence[Outgoing], terms: Terms
) -> list[Outcome]:
    rows = await connection.execute(
        _STORE,
        {
            "chat_ids": [message.chat_id for message in batch],
            "sender_ids": [message.sender_id for message in batch],
            "client_ids": [message.client_message_id for message in batch],
            "hashes": [message.content_hash for message in batch],
            "texts": [message.text for message in batch],
            "replies": [message.reply_to_seq for message in batch],
            "extras": [
                None if message.extras is PLAIN else as_json(by_name(message.extras))
                for message in batch
            ],
            # Only the statement knows under which numbers they are stored.
            "words": [
                document("postgresql", terms, Text(m.chat_id, 0, m.sender_id, m.text))
                for m in batch
            ],
        },
    )
    return [_outcome(message, *row) for message, row in zip(batch, rows.all(), strict=True)]


def _outcome(
    message: Outgoing, verdict: str, seq: int | None, moment: datetime, *earlier: Any
) -> Outcome:
    match Verdict(verdict):
        case Verdict.STORED:
            if seq is None:
                raise RuntimeError("the chat of a message that was let through was not there")
            return Outcome(Verdict.STORED, message.stored(seq, moment))
        case Verdict.DUPLICATE:
            return Outcome(Verdict.DUPLICATE, Message(*earlier))
        case refused:
            return Outcome(refused)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what the driver said below it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _state(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error that the server reported."""
    states = (getattr(cause, "sqlstate", None) for cause in _causes(error))
    return next((state for state in states if state), None)


def _lock_timed_out(error: BaseException) -> bool:
    return _state(error) == asyncpg.LockNotAvailableError.sqlstate


def _server_is_gone(error: BaseException) -> bool:
    """Whether the connection, rather than a row, is what failed."""
    state = _state(error)
    if state is not None:
        return state.startswith(_SERVER_STATES)
    # asyncpg counts a value that it cannot encode among the errors of its interface. A backend
    # that is killed in the middle of an answer raises InternalClientError, which stands alone.
    return not any(isinstance(cause, asyncpg.DataError) for cause in _causes(error)) and any(
        isinstance(cause, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError)
        for cause in _causes(error)
    )
