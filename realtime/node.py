"""Everything real-time of one node, wired together: bus, tailer, hub, open sockets."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

import structlog

from models.database import Database
from realtime.bus import Bus, Hint
from realtime.events import Delivery, Event, SessionEnded
from realtime.feed import Feeds
from realtime.file_watch import FileWatch
from realtime.groups import Groups
from realtime.hub import Hub
from realtime.last_seen import LastSeen
from realtime.leases import DatabaseLeases, Leases
from realtime.leases_redis import RedisLeases
from realtime.log import DatabaseLog
from realtime.online_counts import OnlineCounts
from realtime.people_seen import PeopleSeen
from realtime.presence_looks import PresenceLooks
from realtime.registry import Registry, RegistryUnavailable
from realtime.session_watch import SessionWatch
from realtime.sockets import Sockets
from realtime.tailer import Tailer
from realtime.tasks import end
from realtime.typing import TypingHint, TypingListeners
from realtime.wire import Cork

log = structlog.get_logger(__name__)

# Receipts come in swarms, one or two from everybody who got a message: they are told together.
RECEIPTS_DELAY = 0.1  # seconds


class Node:
    """What use-cases tell others through, and subscriptions listen to."""

    def __init__(self, db: Database, bus_url: str, node_id: str) -> None:
        source = DatabaseLog(db)
        # Whatever requests do to the database's connections, the log is read.
        self.tailer = Tailer(DatabaseLog(db.aside))
        self.cork = Cork()
        self.hub = Hub(source, self.tailer, self.cork)
        self.feeds = Feeds(source, self.tailer, self.hub)
        self.typing = TypingListeners(db, source, self.cork)
        self.groups = Groups()
        self.hub.on_left(self.typing.left)
        self.tailer.on_lost(self.typing.end_all)
        self.sockets = Sockets()
        self.bus = Bus(bus_url)
        self._leases: Leases = (
            RedisLeases(bus_url) if bus_url.startswith("redis") else DatabaseLeases(db)
        )
        self.registry = Registry(self._leases, self.sockets, node_id)
        self._people_seen = PeopleSeen(db, self.sockets)
        self.registry.before_gone(self._people_seen.gone)
        self.registry.on_moved(self._people_seen.came)
        self.presence = PresenceLooks(db, self.registry, self.bus, self.cork)
        self.tailer.on_lost(self.presence.end_all)
        self.online_counts = OnlineCounts(db, self.registry)
        # Called with the id of every session that ends, on whatever node.
        self.revoked_listeners: list[Callable[[UUID], None]] = [self.sockets.close_session]
        self._receipts_timer: asyncio.TimerHandle | None = None
        self.bus.on("log", lambda _: self.tailer.ring())
        self.bus.on("typing", self._typing)
        self.bus.on("revoked", lambda hint: self._session_ended(UUID(hint["session"])))
        self.bus.on_rebuilt(self.tailer.ring)
        self.bus.on_rebuilt(self.registry.look)
        self.tailer.on_batch(self._told)
        self.last_seen = LastSeen(db, self.sockets)
        self._session_watch = SessionWatch(db.aside, self.sockets, self._session_ended)
        self._file_watch = (
            FileWatch(db.sqlite_file(), self.tailer.ring) if db.dialect == "sqlite" else None
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read the log, and keep up the bus and the node's lease, inside the block."""
        await self.tailer.start()
        tasks = [
            asyncio.create_task(self.tailer.run(), name="tailer"),
            asyncio.create_task(self.bus.run(), name="bus"),
            asyncio.create_task(self._session_watch.run(), name="session watch"),
            asyncio.create_task(self.last_seen.run(), name="last seen"),
            asyncio.create_task(self.registry.run(), name="registry"),
            asyncio.create_task(self._people_seen.run(), name="people seen"),
            asyncio.create_task(self.presence.run(), name="presence"),
        ]
        if self._file_watch is not None:
            tasks.append(asyncio.create_task(self._file_watch.run(), name="file watch"))
        try:
            yield
        finally:
            if self._receipts_timer is not None:
                self._receipts_timer.cancel()
            await end(tasks)
            await self.typing.close()
            await self.groups.close()
            await self.registry.leave()
        for task in tasks:
            if not task.cancelled():
                task.result()  # a bug in one of them is not hushed up

    async def close(self) -> None:
        """Let go of what even a node that never ran may have connected to."""
        await self._leases.close()

    def announce_log(self) -> None:
        """There is something new in the log; call it after COMMIT."""
        self.tailer.ring()
        self.bus.say("log")

    def announce_receipts(self) -> None:
        """Pointers have moved; told soon, together with what moves until then."""
        if self._receipts_timer is None:
            loop = asyncio.get_running_loop()
            self._receipts_timer = loop.call_later(RECEIPTS_DELAY, self._receipts_due)

    def _receipts_due(self) -> None:
        self._receipts_timer = None
        self.announce_log()

    def announce_typing(self, typing: TypingHint) -> None:
        """Somebody types; told once, stored nowhere."""
        self.bus.say(
            "typing",
            chat=typing.chat_id.hex,
            user=typing.user_id.hex,
            typing=typing.typing,
            until=typing.expires_at.isoformat(),
        )

    async def end_session(self, session_id: UUID) -> None:
        """A session has ended: its sockets close here at once, and on every node.

        Call it after COMMIT. Where the bus does not carry it, the log does, a second later.
        """
        self._session_ended(session_id)
        # Always said, also where no other node has sockets: it may believe in the session still.
        self.bus.say("revoked", session=session_id.hex)
        if not self.bus.healthy() and (nodes := await self._holding(session_id)) != []:
            log.info("session_end_unheard", session=str(session_id), nodes=nodes)

    async def _holding(self, session_id: UUID) -> list[str] | None:
        """Return the other nodes that have sockets of a session, None if that is not known now."""
        if self.registry.trouble():
            return None
        try:
            return await self.registry.elsewhere(session_id)
        except RegistryUnavailable:
            return None

    def _typing(self, hint: Hint) -> None:
        self.typing.hear(
            TypingHint(
                chat_id=UUID(hint["chat"]),
                user_id=UUID(hint["user"]),
                typing=hint["typing"],
                expires_at=datetime.fromisoformat(hint["until"]),
            )
        )

    def _told(self, batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            if isinstance(delivery.event, SessionEnded):
                self._session_ended(delivery.event.session_id)
            elif isinstance(delivery.event, Event):
                self.presence.happened(delivery.event)

    def _session_ended(self, session_id: UUID) -> None:
        for listener in self.revoked_listeners:
            listener(session_id)
