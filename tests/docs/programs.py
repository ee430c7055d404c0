"""A program of the documentation, run as its reader would run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

PATIENCE = 30.0  # seconds; a program that says nothing for so long has failed
MAX_LINE = 1024 * 1024  # bytes


class Program:
    """A running program, of which a test waits for what it prints."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.printed: list[str] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls, *command: str | Path, directory: Path, **environment: str
    ) -> AsyncIterator[Program]:
        """Start a program; it ends with the block at the latest."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=directory,
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=MAX_LINE,
        )
        program = cls(process)
        try:
            yield program
        except BaseException as error:
            await program._end()
            error.add_note("It printed:\n" + "\n".join(program.printed))
            raise
        await program._end()

    async def says(self, words: str) -> str:
        """Return the next line that holds these words."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                async for line in self._process.stdout:
                    self.printed.append(line.decode().rstrip("\n"))
                    if words in self.printed[-1]:
                        return self.printed[-1]
        except TimeoutError:
            raise AssertionError(f"{words!r} was not printed in time, but {self.printed}") from None
        raise AssertionError(f"it ended without printing {words!r}, but {self.printed}")

    async def ends(self) -> int:
        """Read what it still prints and return its exit code."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            rest = await self._process.stdout.read()
            self.printed += rest.decode().splitlines()
            return await self._process.wait()

    async def _end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self.ends()
