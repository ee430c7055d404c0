"""A ZIP file that is written from beginning to end and never held whole."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import IO, Any, Self
from uuid import UUID


class _Sink:
    """Takes what is written until it is fetched. It cannot go back, and `zipfile` does not ask."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)

    def flush(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """What was written is still to be fetched."""


class Archive:
    """Files of JSON Lines, one after the other; what is written is fetched in pieces."""

    def __init__(self, now: datetime) -> None:
        """Begin an archive whose files are of this moment."""
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._date = now.timetuple()[:6]
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()

    def text(self, name: str, text: str) -> None:
        """Add a file of text."""
        self.open(name)
        self._write(text.encode())
        self._shut()

    def open(self, name: str) -> None:
        """Begin a file, and end the one before."""
        self._shut()
        info = zipfile.ZipInfo(name, self._date)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        # Its size is not known yet, and may be more than 4 GiB.
        self._file = self._zip.open(info, "w", force_zip64=True)

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add a line for each row to the file that is open."""
        self._write(b"".join(line(row) for row in rows))

    def close(self) -> None:
        """Write what ends the archive."""
        self._shut()
        self._zip.close()

    def fetch(self, size: int, *, rest: bool = False) -> list[bytes]:
        """Return what was written since, in pieces of `size`; with `rest` also what is less."""
        written, pieces = self._sink.written, []
        while len(written) >= size or (rest and written):
            pieces.append(bytes(written[:size]))
            del written[:size]
        return pieces

    def _write(self, data: bytes) -> None:
        if self._file is None:
            raise RuntimeError("no file is open")
        self._file.write(data)

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def line(row: Mapping[str, Any]) -> bytes:
    """Return a row as JSON on a line of its own."""
    return json.dumps(row, default=_plain, ensure_ascii=False).encode() + b"\n"


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not exported")
