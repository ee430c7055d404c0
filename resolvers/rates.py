"""How often things may be tried: two tables of limits, and what counts.

A `Rate` guards what an attacker would try: it is counted for all nodes together where they share a
Redis, else on each node. A `Pace` keeps one person from asking for more than anybody needs, and is
counted on each node alone: it stands before every field, and must cost next to nothing.

Where the counts cannot be reached, nodes count for themselves: nobody is refused for it, and
nobody gets more tries than there are nodes times the limit.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from enum import Enum
from urllib.parse import urlsplit, urlunsplit

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from models.client import Client
from models.errors import RateLimited
from resolvers.buckets import Buckets
from resolvers.rate_storage import Memory

log = structlog.get_logger(__name__)

# A log-in waits for the counts at most so long, and then nobody asks for them for a while.
STORAGE_TIMEOUT = 0.25  # seconds
STORAGE_REST = 5.0  # seconds
PREFIX = "hubbub:limits"
REDIS_PORT = 6379
# An IPv6 /48 gets as much as so many addresses: a large office does not notice, and whoever has
# been given all its 65,536 /64s does.
NETWORK = 16


_Counting = Callable[[SlidingWindowCounterRateLimiter, "Rate", str], Awaitable[int | None]]


class Rate(Enum):
    """What is guarded, and how often it may happen under one key, within each window.

    Several windows make a delay that grows: who used up the first waits for a minute, then for a
    quarter of an hour, and never for longer than the last.
    """

    def __new__(cls, limits: str) -> "Rate":
        """Return a member of its own, whatever others with the same limits there are."""
        rate = object.__new__(cls)
        rate._value_ = len(cls.__members__)
        rate.limits = limits
        return rate

    limits: str

    LOG_IN_FROM_ADDRESS = "60/minute"
    EXPORT = "3/day"
    REGISTER_FROM_ADDRESS = "60/hour"
    PASSKEY_LOG_IN_FROM_ADDRESS = "100/minute"
    # Three of a million codes are right at any time: with these, guessing for a year succeeds once
    # in fifteen. Whoever guesses knows the password; other factors are counted by themselves.
    TOTP_OF_ACCOUNT = "20/hour;60/day"
    RECOVERY_CODE_OF_ACCOUNT = "25/hour"
    PASSKEY_OF_ACCOUNT = "50/hour"
    CONFIRMATION_OF_ACCOUNT = "30/hour"
    JOIN_AS_GUEST_FROM_ADDRESS = "200/hour"  # a whole class behind one address
    REPORT = "40/day"
    # By one person; each tells those who answer, and whoever is declined may ask elsewhere.
    ASK_TO_JOIN = "30/hour;100/day"
    BLOCK = "300/hour"  # by one person; each leaves an event
    # Wrong passwords: see resolvers/guessing.py.
    GUESS_FROM_ADDRESS = "5/minute;10/15minute;20/hour"
    GUESS_BY_STRANGERS = "20/15minute;60/hour"
    GUESS_BY_NEIGHBOURS = "40/15minute;120/hour"
    SEARCH_PEOPLE = "120/minute"  # by one person, who types a name letter by letter
    SEARCH_MESSAGES = "90/minute"  # likewise; the slowest of them take a tenth of a second
    CHANGE_PROFILE = "120/hour"  # by one person; each leaves an event
    # Whoever uses up what an account or a mailbox may get has had as many mails sent there, and the
    # last of them is good.
    RESET_FROM_ADDRESS = "20/hour"
    RESET_OF_ACCOUNT = "5/hour"
    MAIL_TO_ADDRESS = "6/hour"
    MAILED_CODE_FROM_ADDRESS = "90/hour"
    LINK_PREVIEW = "30/minute;300/hour"  # pages fetched for one person, who pastes a list of links
    LINK_PREVIEW_OF_HOST = "50/minute"  # asked of one host, for everybody together
    WEBHOOK_TEST = "35/hour"  # of one person
    INCOMING_WEBHOOK = "20/10second;120/minute"  # posts of one
    CHANGE_PASSWORD = "10/hour"  # noqa: S105 - a rate

    @property
    def items(self) -> list[RateLimitItem]:
        """The limits as the library takes them, the shortest window first."""
        return _ITEMS[self]


_ITEMS = {rate: parse_many(rate.limits) for rate in Rate}
_OF_NETWORK = {
    rate: [type(item)(item.amount * NETWORK, item.multiples) for item in items]
    for rate, items in _ITEMS.items()
}


class Pace(Enum):
    """How fast one person may go: so much at once, and then so much a second."""

    READING = (1000, 100.0)
    SENDING = (100, 10.0)  # twice what an open hand on a keyboard makes; a bot that posts a list
    HINTING = (200, 20.0)  # typing, receipts: clients make them, not people
    CHANGING = (100, 5.0)
    INVITING = (60, 1.0)  # what reaches people who did not ask for it
    SUBSCRIBING = (300, 10.0)
    ENTERING = (600, 20.0)  # of an address, behind which a whole office may be

    __hash__ = (
        object.__hash__
    )  # an Enum's own is written in Python, and this is asked for each field


class Rates:
    """Counts what is limited."""

    def __init__(self, shared: Storage | None = None, *, enabled: bool = True) -> None:
        self._own = SlidingWindowCounterRateLimiter(Memory())
        self._shared = SlidingWindowCounterRateLimiter(shared) if shared is not None else None
        self._rests_until = 0.0
        self._enabled = enabled
        self._buckets = {
            pace: Buckets(burst=pace.value[0], per_second=pace.value[1]) for pace in Pace
        }

    async def spend(self, rate: Rate, key: str) -> None:
        """Count one more under a key; raises `RateLimited` where that is one too many."""
        if not self._enabled:
            return
        name = _short(key)
        if (waiting := await self._counted(_spent, rate, name)) is not None:
            raise RateLimited(retry_after=waiting)

    async def spend_from(self, rate: Rate, client: Client) -> None:
        """Count one more of the client's address, if it has one; raises `RateLimited`.

        Of an IPv6 address its network is counted as well, see `NETWORK`.
        """
        if client.single_address is not None:
            await self.spend(rate, client.single_address)
        network = client.coarse_address
        if self._enabled and network is not None and ":" in network:
            waiting = await self._counted(_spent_by_network, rate, _short(network))
            if waiting is not None:
                raise RateLimited(retry_after=waiting)

    async def forgive(self, rate: Rate, key: str) -> None:
        """Forget what was counted under a key."""
        if self._enabled:
            await self._counted(_cleared, rate, _short(key))

    def pace(self, pace: Pace, key: Hashable) -> int:
        """Count one more step of somebody and return 0, or in how many seconds there may be one."""
        if not self._enabled:
            return 0
        waiting = self._buckets[pace].take(key, time.monotonic())
        return math.ceil(waiting) if waiting else 0

    async def _counted(self, counting: _Counting, rate: Rate, name: str) -> int | None:
        if self._shared is not None and time.monotonic() >= self._rests_until:
            try:
                async with asyncio.timeout(STORAGE_TIMEOUT):
                    waiting = await counting(self._shared, rate, name)
            except (StorageError, TimeoutError, OSError) as error:
                if time.monotonic() >= self._rests_until:
                    log.warning("rates_not_shared", cause=type(error.__cause__ or error).__name__)
                self._rests_until = time.monotonic() + STORAGE_REST
            else:
                if self._rests_until:
                    self._rests_until = 0.0
                    log.info("rates_shared_again")
                return waiting
        return await counting(self._own, rate, name)


async def _spent(limiter: SlidingWindowCounterRateLimiter, rate: Rate, name: str) -> int | None:
    """Count one more, and return None, or in how many seconds it may be tried again."""
    return await _counted_within(limiter, rate, name, rate.items)


async def _spent_by_network(
    limiter: SlidingWindowCounterRateLimiter, rate: Rate, name: str
) -> int | None:
    return await _counted_within(limiter, rate, name, _OF_NETWORK[rate])


async def _counted_within(
    limiter: SlidingWindowCounterRateLimiter, rate: Rate, name: str, items: list[RateLimitItem]
) -> int | None:
    for item in items:
        if not await limiter.hit(item, rate.name, name):
            stats = await limiter.get_window_stats(item, rate.name, name)
            return max(1, math.ceil(stats.reset_time - time.time()))
    return None


async def _cleared(limiter: SlidingWindowCounterRateLimiter, rate: Rate, name: str) -> None:
    for item in rate.items:
        await limiter.clear(item, rate.name, name)


def _short(key: str) -> str:
    """Return what stands for a key: as long for all, and it tells no handle or address."""
    return hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()


@asynccontextmanager
async def rates(url: str, *, enabled: bool) -> AsyncIterator[Rates]:
    """Yield what counts: in Redis if the address is one, else in this process."""
    if not enabled or not url.startswith("redis"):
        yield Rates(enabled=enabled)
        return
    storage = _redis(url)
    try:
        yield Rates(storage, enabled=enabled)
    finally:
        await storage.bridge.storage.aclose()  # type: ignore[attr-defined]


async def reachable(url: str) -> bool:
    """Return whether a Redis answers."""
    storage = _redis(url)
    try:
        async with asyncio.timeout(10 * STORAGE_TIMEOUT):
            return bool(await storage.check())
    except (StorageError, TimeoutError, OSError):
        return False
    finally:
        await storage.bridge.storage.aclose()  # type: ignore[attr-defined]


def _redis(url: str) -> RedisStorage:
    parts = urlsplit(url)
    if parts.port is None:  # which everybody but `limits` takes for Redis's usual one
        user, at, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{user}{at}{host or 'localhost'}:{REDIS_PORT}")
    return RedisStorage(
        f"async+{urlunsplit(parts)}",
        wrap_exceptions=True,
        implementation="redispy",
        key_prefix=PREFIX,
        socket_timeout=STORAGE_TIMEOUT,
        socket_connect_timeout=STORAGE_TIMEOUT,
    )
