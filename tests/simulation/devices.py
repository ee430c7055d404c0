"""Those who listen: clients that read slowly, stall, hang up, and come back where they were."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from models.errors import NotFound, Overloaded
from realtime.cursor import Cursor, scope_of
from realtime.events import CursorAdvanced, Delivery, Event, ReceiptsAdvanced, ResyncRequired
from realtime.feed import EventFeed, told_by
from realtime.mailbox import SlowConsumer
from realtime.wire import SEND_TIMEOUT
from tests.simulation.clock import TICK, dice, now, pause
from tests.simulation.log import committed_at_present
from tests.simulation.node import Node, on_live, place
from tests.simulation.world import World

WIRE = 3  # frames between a node and a device that neither has to wait for


# What a node sends; None after the last frame.
Wire = asyncio.Queue[tuple[Delivery, str] | None]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event as a device received it."""

    at: float
    event: Event | ReceiptsAdvanced
    cursor: str  # its text


@dataclass(slots=True)
class Listening:
    """What one device heard from one beginning on, over however many connections."""

    device: str
    user_id: UUID
    chat_ids: frozenset[UUID] | None
    epoch: str
    earliest: int  # how many events were committed before the first that may be told
    latest: int | None  # … and before the first that has to be; None until that is known
    cursor: str | None = None  # the last one received
    heard: list[Heard] = field(default_factory=list)
    # Why it ended, if it did: what was missed from there on is excused.
    ended: str = ""

    @property
    def scope(self) -> str:
        return scope_of(self.chat_ids)


class Device:
    """A person's client: one subscription at a time, for ever."""

    def __init__(self, world: World, name: str, user_id: UUID) -> None:
        self.name = name
        self.user_id = user_id
        self.listenings: list[Listening] = []
        self.closings: list[tuple[float, str]] = []  # by the server, with the reason
        self.live = False
        self.frozen = False  # reads nothing until it is cut
        self._world = world
        self._session: asyncio.Task[None] | None = None

    @property
    def listening(self) -> Listening | None:
        """What it is listening to, unless that has just ended."""
        return self.listenings[-1] if self.listenings and not self.listenings[-1].ended else None

    def cut(self) -> None:
        """Lose the connection, at whatever moment this is."""
        if self._session is not None:
            self._session.cancel()

    async def run(self) -> None:
        """Connect, listen, and come back."""
        self._world.act_as(self.name)
        while True:
            up = [node for node in self._world.nodes if node.up]
            if up:
                await self._connected(dice.get().choice(up))
            await pause((1, 10) if self._world.calm.is_set() else (0, 1, 10, 200))

    async def _connected(self, node: Node) -> None:
        self._session = session = asyncio.create_task(self._use(node))
        node.sessions[session] = None
        try:
            await asyncio.wait([session])
        finally:
            node.sessions.pop(session, None)
            if not session.done():
                session.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await session
        if session.cancelled():
            self._world.note(self.name, "lost the connection to", node.name)
            return
        session.result()

    async def _use(self, node: Node) -> None:
        """Be connected, until either side has had enough."""
        try:
            listening = self.listening
            if listening is not None and listening.cursor is None:
                listening.ended = "cut off before there was a cursor"
            if listening is None or listening.ended:
                listening = await self._begin(node)
        except OSError:
            self._world.note(self.name, "could not fetch the cursor from", node.name)
            return
        wire: Wire = asyncio.Queue(WIRE)
        serving = asyncio.create_task(self._serve(node, listening, wire))
        reading = asyncio.create_task(self._read(listening, wire))
        try:
            await asyncio.wait([serving, reading], return_when=asyncio.FIRST_COMPLETED)
            if serving.done() and not serving.cancelled():
                if serving.result() == "complete":
                    await asyncio.wait([reading])
                else:
                    self._closed(listening, serving.result())
        finally:
            self.live = False
            for task in (serving, reading):
                task.cancel()
            await asyncio.wait([serving, reading])
        if reading.done() and not reading.cancelled():
            reading.result()

    async def _begin(self, node: Node) -> Listening:
        """Fetch the present cursor, or none: then what happens from now on is what is wanted."""
        db, chances = self._world.db, self._world.chances
        chat_ids = None
        if dice.get().random() < chances.limited and (mine := db.memberships(self.user_id)):
            chat_ids = frozenset(dice.get().sample(sorted(mine), k=min(2, len(mine))))
        if dice.get().random() < 0.5:
            present = await node.feeds.present()
            committed = committed_at_present.get()
            listening = Listening(
                self.name,
                self.user_id,
                chat_ids,
                present.epoch,
                earliest=committed,
                latest=committed,
                cursor=self._world.cursors.encode(present),
            )
        else:
            listening = Listening(
                self.name,
                self.user_id,
                chat_ids,
                db.life.epoch,
                earliest=len(db.life.history),
                latest=None,
            )
        self.listenings.append(listening)
        return listening

    # --- the node's side ----------------------------------------------------------------------

    async def _serve(self, node: Node, listening: Listening, wire: Wire) -> str:
        """Do what transports do; returns why it ended."""
        cursors = self._world.cursors
        after = listening.cursor
        start = None if after is None else cursors.decode(after, listening.scope)
        self._world.note(self.name, "subscribes at", node.name, "after", start or "nothing")
        on_live.set(lambda at: self._live(listening, at))
        try:
            feed = node.feeds.open(self.user_id, listening.chat_ids, start)

            def framed(delivery: Delivery) -> tuple[Delivery, str]:
                return delivery, cursors.encode(delivery.cursor, listening.scope)

            async def tell(delivery: Delivery) -> None:
                async with asyncio.timeout(SEND_TIMEOUT):
                    await wire.put(framed(delivery))

            def take(delivery: Delivery) -> bool:
                if wire.full():
                    return False
                wire.put_nowait(framed(delivery))
                return True

            try:
                if dice.get().random() < 0.5:
                    await _as_stream(feed, tell)
                else:
                    await _as_socket(feed, tell, take)
            finally:
                feed.leave()
            async with asyncio.timeout(SEND_TIMEOUT):
                await wire.put(None)
        except SlowConsumer:
            return "slow"
        except NotFound:
            return "not found"
        except Overloaded:
            return "overloaded"
        except TimeoutError:
            return "stalled or failed"
        except ConnectionError:
            return "failed"
        return "complete"

    def _live(self, listening: Listening, at: Cursor) -> None:
        self._world.note(self.name, "is live from", at.start)
        self.live = True
        if listening.latest is None:
            if at.epoch != listening.epoch:
                listening.epoch, listening.earliest = at.epoch, 0
            listening.latest = len(self._world.db.lives[at.epoch].history)

    def _closed(self, listening: Listening, reason: str) -> None:
        self._world.note(self.name, "is closed:", reason)
        self.closings.append((now(), reason))
        if reason == "not found":
            listening.ended = reason

    # --- the device's side --------------------------------------------------------------------

    async def _read(self, listening: Listening, wire: Wire) -> None:
        """Take frames until it hangs up."""
        chances = self._world.chances
        while True:
            frame = await wire.get()
            if frame is None:
                return
            await pause((0, 1) if self._world.calm.is_set() else chances.wire_pace)
            if self.frozen:
                await asyncio.Event().wait()  # until it is cut, or the server has had enough
            self._receive(listening, *frame)
            if self._world.calm.is_set():
                continue
            if dice.get().random() < chances.stalls:
                await self._stall(dice.get().choice((50, 500, 5_000, 25_000)) * TICK)
            if dice.get().random() < chances.hangs_up:
                return

    async def _stall(self, seconds: float) -> None:
        """Read nothing for so long, or until all is well."""
        self._world.note(self.name, "stalls for", seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._world.calm.wait()

    def _receive(self, listening: Listening, delivery: Delivery, text: str) -> None:
        event = delivery.event
        if isinstance(event, ResyncRequired):
            self._world.note(self.name, "must resync:", event.reason)
            listening.ended = event.reason
            return
        listening.cursor = text
        if isinstance(event, CursorAdvanced):
            self._world.note(self.name, "advances to", delivery.cursor.start)
            return
        self._world.note(
            self.name, "hears", f"{self._world.title(place(event))} {type(event).__name__}"
        )
        listening.heard.append(Heard(now(), event, text))


async def _as_stream(feed: EventFeed, tell: Callable[[Delivery], Awaitable[None]]) -> None:
    """Tell what `schema/engine.py: Engine.stream` tells, to whom waits for each."""
    async with aclosing(told_by(feed)) as deliveries:
        async for delivery in deliveries:
            await tell(delivery)


async def _as_socket(
    feed: EventFeed,
    tell: Callable[[Delivery], Awaitable[None]],
    take: Callable[[Delivery], bool],
) -> None:
    """Tell what `realtime/connection.py` tells: straight from the hub, if the wire takes it."""
    woken = asyncio.Event()
    try:
        async with aclosing(feed.missed()) as missed:
            async for delivery in missed:
                await tell(delivery)
        feed.mailbox.attach(take, woken.set)
        while True:
            await woken.wait()
            woken.clear()
            while (waiting := feed.mailbox.first()) is not None:
                await tell(waiting)
                feed.mailbox.drop_first()
    except Exception as reason:  # noqa: BLE001 - raised again, or told
        await tell(await feed.last_word(reason))
