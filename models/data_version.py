"""Whether somebody wrote to the SQLite file, asked for next to nothing."""

import sqlite3

_VERSION = "PRAGMA data_version"  # https://sqlite.org/pragma.html#pragma_data_version


class DataVersion:
    """A connection of its own, for nothing but this question."""

    def __init__(self, file: str) -> None:
        """Open the file; raises `sqlite3.Error`."""
        self._connection = sqlite3.connect(file, timeout=0, isolation_level=None)

    def read(self) -> int:
        """Return a number that changes when another connection, of any process, has committed.

        It comes from shared memory, within microseconds. Raises `sqlite3.Error`.
        """
        # All rows, though there is one: a statement that is not finished would hold a snapshot.
        ((version,),) = self._connection.execute(_VERSION).fetchall()
        return int(version)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
