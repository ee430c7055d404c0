"""When a node looks who is there, and at what: hints say when, and a clock where there is no hint.

All that is read is read by one task, in rounds, so what is told of somebody is in the order in
which it was read. A round asks about everybody who may have come or gone since the last: however
many come back at once after a node was restarted, they are a few statements.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection
from datetime import UTC, datetime
from uuid import UUID

import structlog

from models import sights, users
from models.chats import ChatKind
from models.database import Database
from models.errors import InvalidInput, Overloaded
from models.presence import AT_ONCE
from models.turns import Turns
from models.viewer import Viewer
from realtime.bus import Bus, Hint
from realtime.events import (
    BlocksChanged,
    ChatCreated,
    Event,
    MemberJoined,
    MemberLeft,
    MessageSent,
    SettingsChanged,
)
from realtime.mailbox import Mailbox
from realtime.presence import MAX_IDS, PresenceListener, PresenceTold, Telling, Watch
from realtime.presence_state import read_known
from realtime.registry import Registry
from realtime.tasks import heed_cancellation
from realtime.wire import Cork

log = structlog.get_logger(__name__)

GATHER = 0.1  # seconds from one round to the next at least
TICK = 1.0  # seconds until it is looked who counts as gone by now
LOOK_INTERVAL = 5.0  # seconds until everybody is looked at, hints or not
ROUND_TIMEOUT = 20.0
BEGIN_TIMEOUT = 15.0  # seconds for a subscription to have its beginning
# Subscriptions that find out what they may know: after a restart everybody comes at once.
READING = 4
MAY_WAIT = 5000
# People in one hint: with more, PostgreSQL would not carry it.
IN_HINT = 200
EVERYBODY = 2000  # who came or went at once, of whom each is not named any more


def utc_now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


class PresenceFeed:
    """One subscription to who is there; a `Feed`."""

    __slots__ = ("_listener", "_looks")

    def __init__(self, looks: "PresenceLooks", listener: PresenceListener) -> None:
        self._looks = looks
        self._listener = listener

    @property
    def mailbox(self) -> Mailbox[PresenceTold]:
        """See `Feed.mailbox`."""
        return self._listener.mailbox

    async def missed(self) -> AsyncGenerator[PresenceTold, None]:
        """Yield how everybody is whom the listener may see.

        Raises `InvalidInput` for too many ids or none, and `Overloaded`.
        """
        for told in await self._looks.begin(self._listener):
            yield told

    async def last_word(self, reason: Exception) -> PresenceTold:
        """Raise why the subscription ended: there is nothing to tell about it."""
        raise reason

    def leave(self) -> None:
        """End the subscription."""
        self._looks.watch.remove(self._listener)


class PresenceLooks:
    """Looks who is there, for one node's subscribers."""

    def __init__(
        self,
        db: Database,
        registry: Registry,
        bus: Bus,
        cork: Cork,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.watch = Watch()
        self._db = db
        self._registry = registry
        self._bus = bus
        self._cork = cork
        self._now = now
        self._turns = Turns(READING, waiting=MAY_WAIT, timeout=BEGIN_TIMEOUT)
        self._to_look_at: set[UUID] = set()
        self._to_resight: set[UUID] = set()
        self._news = asyncio.Event()
        self._looked: asyncio.Future[None] | None = None  # resolved by the end of the next round
        self._failing = False
        registry.on_moved(self.announce)
        bus.on("presence", self._heard)
        bus.on_rebuilt(self.look_at_everybody)

    # --- who listens --------------------------------------------------------------------------

    def listen(self, viewer: Viewer, ids: Collection[UUID]) -> PresenceFeed:
        """Return a subscription to whether these people are there."""
        return PresenceFeed(self, PresenceListener(viewer, ids))

    async def begin(self, listener: PresenceListener) -> list[PresenceTold]:
        """Enter a subscription and return what it begins with; see `PresenceFeed.missed`."""
        if not 0 < len(listener.ids) <= MAX_IDS:
            raise InvalidInput(f"It takes 1 to {MAX_IDS} people.", path=["userIds"])
        self.watch.add(listener)
        own = listener.viewer.user_id
        try:
            async with asyncio.timeout(BEGIN_TIMEOUT):
                # Who has just connected, to listen, is there.
                unknown = self.watch.unknown(listener.ids) | ({own} & set(listener.ids))
                while unknown:
                    await self._round(unknown)
                    unknown = self.watch.unknown(listener.ids)
                while True:
                    listener.stale = False
                    async with self._turns.turn(), self._db.reading() as connection:
                        found, seen = await sights.of_many(
                            connection, listener.viewer, listener.ids
                        )
                    if not listener.stale:
                        return self.watch.begin(listener, found, seen)
        except TimeoutError:
            raise Overloaded from None

    async def _round(self, user_ids: Collection[UUID]) -> None:
        """Wait until these people have been looked at, or that was tried."""
        if self._looked is None:
            self._looked = asyncio.get_running_loop().create_future()
        self._to_look_at.update(user_ids)
        self._news.set()
        await asyncio.shield(self._looked)

    def end_all(self, _: Exception) -> None:
        """End every subscription: who may know what may have changed without having been told."""
        self.watch.end_all(Overloaded())

    # --- what may have changed ----------------------------------------------------------------

    def announce(self, user_ids: Collection[UUID]) -> None:
        """People may be there now, or not any more: have every node look, this one at once."""
        self.look_at(user_ids)
        ids = list(user_ids)
        if len(ids) > EVERYBODY:
            self._bus.say("presence")
            return
        for start in range(0, len(ids), IN_HINT):
            self._bus.say("presence", users=[each.hex for each in ids[start : start + IN_HINT]])

    def _heard(self, hint: Hint) -> None:
        if "users" in hint:
            self.look_at([UUID(each) for each in hint["users"]])
        else:
            self.look_at_everybody()

    def look_at(self, user_ids: Collection[UUID]) -> None:
        """Look at these people soon, if anybody wants to know."""
        if concerned := [each for each in user_ids if each in self.watch]:
            self._to_look_at.update(concerned)
            self._news.set()

    def look_at_everybody(self) -> None:
        """Look at everybody soon."""
        self.look_at(self.watch.everybody())

    def reconsider(self, user_ids: Collection[UUID]) -> None:
        """What people may know of these, and these of others, may have become something else."""
        concerned = {each for each in user_ids if each in self.watch or self.watch.of_viewer(each)}
        if concerned:
            self._to_resight |= concerned
            self.look_at(concerned)
            self._news.set()

    def happened(self, event: Event) -> None:
        """Take note of what the log tells, on every node, whatever becomes of the bus."""
        match event:
            case SettingsChanged(user_id=user_id) | BlocksChanged(user_id=user_id):
                self.reconsider([user_id])
            case MemberJoined(membership=membership) | MemberLeft(membership=membership):
                self.reconsider([membership.user_id])
            case ChatCreated(founder_ids=founder_ids):
                self.reconsider(founder_ids)
            # The first that somebody writes in a direct chat makes the other one their contact. It
            # is not told from any later one, so few are asked about: of whom something is hidden.
            case MessageSent(chat=chat, sender=sender) if chat.kind == ChatKind.DIRECT:
                if self.watch.hides(sender.id):
                    self.reconsider([sender.id])

    # --- looking ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look until cancelled; what could not be read is read the next time."""
        loop = asyncio.get_running_loop()
        everybody_at = loop.time() + LOOK_INTERVAL
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._news.wait()
            self._news.clear()
            if loop.time() >= everybody_at:
                everybody_at = loop.time() + LOOK_INTERVAL
                self.look_at_everybody()
            try:
                async with asyncio.timeout(ROUND_TIMEOUT):
                    await self.look()
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                self._fail(error)
            else:
                self._failing = False
            await asyncio.sleep(GATHER)

    async def look(self) -> None:
        """Look at whoever may have become another, and tell it."""
        looked, self._looked = self._looked, None
        wanted = self._to_look_at | self.watch.due(self._now())
        self._to_look_at = set()
        try:
            if wanted:
                await self._cork.over(await self._tellings(wanted), _deliver)
            await self._resight()
        except BaseException:
            self._to_look_at |= wanted
            raise
        finally:
            if looked is not None and not looked.done():
                looked.set_result(None)

    async def _tellings(self, wanted: Collection[UUID]) -> list[Telling]:
        known = await read_known(self._db, self._registry, wanted)
        now = self._now()
        people = {}
        if changing := self.watch.changing(known, now):
            async with self._db.reading() as connection:
                people = await users.by_ids(connection, changing)
        return self.watch.learn(known, people, now)

    async def _resight(self) -> None:
        """See what those may know who are concerned by a change."""
        while self._to_resight:
            user_id = self._to_resight.pop()
            try:
                await self._resight_one(user_id)
            except BaseException:
                self._to_resight.add(user_id)
                raise

    async def _resight_one(self, user_id: UUID) -> None:
        own, to = self.watch.of_viewer(user_id), self.watch.to(user_id)
        async with self._db.reading() as connection:
            for listener in own:
                found, _ = await sights.of_many(connection, listener.viewer, listener.ids)
                people = await users.by_ids(connection, listener.ids)
                self.watch.resight(listener, found, people)
            people = await users.by_ids(connection, [user_id])
            if user_id not in people:
                return
            for start in range(0, len(to), AT_ONCE):
                some = to[start : start + AT_ONCE]
                kinds = {each.viewer.user_id: each.viewer.kind for each in some}
                by_viewer = await sights.by_many(connection, people[user_id], kinds)
                for listener in some:
                    found = {user_id: by_viewer[listener.viewer.user_id]}
                    self.watch.resight(listener, found, people)

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.warning("presence_unknown", error=str(error) or type(error).__name__)


def _deliver(telling: Telling) -> None:
    told, to = telling
    for listener in to:
        listener.mailbox.put(told)
