"""Connections and transactions, the same two calls on SQLite and PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from models import sqlite_file
from models.errors import Overloaded
from models.reading_thread import ReadingThread
from models.turns import Turns

Connection = AsyncConnection  # what every query takes

T = TypeVar("T")

DialectName = Literal["sqlite", "postgresql"]

CONNECTIONS = 20
KEPT = 10  # of these, when they are not used
# Connections: one for the tailer, one for who asks whether the database answers, one for the node's
# lease and for the questions which sessions have ended, which keys sign, and which word filters
# were set.
ASIDE = 3
# Who waits for a connection holds nothing but their own task, so the queue may be long.
MAY_WAIT = 20_000
TURN_TIMEOUT = 30.0  # seconds
CONNECT_TIMEOUT = 10.0  # seconds
# How long a statement may wait, on SQLite, for another process's write.
BUSY_TIMEOUT = 10.0  # seconds
# What every connection to SQLite starts with.
SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # an acknowledged message survives power loss
    "PRAGMA foreign_keys=ON",
    # Pages, 16 MB: 64 sends into as many chats write 300, and at 1000 every third batch waited
    # for a checkpoint.
    "PRAGMA wal_autocheckpoint=4000",
)
# A statement that runs this long on PostgreSQL is cut off: no request of ours needs it.
STATEMENT_TIMEOUT = 30.0  # seconds
# What every connection to PostgreSQL starts with.
SERVER_SETTINGS = {
    "application_name": "hubbub",
    # Every look-up is by key. A plan made while a table was empty would scan it, and be kept for as
    # long as nobody analyses the table that has filled meanwhile.
    "enable_seqscan": "off",
    "jit": "off",  # compiling costs more than any statement takes
    # Should we stand still in the middle of a transaction, with locks that others wait for. Shorter
    # than a send waits for a chat (`resolvers/group_commit.py: PATIENCE`).
    "idle_in_transaction_session_timeout": "10s",
    # A machine that lost its power or its network says nothing: 20 seconds, instead of two hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "20000",  # milliseconds; Linux only, elsewhere it is passed over
}


class Database:
    """One engine and its two doors: `reading()` and `writing()`.

    Both yield an `AsyncConnection` inside a transaction. `writing()` commits when the block ends
    and rolls back when it raises, so whatever follows the block happens after COMMIT. Both raise
    `Overloaded` when there is no connection to be had; those who wait for one get theirs in the
    order in which they came.
    """

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """Prepare an engine for `sqlite:///path` or `postgresql://…`; connects on first use."""
        parsed = sa.make_url(url)
        self._given_url = url
        self._url = parsed
        self._aside: Database | None = None
        self._turns = Turns(connections, waiting=MAY_WAIT, timeout=TURN_TIMEOUT)
        if parsed.drivername == "sqlite":
            self.dialect: DialectName = "sqlite"
            self._engine = _sqlite_engine(parsed, connections)
        elif parsed.drivername in ("postgresql", "postgres"):
            self.dialect = "postgresql"
            self._engine = _postgresql_engine(parsed, connections)
        else:
            raise ValueError(f"unknown database {parsed.drivername!r}: use sqlite or postgresql")
        # SQLite has one writer at a time: queue here, in order, instead of polling on the file.
        self._writer = asyncio.Lock() if self.dialect == "sqlite" else None
        self._thread: ReadingThread | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The SQLAlchemy engine, for migrations and tests."""
        return self._engine

    @property
    def aside(self) -> "Database":
        """The same database by connections of its own, which requests cannot use up."""
        if self._aside is None:
            self._aside = Database(self._given_url, connections=ASIDE)
        return self._aside

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._turns.turn())
            try:
                connection = await stack.enter_async_context(self._engine.connect())
            except Exception as error:
                if too_many_connections(error):
                    raise Overloaded from error
                raise
            yield connection

    @asynccontextmanager
    async def reading(self, *, one_moment: bool = False) -> AsyncIterator[AsyncConnection]:
        """Yield a connection whose statements see committed data; nothing may be written.

        On SQLite all of them see it as it was in one moment; on PostgreSQL if that is asked for.
        """
        async with self._connected() as connection:
            if one_moment and self.dialect == "postgresql":
                connection = await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    async def read_whole(self, reading: Callable[[Connection], Coroutine[Any, Any, T]]) -> T:
        """Return what a function reads, of one moment, that awaits nothing but its statements.

        On SQLite that takes a third of the time: see `models/reading_thread.py`.
        """
        if self.dialect == "postgresql":
            async with self.reading(one_moment=True) as connection:
                return await reading(connection)
        if self._thread is None:
            self._thread = ReadingThread(self._url, _configure_sqlite)
        return await self._thread.read(reading)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Yield a connection in a write transaction, committed at the end of the block."""
        if self._writer is None:
            async with self._connected() as connection, connection.begin():
                yield connection
            return
        async with self._writer, self._connected() as connection:
            connection = await connection.execution_options(sqlite_begin="IMMEDIATE")
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def sole_writer(self) -> AsyncIterator[None]:
        """Wait for this process's turn to write to the SQLite file with a connection of one's own.

        Turns come in the order in which they were asked for, those of `writing()` among them.
        """
        if self._writer is None:
            raise RuntimeError("PostgreSQL has many writers")
        async with self._writer:
            yield

    def sqlite_file(self) -> str:
        """Return the path of the SQLite database."""
        if self._writer is None or self._url.database is None:
            raise RuntimeError("PostgreSQL has no file")
        return self._url.database

    def apart(self, statement_timeout: float, **server_settings: str) -> AsyncEngine:
        """Return an engine whose connections are kept out of the pool, with settings of their own.

        PostgreSQL only; whoever asks for it disposes of it.
        """
        return create_async_engine(
            _asyncpg(self._url),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=_connect_args(statement_timeout, server_settings),
        )

    async def ping(self) -> None:
        """Run the cheapest statement; raises when the database cannot be reached."""
        async with self._connected() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()
        if self._thread is not None:
            await self._thread.close()
        if self._aside is not None:
            await self._aside.close()


def too_many_connections(error: Exception) -> bool:
    """Whether PostgreSQL refused a connection because it has as many as it may."""
    cause = getattr(error, "orig", None) or error
    return getattr(cause, "sqlstate", None) == "53300"


def _connect_args(
    statement_timeout: float, server_settings: Mapping[str, str]
) -> dict[str, object]:
    return {
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": statement_timeout,
        "server_settings": {**SERVER_SETTINGS, **server_settings},
    }


def _postgresql_engine(url: sa.URL, connections: int) -> AsyncEngine:
    return create_async_engine(
        _asyncpg(url),
        hide_parameters=True,  # they are what people write, and errors are logged
        **_pool(connections),
        pool_pre_ping=False,  # a lost connection fails one request and is replaced
        connect_args=_connect_args(STATEMENT_TIMEOUT, {}),
    )


def _asyncpg(url: sa.URL) -> sa.URL:
    """Return the URL as asyncpg reads it, with what everybody else calls sslmode as its ssl."""
    url = url.set(drivername="postgresql+asyncpg")
    if mode := url.query.get("sslmode"):
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url


def _pool(connections: int) -> dict[str, Any]:
    """Return the settings of a pool for whose connections those who want one take turns."""
    kept = min(KEPT, connections)
    return {
        "pool_size": kept,
        "max_overflow": connections - kept,
        "pool_timeout": CONNECT_TIMEOUT,
    }


def _sqlite_engine(url: sa.URL, connections: int) -> AsyncEngine:
    if not url.database or url.database == ":memory:":
        raise ValueError("SQLite needs a file: write sqlite:///path/to/hubbub.db")
    sqlite_file.make(Path(url.database))
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        hide_parameters=True,
        **_pool(connections),
        connect_args={"timeout": BUSY_TIMEOUT, "async_creator_fn": sqlite_file.connect},
    )
    _configure_sqlite(engine.sync_engine)
    return engine


def _configure_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _: Any) -> None:
        # sqlite3 would begin transactions by itself, late and never IMMEDIATE.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that starts by reading and writes later can fail as "database is locked"
        # without ever waiting, so writers take the lock first.
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")
