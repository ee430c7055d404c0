"""The chats of people who are in very many, kept in order, so that a page costs what it shows.

There is no index from a person to their chats by activity: with one, every message would have to
change a row for each member of its chat. So a list of chats reads all of them and sorts. For the
few chats that most people are in that costs nothing; for 10,000 it takes longer than all the rest
of a request. Of whom that is true, a node that is asked keeps the order and the counts, an inbox.

An inbox is never late. The tailer tells of whatever happens in a chat and of pointers that move,
and what it names is read again before the next answer; and what the tailer has not read yet, that
answer reads from the log by itself, in the same moment of the database as everything else. So it
is what a statement over all chats would have said: `tests/resolvers/test_inboxes.py` compares.
"""

import asyncio
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from models import events, inbox, receipts
from models.database import Connection, Database
from models.inbox import Entry
from realtime.cursor import Cursor
from realtime.events import (
    ChatCreated,
    ChatEvent,
    Delivery,
    MemberJoined,
    PersonalEvent,
    ReceiptsAdvanced,
)
from realtime.log import Lost, compare
from realtime.tailer import Tailer

# From so many chats on; below, the statement takes about a millisecond.
MANY = 300
# An entry takes 0.5 KB with all that leads to it: 100 MB on a node, or twenty people in 10,000
# chats each. Who was not asked for longest is forgotten first.
MAX_ENTRIES = 200_000
MAX_INBOXES = 64  # each is told of every event
FEW_FOR = 60.0  # seconds; how long somebody is taken to be in few chats without looking again
MAX_FEW = 50_000  # people of whom that is known
# What has changed since it was read is read again one by one, up to so many.
MAX_CHANGED = 1000

Place = tuple[datetime, UUID]


class Inbox:
    """One person's chats in order, and what has happened since they were read."""

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.lock = asyncio.Lock()
        self.changed: set[UUID] = set()
        # Chats that are told of while it is read, of which nobody knows yet whether they are in it.
        self.told_meanwhile: set[UUID] | None = None
        self.whole = True  # all of it is to be read again
        self.entries: dict[UUID, Entry] = {}
        self.unread = 0
        self._order: list[Place] = []  # ascending

    def replace(self, found: Sequence[Entry]) -> None:
        """Take entries as all that there are."""
        self.entries = {entry.chat_id: entry for entry in found}
        self._order = sorted(entry.place for entry in found)
        self.unread = sum(entry.unread for entry in found)

    def update(self, chat_ids: Collection[UUID], found: Sequence[Entry]) -> None:
        """Take entries as those of these chats; of chats without one the person is no member."""
        for chat_id in chat_ids:
            entry = self.entries.pop(chat_id, None)
            if entry is not None:
                del self._order[bisect_left(self._order, entry.place)]
                self.unread -= entry.unread
        for entry in found:
            self.entries[entry.chat_id] = entry
            insort(self._order, entry.place)
            self.unread += entry.unread

    def after(self, place: Place | None) -> Iterator[Entry]:
        """Yield entries, the latest activity first, after a place in the list."""
        end = len(self._order) if place is None else bisect_left(self._order, place)
        for number in range(end - 1, -1, -1):
            yield self.entries[self._order[number][1]]


class Inboxes:
    """The inboxes of one node."""

    def __init__(self, db: Database, tailer: Tailer) -> None:
        self._db = db
        self._tailer = tailer
        self._kept: OrderedDict[UUID, Inbox] = OrderedDict()
        # Who was in few chats lately, until when that is believed.
        self._few: OrderedDict[UUID, float] = OrderedDict()
        tailer.on_batch(self._told)
        tailer.on_lost(lambda _: self._kept.clear())

    async def page(
        self,
        user_id: UUID,
        *,
        after: Place | None,
        limit: int,
        wanted: Callable[[Entry], bool],
    ) -> list[UUID] | None:
        """Return the next of somebody's chats that are wanted; None if the database is to be asked.

        The latest activity comes first.
        """
        kept = await self._fresh(user_id)
        if kept is None:
            return None
        listed = []
        for entry in kept.after(after):
            if wanted(entry):
                listed.append(entry.chat_id)
                if len(listed) == limit:
                    break
        return listed

    async def unread_total(self, user_id: UUID) -> int | None:
        """Return how many messages somebody has not read; None if the database is to be asked."""
        kept = await self._fresh(user_id)
        return None if kept is None else kept.unread

    async def _fresh(self, user_id: UUID) -> Inbox | None:
        """Return somebody's inbox as of now; None for whom none is kept."""
        if not self._tailer.started or await self._has_few(user_id):
            return None
        kept = self._kept.get(user_id)
        if kept is None:
            kept = self._kept[user_id] = Inbox(user_id)
        self._kept.move_to_end(user_id)
        async with kept.lock:
            try:
                await self._bring_up(kept)
            except BaseException:
                kept.whole = True
                raise
        if kept.user_id in self._kept:
            self._forget_some()
        return kept

    async def _bring_up(self, kept: Inbox) -> None:
        """Read again what has changed, as far as the tailer has told and in the log since."""
        changed, kept.changed = kept.changed, set()
        whole, kept.whole = kept.whole, False
        place = self._tailer.place

        async def read(connection: Connection) -> tuple[set[UUID] | None, list[Entry]]:
            ids = None if whole else await _since(connection, kept, place)
            if ids is not None:
                ids |= changed
                if len(ids) > MAX_CHANGED:
                    ids = None
            if ids is None or ids:
                return ids, await inbox.entries(connection, kept.user_id, ids)
            return ids, []

        told: set[UUID] = set()
        kept.told_meanwhile = told
        try:
            ids, found = await self._db.read_whole(read)
        finally:
            kept.told_meanwhile = None
        if ids is None:
            kept.replace(found)
        else:
            kept.update(ids, found)
        # What was read may be from before that, and the log is not asked for it again.
        kept.changed |= told & kept.entries.keys()

    async def _has_few(self, user_id: UUID) -> bool:
        now = asyncio.get_running_loop().time()
        if user_id in self._kept:
            return False
        if self._few.get(user_id, 0) > now:
            return True
        async with self._db.reading() as connection:
            few = await inbox.count(connection, user_id, most=MANY) < MANY
        if few:
            self._few[user_id] = now + FEW_FOR
            self._few.move_to_end(user_id)
            if len(self._few) > MAX_FEW:
                self._few.popitem(last=False)
        return few

    def _forget_some(self) -> None:
        while len(self._kept) > 1 and (
            len(self._kept) > MAX_INBOXES
            or sum(len(kept.entries) for kept in self._kept.values()) > MAX_ENTRIES
        ):
            self._kept.popitem(last=False)

    def _told(self, batch: Sequence[Delivery]) -> None:
        for kept in self._kept.values():
            for delivery in batch:
                _note(kept, delivery)


def _note(kept: Inbox, delivery: Delivery) -> None:
    """Note what an event may have changed in an inbox."""
    match delivery.event:
        case MemberJoined(membership=membership) as event if membership.user_id == kept.user_id:
            kept.changed.add(event.chat.id)
        case ChatCreated() as event if kept.user_id in event.founder_ids:
            kept.changed.add(event.chat.id)
        case ChatEvent() as event if event.chat.id in kept.entries:
            kept.changed.add(event.chat.id)
        case ChatEvent() as event if kept.told_meanwhile is not None:
            kept.told_meanwhile.add(event.chat.id)
        case ReceiptsAdvanced() as receipt if receipt.user.id == kept.user_id:
            kept.changed.add(receipt.chat.id)
        case PersonalEvent(user_id=user_id) if user_id == kept.user_id:
            kept.whole = True
    if len(kept.changed) > MAX_CHANGED:
        kept.whole = True
        kept.changed.clear()


async def _since(connection: Connection, kept: Inbox, place: Cursor) -> set[UUID] | None:
    """Return the chats that have changed since a place in the log; None if anything may have."""
    news = await events.since(connection, place.start)
    try:
        compare(place.epoch, place.start, news.present)
    except Lost:
        return None
    moved = await receipts.between(connection, place.start, news.present.position)
    changed = {receipt.chat_id for receipt in moved if receipt.user_id == kept.user_id}
    for event in news.events:
        if event.user_id == kept.user_id:
            return None
        # Also those that the person may have come into.
        if event.chat_id is not None and (
            event.chat_id in kept.entries
            or event.subject_id == kept.user_id
            or event.kind == events.EventKind.CHAT_CREATED
        ):
            changed.add(event.chat_id)
    return changed
