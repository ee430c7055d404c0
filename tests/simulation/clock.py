"""An event loop whose time passes only when nothing is left to do, and choices that a seed makes.

The loop runs what is ready in asyncio's own order, first come first served, as asyncio's own parts
rely on. Interleavings come from `pause`, which everything that stands for I/O awaits: for how long
is up to the seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from random import Random
from typing import Any

# A power of two, so that sums are exact, and things do happen at the very same moment.
TICK = 1 / 1024  # seconds

MAX_ROUNDS = 500_000  # of the loop; a run needs a few thousand

dice: ContextVar[Random] = ContextVar("dice")  # of whoever acts, so that nobody disturbs another


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without I/O: when all wait, it is at once as late as the first waits for."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._rounds = 0
        self._selector = self  # what asyncio asks for I/O

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass; raises `RuntimeError` when nothing would ever happen again."""
        self._rounds += 1
        if self._rounds > MAX_ROUNDS:
            raise RuntimeError("the simulation does not end")
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        if timeout > 0:
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        return []

    def _write_to_self(self) -> None:
        pass  # it would wake a loop that waits for I/O

    def _process_events(self, event_list: list[Any]) -> None:
        pass


async def pause(ticks: Sequence[int]) -> None:
    """Take one of these numbers of ticks; none lets everybody else who is ready go first."""
    await asyncio.sleep(dice.get().choice(ticks) * TICK)


def now() -> float:
    """Return the virtual time, in seconds since the run began."""
    return asyncio.get_running_loop().time()
