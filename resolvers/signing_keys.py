"""The keys that sign access tokens: making, learning and retiring them.

A key's life, so that a change of keys signs nobody out:

    made ── SIGNS_AFTER ──▶ signs ── until the next one signs ──▶ verifies ──▶ deleted
         every node learns           new tokens bear its id         until the last of its tokens
         of it meanwhile                                            has expired

Every node reads the table at intervals, and when a token names a key that it does not know.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from accounts.keys import KeyMaker, KeyRing, NoSigningKey, OtherSecret, SigningKey
from accounts.tokens import ACCESS_LIFETIME, LEEWAY
from models import audit, signing_keys
from models.audit import Act
from models.database import Connection, Database
from models.errors import Raced
from models.signing_keys import StoredKey
from realtime.tasks import end, heed_cancellation

log = structlog.get_logger(__name__)

SIGNS_AFTER = timedelta(seconds=60)  # from when it was made; a dozen times the next
READ_INTERVAL = 5.0  # seconds; as long as a revoked key is believed
READ_TIMEOUT = 10.0
# Anybody can send tokens that name keys which do not exist: they are looked for this often at most.
LOOK_INTERVAL = 1.0  # seconds
# Clocks of several nodes differ a little, in signing as in checking.
MARGIN = timedelta(seconds=30)
ATTEMPTS = 5  # to make a key while others do


class SigningKeys:
    """One node's view of the keys; `ring` has those that are good."""

    def __init__(self, db: Database, maker: KeyMaker) -> None:
        self.ring = KeyRing()
        # Called when tokens have stopped to be good that were good until now.
        self.revoked_listeners: list[Callable[[], None]] = []
        self._db = db
        self._maker = maker
        self._reading = asyncio.Lock()
        self._read_at: float | None = None
        self._unreadable: set[str] = set()

    async def load(self) -> None:
        """Read the keys, and make one if there is none to sign with."""
        for _ in range(ATTEMPTS):
            now = datetime.now(UTC)
            stored = await self._read(now)
            try:
                self.ring.signing(now)
            except NoSigningKey:
                pass
            else:
                return
            try:
                async with self._db.writing() as connection:
                    # Older ones stay as they are: should this node have the wrong secret, they
                    # are what the other nodes sign with.
                    await self._add(connection, stored, now, signs_from=now)
            except Raced:
                continue
            log.info("signing_key_made")
        raise RuntimeError("there is no signing key, and none can be made")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read the keys at intervals, inside the block."""
        task = asyncio.create_task(self._run(), name="signing keys")
        try:
            yield
        finally:
            await end([task])
        if not task.cancelled():
            task.result()  # a bug is not hushed up

    async def look_for(self, key_id: str) -> bool:
        """Read the keys because a token names one that is not known; returns whether it is now."""
        async with self._reading:
            now = datetime.now(UTC)
            if self.ring.verifying(key_id, now) is None and (
                self._read_at is None or monotonic() - self._read_at >= LOOK_INTERVAL
            ):
                async with asyncio.timeout(READ_TIMEOUT):
                    await self._read_now(now)
        return self.ring.verifying(key_id, now) is not None

    async def rotate(self, now: datetime, *, revoke: bool = False) -> SigningKey:
        """Make a key that takes the place of the others; returns it.

        They go on to sign until it does, and verify until the last of their tokens has expired; or
        end at once, with `revoke`, together with all access tokens.
        """
        signs_from = now if revoke else now + SIGNS_AFTER
        until = now if revoke else signs_from + ACCESS_LIFETIME + LEEWAY + MARGIN
        for _ in range(ATTEMPTS):
            try:
                async with self._db.writing() as connection:
                    stored = await signing_keys.stored(connection)
                    key = await self._add(connection, stored, now, signs_from=signs_from)
                    await signing_keys.retire_before(connection, key.number, until)
                    await audit.record(
                        connection,
                        Act.SIGNING_KEYS_REVOKED if revoke else Act.SIGNING_KEY_ROTATED,
                        now=now,
                        actor_id=None,
                        details={"key": key.id},
                    )
            except Raced:
                continue
            await self._read(now)
            return key
        raise Raced

    async def listed(self) -> Sequence[tuple[StoredKey, str]]:
        """Return every key that is stored, the oldest first, and in words what it does now."""
        now = datetime.now(UTC)
        stored = await self._read(now)
        return [(key, self._state(key, now)) for key in stored]

    def _state(self, key: StoredKey, now: datetime) -> str:
        if key.verifies_until is not None and key.verifies_until <= now:
            return "ended"
        if self.ring.verifying(key.id, now) is None:
            return "made under another HUBBUB_SECRET_KEY"
        if key.id == self.ring.signing(now).id:
            return "signs"
        if key.signs_from > now:
            return f"signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC on"
        return f"verifies until {key.verifies_until:%Y-%m-%d %H:%M:%S} UTC"

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(READ_INTERVAL)
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    await self.load()
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                log.warning("signing_keys_unread", error=str(error) or type(error).__name__)

    async def _read(self, now: datetime) -> Sequence[StoredKey]:
        async with self._reading:
            return await self._read_now(now)

    async def _read_now(self, now: datetime) -> Sequence[StoredKey]:
        try:
            async with self._db.aside.reading() as connection:
                stored = await signing_keys.stored(connection)
        finally:
            self._read_at = monotonic()  # who waited for this does not try again
        known = self.ring.ids(now)
        self.ring.replace(key for each in stored if (key := self._made(each)) is not None)
        if known - self.ring.ids(now):
            log.warning("signing_keys_revoked", count=len(known - self.ring.ids(now)))
            for listener in self.revoked_listeners:
                listener()
        return stored

    def _made(self, key: StoredKey) -> SigningKey | None:
        try:
            return self._maker.key(
                key.id,
                key.number,
                key.salt,
                signs_from=key.signs_from,
                verifies_until=key.verifies_until,
            )
        except OtherSecret:
            if key.id not in self._unreadable:
                self._unreadable.add(key.id)
                log.warning("signing_key_unreadable", key=key.id)
            return None

    async def _add(
        self,
        connection: Connection,
        stored: Sequence[StoredKey],
        now: datetime,
        *,
        signs_from: datetime,
    ) -> SigningKey:
        """Store a key after those that are there; raises `Raced` when somebody else just did."""
        salt = self._maker.new_salt()
        number = max((key.number for key in stored), default=0) + 1
        id_ = self._maker.id_of(salt)
        await signing_keys.add(connection, StoredKey(number, id_, salt, now, signs_from, None))
        return self._maker.key(id_, number, salt, signs_from=signs_from, verifies_until=None)
