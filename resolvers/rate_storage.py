"""Where the `limits` package keeps its counts: in this node's memory, within bounds.

Its own memory storage looks at every key there is at each hit, and lets them grow in number as
long as they last: a million addresses would be a lever. This one looks at two.
"""

import time
from math import floor

from limits.aio.storage import SlidingWindowCounterSupport, Storage

# Keys in a generation. What was not counted up for a whole one is forgotten: 50 MB at most.
GENERATION = 100_000


class Memory(Storage, SlidingWindowCounterSupport):
    """Counts in this process. There is no `await` in it, so nobody counts in between."""

    def __init__(self, generation: int = GENERATION) -> None:
        super().__init__(wrap_exceptions=False)
        self._generation = generation
        self._counts: dict[str, tuple[int, float]] = {}  # with the moment at which they end
        self._before: dict[str, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._counts) + len(self._before)

    @property
    def base_exceptions(self) -> type[Exception]:
        """What it may raise; it does not."""
        return ValueError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a count that ends after `expiry` seconds, and return it."""
        return self._add(key, expiry, amount)

    async def get(self, key: str) -> int:
        """Return a count."""
        return self._count(key)

    async def get_expiry(self, key: str) -> float:
        """Return when a count ends."""
        _, ends_at = self._counts.get(key) or self._before.get(key) or (0, time.time())
        return ends_at

    async def check(self) -> bool:
        """It is there."""
        return True

    async def reset(self) -> int:
        """Forget everything and return how much that was."""
        forgotten = len(self)
        self._counts, self._before = {}, {}
        return forgotten

    async def clear(self, key: str) -> None:
        """Forget a count."""
        self._counts.pop(key, None)
        self._before.pop(key, None)

    async def acquire_sliding_window_entry(
        self, key: str, limit: int, expiry: int, amount: int = 1
    ) -> bool:
        """Count unless that is too much within the last `expiry` seconds, and say which."""
        previous, left, current, _ = self._window(key, expiry)
        if floor(previous * left / expiry + current) + amount > limit:
            return False
        self._add(self._current_key(key, expiry), 2 * expiry, amount)
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the counts of the window before and of this one, each with how long it counts."""
        return self._window(key, expiry)

    async def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget both windows."""
        number = int(time.time() // expiry)
        for window in (number, number - 1):
            await self.clear(f"{key}/{window}")

    def _window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        number, passed = divmod(time.time(), expiry)
        previous = self._count(f"{key}/{int(number) - 1}")
        current = self._count(f"{key}/{int(number)}")
        return previous, expiry - passed if previous else 0.0, current, 2 * expiry - passed

    def _current_key(self, key: str, expiry: int) -> str:
        return f"{key}/{int(time.time() // expiry)}"

    def _count(self, key: str) -> int:
        count, ends_at = self._counts.get(key) or self._before.get(key) or (0, 0.0)
        return count if ends_at > time.time() else 0

    def _add(self, key: str, expiry: float, amount: int) -> int:
        count = self._count(key)
        ends_at = time.time() + expiry
        if count:
            _, ends_at = self._counts.get(key) or self._before[key]
        if len(self._counts) >= self._generation and key not in self._counts:
            self._before, self._counts = self._counts, {}
        self._counts[key] = (count + amount, ends_at)
        return count + amount
