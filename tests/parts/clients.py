"""A client program written in JavaScript, driven line by line (see `tests/clients/lines.mjs`)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.parts.people import PATIENCE

MAX_LINE = 1024 * 1024  # bytes


class Refused(Exception):
    """The client answered a command with an error; `code` is the server's, or the socket's."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class NodeClient:
    """One running client program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._unasked: dict[str, asyncio.Queue[Any]] = {
            kind: asyncio.Queue() for kind in ("event", "socket", "ended")
        }

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, node: Path, program: Path, url: str) -> AsyncIterator[NodeClient]:
        """Start a program that talks to the server at `url`; it ends with the block."""
        process = await asyncio.create_subprocess_exec(
            node,
            program,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "HUBBUB_URL": url},
            limit=MAX_LINE,
        )
        client = cls(process)
        reading = asyncio.create_task(client._read())
        try:
            yield client
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                async with asyncio.timeout(PATIENCE):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
            await reading

    async def do(self, command: str, **given: Any) -> Any:
        """Give a command and return its result; raises `Refused`."""
        assert self._process.stdin is not None
        id_ = next(self._ids)
        answer = self._answers[id_] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": id_, "do": command, **given})
        self._process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(PATIENCE):
            await self._process.stdin.drain()
            return await answer

    async def event(self) -> Any:
        """Return the data of the next result of a subscription."""
        async with asyncio.timeout(PATIENCE):
            return await self._unasked["event"].get()

    async def ended(self) -> Any:
        """Wait until a subscription has ended and return which, and why."""
        async with asyncio.timeout(PATIENCE):
            return await self._unasked["ended"].get()

    async def socket(self, state: str) -> Any:
        """Wait until the client's socket is in a state and return what it says of it."""
        async with asyncio.timeout(PATIENCE):
            while (change := await self._unasked["socket"].get())["state"] != state:
                pass
            return change

    async def any_socket(self) -> Any:
        """Return what the client's socket does next."""
        async with asyncio.timeout(PATIENCE):
            return await self._unasked["socket"].get()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "id" in message:
                answer = self._answers.pop(message["id"])
                if "error" in message:
                    answer.set_exception(Refused(message["error"]))
                else:
                    answer.set_result(message["result"])
            else:
                for kind, queue in self._unasked.items():
                    if kind in message:
                        queue.put_nowait(message[kind])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the client program has ended"))
