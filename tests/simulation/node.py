"""A node: the product's tailer, hub and feeds, over a log of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING
from uuid import UUID

from realtime import mailbox
from realtime.cursor import Cursor
from realtime.events import ChatEvent, Delivery, PersonalEvent, ReceiptsAdvanced
from realtime.feed import Feeds
from realtime.hub import EventSubscription, Hub
from realtime.mailbox import Mailbox
from realtime.tailer import RETRY_AFTER, Tailer
from realtime.wire import Cork
from tests.simulation.clock import TICK, dice
from tests.simulation.database import Place
from tests.simulation.log import MemoryLog

if TYPE_CHECKING:
    from tests.simulation.world import World


# Called when a subscription of the present task is live: whatever is committed after that has to
# reach it.
on_live: ContextVar[Callable[[Cursor], None]] = ContextVar("on_live")


def place(event: object) -> Place:
    """Return what a delivered event is known by; receipts by whose they are and how far."""
    match event:
        case ChatEvent(chat=chat, seq=seq):
            return chat.id, seq
        case PersonalEvent(user_id=user_id, id=id_):
            return user_id, id_
        case ReceiptsAdvanced(user=user, read_seq=read_seq):
            return user.id, -read_seq
    raise TypeError(event)


class NumberedSubscription(EventSubscription):
    """A subscription whose place in a set does not depend on its address in memory."""

    def __init__(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        mailbox: Mailbox[Delivery] | None = None,
    ) -> None:
        super().__init__(user_id, chat_ids, mailbox)
        self._number = dice.get().getrandbits(60)

    def __hash__(self) -> int:
        return self._number


class WatchedHub(Hub):
    """The hub, telling when a subscription has gone live."""

    async def go_live(self, subscription: EventSubscription) -> Cursor:
        """See `Hub.go_live`."""
        place = await super().go_live(subscription)
        on_live.get()(place)
        return place


class Node:
    """One of the processes that serve sockets."""

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self._world = world
        self._born = 0
        self._make()
        self._running: asyncio.Task[None] | None = None
        self.sessions: dict[asyncio.Task[None], None] = {}  # in order, as a set would not be

    def _make(self) -> None:
        self.up = False
        source, aside = self._log(), self._log()
        self.tailer = Tailer(aside)
        self.hub = WatchedHub(source, self.tailer, Cork())
        self._world.hubs.append(self.hub)
        self.tailer.on_batch(self._note)
        self.feeds = Feeds(source, self.tailer, self.hub)

    def _log(self) -> MemoryLog:
        """Return the log by connections of its own."""
        return MemoryLog(self._world.db, self._world.chances, self._world.calm)

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped since."""
        return self._running is not None

    def start(self) -> None:
        """Begin to serve."""
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self._born += 1
        self._world.act_as(f"{self.name} {self._born}")
        while not self.up:
            try:
                await self.tailer.start()
                self.up = True
            except OSError:
                await asyncio.sleep(RETRY_AFTER)
        self._world.note(self.name, "is up, at", self.tailer.place.start)
        await self.tailer.run()

    def _note(self, batch: Sequence[Delivery]) -> None:
        told = (self._world.title(place(each.event)) for each in batch)
        self._world.note(self.name, "delivers", *told, "and is at", self.tailer.place.start)
        for subscription in set().union(*self.hub._by_user.values()):
            if len(subscription.mailbox._items or ()) > mailbox.MAILBOX:
                self._world.problem("a mailbox holds more than it may")

    async def stop(self) -> None:
        """End, with every socket."""
        self.up = False
        for session in list(self.sessions):
            session.cancel()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None

    async def kill(self, seconds: float) -> None:
        """End, and be another process after a while."""
        self._world.note(self.name, "is killed")
        await self.stop()
        self._make()
        await asyncio.sleep(seconds)
        self.start()

    def ring_in(self, ticks: int) -> None:
        """Hear the bell a little later."""
        asyncio.get_running_loop().call_later(ticks * TICK, self.tailer.ring)
