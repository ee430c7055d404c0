"""Token buckets of this node, for what is asked thousands of times a second.

The generic cell rate algorithm (ITU-T I.371): of each key one number is kept, the moment at which
its bucket will be full again. Taking costs less than a microsecond and no other machine.
"""

from collections.abc import Hashable

# Keys in a generation. A key that was not used for a whole one is forgotten, so that a million
# addresses take 30 MB at most, and cost no sweep; a forgotten bucket counts as full.
GENERATION = 100_000


class Buckets:
    """A bucket for each key: `burst` at once, and then `per_second`."""

    def __init__(self, *, burst: int, per_second: float, generation: int = GENERATION) -> None:
        self._interval = 1 / per_second
        self._depth = (burst - 1) * self._interval
        self._generation = generation
        self._full_at: dict[Hashable, float] = {}
        self._before: dict[Hashable, float] = {}

    def __len__(self) -> int:
        return len(self._full_at) + len(self._before)

    def take(self, key: Hashable, now: float) -> float:
        """Take one and return 0, or return after how many seconds there will be one to take."""
        full_at = self._full_at.get(key)
        if full_at is None:
            full_at = self._before.get(key, now)
        if full_at - now > self._depth:
            return full_at - now - self._depth
        if len(self._full_at) >= self._generation and key not in self._full_at:
            self._before, self._full_at = self._full_at, {}
        self._full_at[key] = max(full_at, now) + self._interval
        return 0.0
