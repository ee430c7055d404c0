"""A batch on PostgreSQL: lock the chats, then one statement for all changes of a kind.

The lock is a statement of its own, so that the second one, with a snapshot of its own, reads
membership under it: as a single statement the two accepted a send after a concurrent removal.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from models.database import Database
from models.errors import Unreachable
from models.marking import mark_on_postgresql
from models.reacting import react_on_postgresql
from models.sending import Change, Outcome, Rules, Verdict, by_kind, in_order
from models.storing_postgresql import store_on_postgresql

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


class PostgresqlWriter:
    """Hold one connection and store batches on it."""

    def __init__(self, db: Database, rules: Rules, *, lock_timeout: int) -> None:
        """Connect when the first batch comes; a lock is waited for so many milliseconds."""
        self._engine = db.apart(
            STATEMENT_TIMEOUT, application_name="hubbub sends", lock_timeout=f"{lock_timeout}ms"
        )
        self._rules = rules
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
                outcomes = await _attempt(self._connection, batch, chat_ids, lock, self._rules)
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
    rules: Rules,
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
    outcomes = await _carry_out(
        connection, [each for each in batch if each.chat_id in locked], rules
    )

    def outcome(change: Change) -> Outcome | None:
        if change.chat_id in held:
            return None
        return next(outcomes) if change.chat_id in locked else Outcome(Verdict.NO_CHAT)

    return [outcome(change) for change in batch]


async def _carry_out(
    connection: AsyncConnection, changes: Sequence[Change], rules: Rules
) -> Iterator[Outcome]:
    """Return what becomes of changes in locked chats, in their order; one statement per kind."""
    sent, marks, reactions = by_kind(changes)
    return in_order(
        changes,
        await store_on_postgresql(connection, sent, rules) if sent else (),
        await mark_on_postgresql(connection, marks) if marks else (),
        await react_on_postgresql(connection, reactions) if reactions else (),
    )


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
