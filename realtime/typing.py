"""Who types where: told once to those who listen in a chat, stored nowhere."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from models import chats, users
from models.chats import Chat
from models.database import Database
from models.errors import NotFound, Overloaded
from models.users import User
from realtime.groups import Renderings
from realtime.log import Log
from realtime.mailbox import Mailbox
from realtime.tasks import end, heed_cancellation
from realtime.wire import Cork

log = structlog.get_logger(__name__)

# What is said within so many seconds is loaded together, and written to a socket together.
TICK = 0.005
LOAD_TIMEOUT = 5.0  # seconds; what comes later than that is about the past
GATHERED = 1000  # people who start or stop within a tick and a loading; nobody hears of more


@dataclass(frozen=True, slots=True)
class TypingHint:
    """Somebody started or stopped typing, as nodes tell each other."""

    chat_id: UUID
    user_id: UUID
    typing: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody started or stopped typing, as subscribers are told."""

    hint: TypingHint
    chat: Chat
    user: User
    renderings: Renderings = field(default_factory=dict, init=False, compare=False, repr=False)


class TypingFeed:
    """One subscription to who types in a chat; a `Feed`."""

    __slots__ = ("_listeners", "chat_id", "mailbox", "user_id")

    def __init__(self, listeners: "TypingListeners", user_id: UUID, chat_id: UUID) -> None:
        self.user_id = user_id
        self.chat_id = chat_id
        self.mailbox: Mailbox[Typing] = Mailbox()
        self._listeners = listeners

    async def missed(self) -> AsyncGenerator[Typing, None]:
        """Yield nothing, for nothing is kept; raises `NotFound` unless the chat is theirs."""
        await self._listeners.authorise(self)
        for never in list[Typing]():
            yield never

    async def last_word(self, reason: Exception) -> Typing:
        """Raise why the subscription ended: there is nothing to tell about it."""
        raise reason

    def leave(self) -> None:
        """End the subscription."""
        self._listeners.remove(self)


class TypingListeners:
    """The subscribers of one node, by chat."""

    def __init__(self, db: Database, source: Log, cork: Cork) -> None:
        self._db = db
        self._cork = cork
        self._log = source
        self._by_chat: dict[UUID, set[TypingFeed]] = defaultdict(set)
        self._gathered: dict[tuple[UUID, UUID], TypingHint] = {}  # by person and chat
        self._telling: asyncio.Task[None] | None = None

    def listen(self, user_id: UUID, chat_id: UUID) -> TypingFeed:
        """Return a subscription, which hears everything from now on once it is authorised."""
        feed = TypingFeed(self, user_id, chat_id)
        self._by_chat[chat_id].add(feed)
        return feed

    async def authorise(self, feed: TypingFeed) -> None:
        """Raise `NotFound` unless the subscriber is in the chat; leaving it later is noticed."""
        if not await self._log.is_member(feed.user_id, feed.chat_id):
            raise NotFound("The chat", path=["chatId"])

    def remove(self, feed: TypingFeed) -> None:
        """Forget a subscription."""
        if (group := self._by_chat.get(feed.chat_id)) is not None:
            group.discard(feed)
            if not group:
                del self._by_chat[feed.chat_id]

    def left(self, user_id: UUID, chat_id: UUID) -> None:
        """End what somebody has who is not in the chat any more."""
        for feed in self._by_chat.get(chat_id, ()):
            if feed.user_id == user_id:
                feed.mailbox.end(NotFound("The chat", path=["chatId"]))

    def hear(self, hint: TypingHint) -> None:
        """Take a hint; it is told within a tick, together with what else comes until then."""
        if hint.chat_id not in self._by_chat:
            return
        key = (hint.user_id, hint.chat_id)
        if key not in self._gathered and len(self._gathered) >= GATHERED:
            return
        self._gathered[key] = hint  # the last one says it all
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(), name="typing")

    def end_all(self, _: Exception) -> None:
        """End every subscription: who has left which chat may not have been told."""
        for group in self._by_chat.values():
            for feed in group:
                feed.mailbox.end(Overloaded())

    async def close(self) -> None:
        """Tell nothing any more."""
        if self._telling is not None:
            await end([self._telling])

    async def _tell(self) -> None:
        try:
            while self._gathered:
                await asyncio.sleep(TICK)
                hints, self._gathered = list(self._gathered.values()), {}
                try:
                    async with asyncio.timeout(LOAD_TIMEOUT):
                        told = await self._loaded(hints)
                except Exception as error:  # noqa: BLE001 - whatever the driver raises
                    heed_cancellation()
                    log.warning("typing_not_told", error=str(error) or type(error).__name__)
                else:
                    await self._cork.over(told, self._deliver)
        finally:
            self._telling = None

    async def _loaded(self, hints: list[TypingHint]) -> list[Typing]:
        """Return hints with whom and what they are about, loaded once for everybody."""
        async with self._db.reading() as connection:
            of_chats = await chats.by_ids(connection, {hint.chat_id for hint in hints})
            people = await users.by_ids(connection, {hint.user_id for hint in hints})
        return [
            Typing(hint, of_chats[hint.chat_id], people[hint.user_id])
            for hint in hints
            if hint.chat_id in of_chats and hint.user_id in people
        ]

    def _deliver(self, told: Typing) -> None:
        """Tell everybody who listens in the chat, but not the one who types."""
        for feed in self._by_chat.get(told.hint.chat_id, ()):
            if feed.user_id != told.hint.user_id:
                feed.mailbox.put(told)
