"""How many of a large chat's members are there: estimated by a sample of them, and kept a while.

The sample is drawn once in a long while, which reads all members; who of the sample is there is
read more often, which costs the same for a chat of any size.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from models import presence
from models.database import Database
from realtime.presence_state import PresenceState, read_known
from realtime.registry import Registry

# Of a chat of any size: two of three estimates are off by 3.5 % of its members at most.
SAMPLE = 200  # members
COUNT_LASTS = timedelta(seconds=30)
SAMPLE_LASTS = timedelta(minutes=10)
KEPT = 500  # chats; 200 ids of 16 bytes for each


@dataclass(slots=True)
class _Estimate:
    """What is known of one chat."""

    reading: asyncio.Lock = field(default_factory=asyncio.Lock)  # who else asks gets what is read
    sample: bytes = b""
    sampled_at: datetime | None = None
    share: float = 0.0
    counted_at: datetime | None = None


class OnlineCounts:
    """Estimates of one node."""

    def __init__(self, db: Database, registry: Registry) -> None:
        self._db = db
        self._registry = registry
        self._estimates: OrderedDict[UUID, _Estimate] = OrderedDict()

    async def of(self, chat_id: UUID, member_count: int) -> int:
        """Return how many of so many members are there and show it to everybody.

        Raises `RegistryUnavailable`.
        """
        estimate = self._estimates.setdefault(chat_id, _Estimate())
        self._estimates.move_to_end(chat_id)
        while len(self._estimates) > KEPT:
            self._estimates.popitem(last=False)
        async with estimate.reading:
            await self._refresh(chat_id, estimate, datetime.now(UTC))
        return round(estimate.share * member_count)

    async def _refresh(self, chat_id: UUID, estimate: _Estimate, now: datetime) -> None:
        if estimate.counted_at is not None and now - estimate.counted_at < COUNT_LASTS:
            return
        async with self._db.reading() as connection:
            if estimate.sampled_at is None or now - estimate.sampled_at >= SAMPLE_LASTS:
                drawn = await presence.sample_of(connection, chat_id, SAMPLE)
                estimate.sample = b"".join(each.bytes for each in drawn)
                estimate.sampled_at = now
            sample = _ids(estimate.sample)
            reserved = await presence.reserved_among(connection, sample)
        known = await read_known(self._db, self._registry, sample)
        there = [
            user_id
            for user_id, each in known.items()
            if user_id not in reserved and each.shown(now).state is not PresenceState.OFFLINE
        ]
        estimate.share = len(there) / len(sample) if sample else 0.0
        estimate.counted_at = now


def _ids(packed: bytes) -> list[UUID]:
    return [UUID(bytes=packed[start : start + 16]) for start in range(0, len(packed), 16)]
