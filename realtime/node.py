"""Everything real-time of one node, wired together: bus, tailer, hub, open sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from models.database import Database
from realtime.bus import Bus, Hint
from realtime.feed import Feeds
from realtime.hub import Hub, Typing
from realtime.log import DatabaseLog
from realtime.sockets import Sockets
from realtime.tailer import Tailer

# Receipts come in swarms, one or two from everybody who got a message: they are told together.
RECEIPTS_DELAY = 0.1  # seconds


class Node:
    """What use-cases tell others through, and subscriptions listen to."""

    def __init__(self, db: Database, bus_url: str) -> None:
        source = DatabaseLog(db)
        # Whatever requests do to the database's connections, the log is read.
        self.tailer = Tailer(DatabaseLog(db.aside))
        self.hub = Hub(source, self.tailer)
        self.feeds = Feeds(source, self.tailer, self.hub)
        self.sockets = Sockets()
        self.bus = Bus(bus_url)
        # Called with the id of every session that ends, on whatever node.
        self.revoked_listeners: list[Callable[[UUID], None]] = [self.sockets.close_session]
        self._receipts_timer: asyncio.TimerHandle | None = None
        self.bus.on("log", lambda _: self.tailer.ring())
        self.bus.on("typing", self._typing)
        self.bus.on("revoked", lambda hint: self._session_ended(UUID(hint["session"])))
        self.bus.on_rebuilt(self.tailer.ring)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read the log and keep the bus up inside the block."""
        await self.tailer.start()
        tasks = [
            asyncio.create_task(self.tailer.run(), name="tailer"),
            asyncio.create_task(self.bus.run(), name="bus"),
        ]
        try:
            yield
        finally:
            if self._receipts_timer is not None:
                self._receipts_timer.cancel()
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task

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

    def announce_typing(self, typing: Typing) -> None:
        """Somebody types; told once, stored nowhere."""
        self.bus.say(
            "typing",
            chat=typing.chat_id.hex,
            user=typing.user_id.hex,
            typing=typing.typing,
            until=typing.expires_at.isoformat(),
        )

    def announce_revoked(self, session_id: UUID) -> None:
        """A session has ended: its sockets close here at once, and on every node."""
        self._session_ended(session_id)
        self.bus.say("revoked", session=session_id.hex)

    def _typing(self, hint: Hint) -> None:
        self.hub.deliver_typing(
            Typing(
                chat_id=UUID(hint["chat"]),
                user_id=UUID(hint["user"]),
                typing=hint["typing"],
                expires_at=datetime.fromisoformat(hint["until"]),
            )
        )

    def _session_ended(self, session_id: UUID) -> None:
        for listener in self.revoked_listeners:
            listener(session_id)
