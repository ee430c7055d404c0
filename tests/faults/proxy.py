"""A TCP proxy between clients and one node that can cut connections where it hurts.

It cuts after a number of bytes, so in the middle of a frame; or swallows the answer to a send, so
that what is committed is never acknowledged; or cuts everything at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

CHUNK = 1 << 16
ANSWER = b'"sendMessage"'  # stands in the answer to a send, and in nothing else that a node says


class Link:
    """One connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, node: asyncio.StreamWriter) -> None:
        self._writers = (client, node)
        self.bytes_left: int | None = None  # … and then it is cut
        self.swallows = False

    def cut(self) -> None:
        """End both sides at once, as if a cable had been pulled."""
        for writer in self._writers:
            writer.transport.abort()

    def let_through(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of the node's bytes reaches the client, and whether the link goes on."""
        if self.swallows and ANSWER in data:
            return b"", False
        if self.bytes_left is not None:
            if len(data) >= self.bytes_left:
                return data[: self.bytes_left], False
            self.bytes_left -= len(data)
        return data, True


class Proxy:
    """Listens on a port of its own, in front of one node."""

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.links: set[Link] = set()

    def url(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        """Let connections through inside the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut_all()

    def cut_all(self) -> int:
        """Cut every connection, and return how many there were."""
        links = list(self.links)
        for link in links:
            link.cut()
        return len(links)

    def cut_some(self, rng: random.Random, share: float, most_bytes: int) -> int:
        """Cut a share of the connections, each after some more bytes, and return how many."""
        chosen = [link for link in self.links if rng.random() < share]
        for link in chosen:
            link.bytes_left = rng.randint(1, most_bytes)
        return len(chosen)

    def swallow(self, rng: random.Random, share: float) -> int:
        """Let a share of the connections lose their next answer to a send; return how many."""
        chosen = [link for link in self.links if rng.random() < share]
        for link in chosen:
            link.swallows = True
        return len(chosen)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            node_reader, node_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, node_writer)
        self.links.add(link)
        up = asyncio.create_task(_pump_up(reader, node_writer))
        try:
            await _pump_down(node_reader, writer, link)
            up.cancel()
        except OSError:
            up.cancel()
        finally:
            self.links.discard(link)
            link.cut()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await up


async def _pump_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.close()


async def _pump_down(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link
) -> None:
    while data := await reader.read(CHUNK):
        through, goes_on = link.let_through(data)
        writer.write(through)
        await writer.drain()
        if not goes_on:
            await asyncio.sleep(0)  # what was let through is on its way before the cut
            return
