"""Readings of the SQLite file that take one change of threads instead of one for each statement.

aiosqlite hands every statement to a thread and its rows back, which takes longer than most
statements do: reading a message off the log took 1.6 ms of processor time that way, and 0.6 ms as
one piece of work for a thread.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import StaticPool

T = TypeVar("T")


class ReadingThread:
    """A thread with a connection of its own; readings take turns."""

    def __init__(self, url: sa.URL, configure: Callable[[sa.Engine], None]) -> None:
        """Prepare; connects with the first reading."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")
        # One connection, used by one thread.
        self._engine = sa.create_engine(
            url.set(drivername="sqlite"), hide_parameters=True, poolclass=StaticPool
        )
        configure(self._engine)

    async def read(self, reading: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        """Return what a function reads that awaits nothing but its statements.

        It may be given up; the thread then still finishes what it is at.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, reading)

    async def close(self) -> None:
        """Close the connection, after what is being read."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()

    def _read(self, reading: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
        with self._engine.connect() as connection, connection.begin():
            work = reading(cast("AsyncConnection", _Statements(connection)))
            try:
                work.send(None)
            except StopIteration as done:
                return cast("T", done.value)
            finally:
                work.close()
        raise RuntimeError("a reading has awaited something else than a statement")


class _Statements:
    """As much of an `AsyncConnection` as queries use; nothing of it ever waits."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    @property
    def dialect(self) -> sa.Dialect:
        return self._connection.dialect

    async def execute(self, statement: sa.Executable, parameters: Any = None) -> Any:
        return self._connection.execute(statement, parameters)
