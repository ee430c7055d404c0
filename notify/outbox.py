"""An outbox: messages as files in a folder, where no mail server is set up."""

import asyncio
import contextlib
import os
import secrets
import time
from email.message import EmailMessage
from pathlib import Path

KEPT = 7 * 24 * 3600.0  # seconds; by then nothing that a message has in it is good any more


class Outbox:
    """Writes every message to a file of its own, which any mail program opens.

    What is in them opens accounts: only their owner may read them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, mail: EmailMessage) -> str:
        """Write the message and return the file's name; a reader never sees half of one.

        Messages older than a week are deleted on the way.
        """
        return await asyncio.to_thread(self._write, bytes(mail))

    def _write(self, content: bytes) -> str:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._forget(time.time() - KEPT)
        # Sorted by name they are sorted by time.
        name = f"{time.time_ns()}-{secrets.token_hex(4)}"
        partial, path = self.folder / f"{name}.partial", self.folder / f"{name}.eml"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        partial.replace(path)
        return str(path)

    def _forget(self, before: float) -> None:
        for pattern in ("*.eml", "*.partial"):
            for path in self.folder.glob(pattern):
                with contextlib.suppress(FileNotFoundError):  # another worker was quicker
                    if path.stat().st_mtime < before:
                        path.unlink()
