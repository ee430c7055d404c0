"""The doorbell of a SQLite file: what another process wrote is noticed without a bus.

Nodes on PostgreSQL tell each other over the bus. On SQLite several processes share a file (a server
and its worker, or a command) and mostly no bus, but the file itself says that it was written to.
"""

import asyncio
from collections.abc import Callable

import structlog

from models.data_version import DataVersion

log = structlog.get_logger(__name__)

LOOK_INTERVAL = 0.05  # seconds; a look takes 3 µs
OPEN_AGAIN_AFTER = 1.0


class FileWatch:
    """Looks at one SQLite file."""

    def __init__(self, file: str, ring: Callable[[], None]) -> None:
        """Call `ring` when the file was written to, by this process or another."""
        self._file = file
        self._ring = ring

    async def run(self) -> None:
        """Look until cancelled; a file that cannot be read is opened again."""
        while True:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                log.warning("file_unwatched", error=str(error))
            await asyncio.sleep(OPEN_AGAIN_AFTER)

    async def _look(self) -> None:
        version = DataVersion(self._file)
        try:
            seen = None
            while True:
                if (now := version.read()) != seen:
                    seen = now
                    self._ring()
                await asyncio.sleep(LOOK_INTERVAL)
        finally:
            version.close()
