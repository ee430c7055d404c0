"""Doing several things at once, without the slow ones holding up the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from realtime.tasks import end

Thing = TypeVar("Thing")

# What became due while slow ones run is looked for so often.
LOOK_EVERY = 0.5  # seconds
# Then nothing new is begun, and what runs comes to its end: no job is cut off in the middle.
BEGIN_FOR = 60.0  # seconds


async def keep_busy(
    take: Callable[[int], Awaitable[Sequence[Thing]]],
    do: Callable[[Thing], Awaitable[None]],
    *,
    at_once: int,
) -> None:
    """Take things and do them, at most so many at once, until there is nothing left to take.

    As soon as one is done its place is free for another. `take` gets how many places are free.
    What fails is raised at the end of all that runs.
    """
    running: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []
    until = time.monotonic() + BEGIN_FOR
    try:
        while True:
            free = at_once - len(running)
            begin = free > 0 and not failed and time.monotonic() < until
            taken = await take(free) if begin else []
            running |= {asyncio.ensure_future(do(thing)) for thing in taken}
            if not running:
                break
            done, running = await asyncio.wait(
                running, timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED
            )
            failed += [error for task in done if (error := task.exception())]
    finally:
        await end(list(running))
    if failed:
        raise failed[0]
