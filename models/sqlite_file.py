"""The SQLite file: made for its owner alone, and connections to it that can always be closed."""

import asyncio
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiosqlite


def make(path: Path) -> None:
    """Create the database and its folder, unless they are there, for their owner's eyes only.

    SQLite gives its companion files the rights of the database itself.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


class _Connection(aiosqlite.Connection):
    """A connection whose thread is told to stop once.

    SQLAlchemy closes a connection whose statement was cancelled, and stops it at once when that is
    cancelled too. Closing it then asked the thread to stop again and waited for an answer, which
    the thread was not there to give any more.
    """

    _told_to_stop = False

    def stop(self) -> asyncio.Future[Any] | None:
        """Stop the thread; returns what to wait for, None when it was told before."""
        if self._told_to_stop:
            return None
        self._told_to_stop = True
        return super().stop()


def connect(path: str, **options: Any) -> aiosqlite.Connection:
    """Return a connection to be awaited, with the options of `sqlite3.connect`."""
    connection = _Connection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # as SQLAlchemy's own are: they never keep a process
    return connection
