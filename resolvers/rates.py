"""How often things may be tried: one table of limits, counted on this node or for all of them."""

import math
import time
from enum import Enum, unique

from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from models.client import Client
from models.errors import RateLimited


@unique  # two that are equal would be one, and counted together
class Rate(Enum):
    """What is limited, and how often it may happen under one key."""

    LOG_IN_FROM_ADDRESS = "60/minute"
    REGISTER_FROM_ADDRESS = "60/hour"
    # Whoever uses up what an account or a mailbox may get has had as many mails sent there, and the
    # last of them is good.
    RESET_FROM_ADDRESS = "20/hour"
    RESET_OF_ACCOUNT = "5/hour"
    MAIL_TO_ADDRESS = "6/hour"
    MAILED_CODE_FROM_ADDRESS = "90/hour"
    CHANGE_PASSWORD = "10/hour"  # noqa: S105 - a rate

    @property
    def item(self) -> RateLimitItem:
        """The limit as the library takes it."""
        return _ITEMS[self]


_ITEMS = {rate: parse(rate.value) for rate in Rate}


class Rates:
    """Counts what is limited."""

    def __init__(self, storage: Storage, *, enabled: bool = True) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._enabled = enabled

    async def spend(self, rate: Rate, key: str) -> None:
        """Count one more under a key; raises `RateLimited` where that is one too many."""
        if not self._enabled or await self._limiter.hit(rate.item, rate.name, key):
            return
        stats = await self._limiter.get_window_stats(rate.item, rate.name, key)
        raise RateLimited(retry_after=max(1, math.ceil(stats.reset_time - time.time())))

    async def spend_from(self, rate: Rate, client: Client) -> None:
        """Count one more of the client's address, if it has one; raises `RateLimited`."""
        if client.address is not None:
            await self.spend(rate, client.address)
