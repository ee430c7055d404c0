"""A batch on SQLite: one thread that writes through the standard library's driver.

Through aiosqlite every statement costs two changes of thread: 1,700 µs a message, this 50.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from models.database import BUSY_TIMEOUT, SQLITE_PRAGMAS, Database
from models.errors import Unreachable
from models.marking import mark_on_sqlite
from models.reacting import react_on_sqlite
from models.sending import Change, Outcome, Rules, by_kind, in_order
from models.storing_sqlite import store_on_sqlite

# The disk or the file is what failed, not a row. https://sqlite.org/rescode.html
_FILE_CODES = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PROTOCOL,
}
_HELD_CODES = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_PRIMARY = 0xFF  # the part of a result code that its extensions share


class SqliteWriter:
    """Store batches from a thread of its own, taking turns with this process's other writers."""

    def __init__(self, db: Database, rules: Rules) -> None:
        """Open the file when the first batch comes."""
        self._db = db
        self._rules = rules
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite writer")
        self._connection: sqlite3.Connection | None = None

    async def store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        """Store a batch; see `models.sending.Writer`.

        Another process that writes for longer than the busy timeout makes every message wait.
        """
        async with self._db.sole_writer():
            storing = asyncio.get_running_loop().run_in_executor(self._thread, self._store, batch)
            try:
                return await asyncio.shield(storing)
            except asyncio.CancelledError:
                # The thread cannot be stopped: nobody else may write before it is done.
                with suppress(Exception):
                    await storing
                raise

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    # --- in the thread --------------------------------------------------------------------------

    def _store(self, batch: Sequence[Change]) -> list[Outcome | None]:
        try:
            if self._connection is None:
                self._connection = _connected(self._db.sqlite_file())
            return [*_transact(self._connection, batch, self._rules)]
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            if code in _HELD_CODES:
                return [None for _ in batch]
            if code in _FILE_CODES:
                self._close()
                raise Unreachable(str(error)) from error
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


def _connected(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    for pragma in SQLITE_PRAGMAS:
        connection.execute(pragma)
    return connection


def _transact(
    connection: sqlite3.Connection, batch: Sequence[Change], rules: Rules
) -> list[Outcome]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        sent, marks, reactions = by_kind(batch)
        outcomes = [
            *in_order(
                batch,
                store_on_sqlite(connection, sent, rules),
                mark_on_sqlite(connection, marks),
                [*react_on_sqlite(connection, reactions)],
            )
        ]
        connection.execute("COMMIT")
    except BaseException:
        # Some errors, a full disk among them, have rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return outcomes
