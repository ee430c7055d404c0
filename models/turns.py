"""Taking turns: a few at a time, in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.errors import Overloaded


class Turns:
    """Lets so many work at once; the others wait for a while, unless too many wait already."""

    def __init__(self, at_once: int, *, waiting: int, timeout: float) -> None:
        """Let `at_once` work and `waiting` wait, each for `timeout` seconds at most."""
        self._free = asyncio.Semaphore(at_once)  # the first to come is the first to go
        self._may_wait = waiting
        self._timeout = timeout
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, *, newcomer: bool = True) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the block; raises `Overloaded`.

        Who has had one already is no newcomer and may wait however many do.
        """
        if newcomer and self._waiting >= self._may_wait:
            raise Overloaded
        self._waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
