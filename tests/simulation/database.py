"""A database in memory that shows what is committed as PostgreSQL does, or as SQLite does.

On PostgreSQL transactions take their ids early and commit in another order, roll back, hold the
locks of chats, and a crash gives the ids of those that were rolled back last to others. On SQLite
there is one writer. What a statement reads, it reads in one moment: whoever calls a method here
without awaiting runs one statement.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from uuid import UUID

from models.catch_up import Missed, Range, take_off
from models.chats import Chat
from models.events import Batch, Changes, EventKind, LoggedEvent
from models.log_state import Present
from models.members import FIRST_EVENT_SEQ, Member, Since
from models.messages import Message
from models.receipts import Receipt
from models.users import User
from realtime.loading import Rows
from tests.simulation.chances import Kind

FAR = 2**62
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


# A chat and an event's number in it, or a person and the event's id.
Place = tuple[UUID, int]


class ConnectionLost(ConnectionError):
    """The database is away, or went away meanwhile."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log, and what only the simulation knows of it."""

    event: LoggedEvent
    xid: int
    version: int  # of the message that it is about
    committed_at: float

    @property
    def seq(self) -> int:
        """Its number in its chat; 0 for what is addressed to a person."""
        return self.event.seq or 0

    @property
    def place(self) -> Place:
        """What it is known by: where it happened, and its number there."""
        if self.event.chat_id is not None:
            return self.event.chat_id, self.seq
        assert self.event.user_id is not None
        return self.event.user_id, self.event.id


@dataclass(frozen=True, slots=True)
class Moved:
    """How far somebody is in a chat, since they last said so."""

    stay_id: UUID
    receipt: Receipt
    mark: int  # the transaction, or on SQLite the batch of receipts
    committed_at: float


@dataclass(slots=True)
class ChatState:
    """A chat with all that belongs to it, as it is committed."""

    chat: Chat
    events: list[Row] = field(default_factory=list)  # those that the log still holds
    last_event_seq: int = 0
    messages: dict[int, Message] = field(default_factory=dict)
    stays: list[Member] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def present(self, user_id: UUID) -> Member | None:
        """Return the stay of somebody who is in the chat."""
        for stay in self.stays:
            if stay.user_id == user_id and stay.left_seq is None:
                return stay
        return None

    def copy(self) -> ChatState:
        """Return what a backup holds of it."""
        return ChatState(
            self.chat,
            list(self.events),
            self.last_event_seq,
            dict(self.messages),
            list(self.stays),
        )


@dataclass(slots=True)
class Life:
    """All that happens between two restores: one epoch of the log."""

    epoch: str
    chats: dict[UUID, ChatState]
    # In the order of commits, also if pruned.
    history: list[Row | Moved] = field(default_factory=list)
    personal: list[Row] = field(default_factory=list)  # those that the log still holds
    receipts: dict[UUID, Moved] = field(default_factory=dict)  # by stay
    floor: int = 0
    pruned: bool = False


class Database:
    """What all nodes connect to."""

    def __init__(self, kind: Kind, random: Random) -> None:
        self.kind = kind
        self.life = Life("epoch0", {})
        self.lives = {self.life.epoch: self.life}
        self.users: dict[UUID, User] = {}
        self.generation = 0  # of connections: none survives a crash
        self.away = False
        self.next_id = 1
        self.last_id = 0  # committed
        self.batches = 0  # of receipts, on SQLite
        self.last_key = 0
        # PostgreSQL
        self.next_xid = 100
        self.latest_completed = 99
        self.running: set[int] = set()
        self.committed: set[int] = {99}
        # SQLite
        self.writer = asyncio.Lock()
        self._random = random
        self._backup: list[ChatState] | None = None

    @property
    def chats(self) -> dict[UUID, ChatState]:
        return self.life.chats

    def new_key(self) -> UUID:
        """Return a key above every one before it."""
        self.last_key += 1
        return UUID(int=self.last_key)

    # --- what a reader asks, each in one moment -----------------------------------------------

    def position(self) -> str:
        """Return the position that has seen everything that is visible."""
        if self.kind == "sqlite":
            return f"{self.last_id}:{self.batches}"
        xmax = self.latest_completed + 1
        running = sorted(xid for xid in self.running if xid < xmax)
        return f"{min([xmax, *running])}:{xmax}:{','.join(map(str, running))}"

    def present(self) -> Present:
        """See `models/log_state.py: present`."""
        return Present(
            self.position(),
            settled=self.kind == "sqlite" or self.latest_completed in self.committed,
            epoch=self.life.epoch,
            oldest=self.life.floor + (self.kind == "postgresql"),
        )

    def since(self, position: str) -> Batch:
        """See `models/events.py: since`."""
        seen = self.seen(position)
        rows = [row.event for row in self.logged() if not seen(row)]
        return Batch(sorted(rows, key=lambda event: event.id), self.present())

    def logged(self) -> Iterator[Row]:
        """Yield what is in the log, in no particular order."""
        yield from self.life.personal
        for state in self.chats.values():
            yield from state.events

    def missed(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        since: str,
        until: str | None = None,
        after_id: int = 0,
    ) -> Missed:
        """See `models/catch_up.py: missed`."""
        seen = self.seen(since)
        seen_at_end = self.seen(until) if until is not None else None
        ranges = []
        for chat_id, state in self.chats.items():
            for stay in state.stays:
                if stay.user_id != user_id or not (chat_ids is None or chat_id in chat_ids):
                    continue
                before = [
                    each.seq for each in state.events if each.event.id <= after_id or seen(each)
                ]
                oldest = state.events[0].seq if state.events else FAR
                first = before[-1] + 1 if before else oldest
                last = state.last_event_seq
                if seen_at_end is not None:
                    last = max((row.seq for row in state.events if seen_at_end(row)), default=0)
                first = max(stay.joined_seq, first)
                last = min(FAR if stay.left_seq is None else stay.left_seq, last)
                if first <= last:
                    ranges.append(Range(chat_id, first, last))
        present = self.present()
        missed = Missed(user_id, since, until or present.position, present, ranges, None)
        if chat_ids is None and any(self._personal(missed, after_id, seen_at_end)):
            missed.personal_after = after_id
        return missed

    def _personal(
        self, missed: Missed, after: int, seen_at_end: Callable[[Row], bool] | None
    ) -> Iterator[Row]:
        seen = self.seen(missed.since)
        for row in self.life.personal:
            theirs = row.event.user_id == missed.user_id and row.event.id > after
            if theirs and not seen(row) and (seen_at_end is None or seen_at_end(row)):
                yield row

    def page(self, missed: Missed, limit: int) -> Batch | None:
        """See `models/catch_up.py: page`."""
        rows = [
            row
            for each in missed.ranges
            if each.chat_id in self.chats
            for row in self.chats[each.chat_id].events
            if each.first <= row.seq <= each.last and row.seq < each.first + limit
        ]
        if missed.personal_after is not None:
            rows += self._personal(missed, missed.personal_after, self.seen(missed.until))
        found = sorted((row.event for row in rows), key=lambda event: event.id)[:limit]
        batch = Batch(found, self.present())
        return batch if take_off(missed, batch, limit) else None

    def receipts(
        self, since: str, until: str, user_id: UUID | None, chat_ids: Collection[UUID] | None
    ) -> list[Receipt]:
        """See `models/receipts.py: between` and, for one person, `shown_between`."""
        seen, seen_at_end = self._marked_by(since), self._marked_by(until)
        moved = [
            each
            for each in self.life.receipts.values()
            if seen_at_end(each.mark)
            and not seen(each.mark)
            and self._is_shown(each.receipt, user_id, chat_ids)
        ]
        return [each.receipt for each in sorted(moved, key=lambda each: each.mark)]

    def _is_shown(
        self, receipt: Receipt, user_id: UUID | None, chat_ids: Collection[UUID] | None
    ) -> bool:
        state = self.chats.get(receipt.chat_id)
        if state is None or state.present(receipt.user_id) is None:
            return False
        if user_id is None:
            return True
        return state.present(user_id) is not None and (
            chat_ids is None or receipt.chat_id in chat_ids
        )

    def rows(self) -> Rows:
        """Return what events may refer to, as it is now."""
        return Rows(
            chats={chat_id: state.chat for chat_id, state in self.chats.items()},
            messages={
                (chat_id, seq): message
                for chat_id, state in self.chats.items()
                for seq, message in state.messages.items()
            },
            people=self.users,
            stays=[stay for state in self.chats.values() for stay in state.stays],
            reactions=defaultdict(list),
            link_previews={},
            sessions={},
            founder_ids={
                chat_id: [
                    stay.user_id for stay in state.stays if stay.joined_seq == FIRST_EVENT_SEQ
                ]
                for chat_id, state in self.chats.items()
            },
        )

    def memberships(self, user_id: UUID) -> dict[UUID, Since]:
        """See `models/members.py: of_user`."""
        stays = {chat_id: state.present(user_id) for chat_id, state in self.chats.items()}
        return {
            chat_id: Since(stay.joined_seq, stay.first_message_seq)
            for chat_id, stay in stays.items()
            if stay is not None
        }

    def stays_of(self, user_id: UUID, *, present: bool) -> list[Member]:
        """Return somebody's stays, or only those that have not ended."""
        return [
            stay
            for state in self.chats.values()
            for stay in state.stays
            if stay.user_id == user_id and not (present and stay.left_seq is not None)
        ]

    def changes_after(self, chat_id: UUID, seq: int) -> Changes | None:
        """See `models/events.py: changes_after`."""
        logged = [row.event for row in self.chats[chat_id].events if row.seq >= seq]
        if not logged or logged[0].seq != seq:
            return None
        edited, reacted, roles = (
            [event for event in logged[1:] if event.kind == kind]
            for kind in (
                EventKind.MESSAGE_EDITED,
                EventKind.REACTIONS_CHANGED,
                EventKind.MEMBER_ROLE_CHANGED,
            )
        )
        return Changes(
            {event.message_seq for event in edited if event.message_seq},
            {event.message_seq for event in reacted if event.message_seq},
            {event.subject_id for event in roles if event.subject_id},
        )

    def seen(self, position: str) -> Callable[[Row], bool]:
        """Return what tells whether a row was visible at a position."""
        if self.kind == "sqlite":
            last = int(position.partition(":")[0])
            return lambda row: row.event.id <= last
        marked_by = self._marked_by(position)
        return lambda row: marked_by(row.xid)

    def _marked_by(self, position: str) -> Callable[[int], bool]:
        """Return what tells whether a transaction, or a batch of receipts, had ended by then."""
        if self.kind == "sqlite":
            batch = int(position.partition(":")[2])
            return lambda mark: mark <= batch
        xmin, xmax, running = parsed(position)
        return lambda mark: mark < xmin or (mark < xmax and mark not in running)

    # --- what happens to it -------------------------------------------------------------------

    def prune(self, newest_gone: int) -> None:
        """Forget the events up to an id; see `models/events.py: prune`."""
        self.forget(self.prunable(newest_gone))

    def prunable(self, newest_gone: int) -> set[Row]:
        """Return the events up to an id, without those that have to stay."""
        first_to_stay = FAR
        if self.kind == "postgresql":
            running = parsed(self.position())[0]
            newer = (row.event.id for row in self.logged() if row.xid >= running)
            first_to_stay = min(newer, default=FAR)
        return {
            row
            for row in self.logged()
            if row.event.id <= newest_gone and row.event.id < first_to_stay
        }

    def forget(self, gone: set[Row]) -> None:
        """Delete events, in a transaction that commits at once."""
        if not gone:
            return
        for rows in (self.life.personal, *(state.events for state in self.chats.values())):
            rows[:] = [row for row in rows if row not in gone]
        marks = [row.xid if self.kind == "postgresql" else row.event.id for row in gone]
        self.life.floor = max(self.life.floor, *marks)
        self.life.pruned = True
        self.touch()

    def touch(self) -> None:
        """Commit a transaction without events."""
        if self.kind == "postgresql":
            xid = self.take_xid()
            self.completed(xid, committed=True)

    def take_xid(self) -> int:
        """Return the id of a transaction that writes from now on."""
        xid, self.next_xid = self.next_xid, self.next_xid + 1
        self.running.add(xid)
        return xid

    def completed(self, xid: int, *, committed: bool) -> None:
        """Take note of the end of a transaction."""
        self.running.discard(xid)
        self.latest_completed = max(self.latest_completed, xid)
        if committed:
            self.committed.add(xid)

    def crash(self) -> None:
        """Lose every connection, every open transaction, and the last of what was rolled back."""
        self.generation += 1
        self.running.clear()
        if self.kind == "sqlite":
            self.next_id = self.last_id + 1
        # Nothing after the last commit needs to be on disk: its ids may be given away again.
        self.next_xid = self._random.randint(max(self.committed) + 1, self.next_xid)
        self.latest_completed = self.next_xid - 1

    def back_up(self) -> None:
        """Keep what is committed now, for `restore`."""
        self._backup = [state.copy() for state in self.chats.values()]

    def restore(self) -> None:
        """Become what was backed up, with another epoch and an empty log."""
        if self._backup is None:
            return
        self.crash()
        chats = {state.chat.id: state for state in self._backup}
        for state in chats.values():
            state.events = []
        self.life = Life(f"epoch{len(self.lives)}", chats)
        self.lives[self.life.epoch] = self.life
        self.back_up()
        self.writer = asyncio.Lock()
        if self._random.random() < 0.5:  # a database made anew begins to count anew
            self.next_id, self.last_id, self.batches = 1, 0, 0
            self.next_xid, self.latest_completed, self.committed = 50, 49, {49}


@lru_cache(maxsize=1024)
def parsed(snapshot: str) -> tuple[int, int, frozenset[int]]:
    """Return what a snapshot's text says: `xmin`, `xmax`, and who was running in between."""
    xmin, xmax, running = snapshot.split(":")
    return int(xmin), int(xmax), frozenset(map(int, filter(None, running.split(","))))
