"""Finding the few steps of a run that matter."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

from tests.agreement.doings import Doing
from tests.agreement.run import Problem

Attempt = Callable[[Sequence[Doing]], Awaitable[Problem | None]]


async def shrunk(problem: Problem, attempt: Attempt, seconds: float = 60) -> Problem:
    """Return the problem with steps left out as long as something still goes wrong.

    Leaves out halves, then quarters, down to single steps; stops when time is up.
    """
    until = time.monotonic() + seconds
    size = len(problem.doings) // 2
    while size:
        start = 0
        while start < len(problem.doings) and time.monotonic() < until:
            fewer = [*problem.doings[:start], *problem.doings[start + size :]]
            found = await attempt(fewer)
            if found is None:
                start += size
            else:
                problem = found
        size //= 2
    return problem
