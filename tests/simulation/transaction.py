"""A writer's transaction on the database in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import UUID

from models.events import EventKind, LoggedEvent
from models.members import Member
from models.messages import Message
from models.receipts import Receipt
from tests.simulation.clock import now
from tests.simulation.database import (
    BEGINNING,
    ChatState,
    ConnectionLost,
    Database,
    Moved,
    Row,
)


class Transaction:
    """One writer's transaction: nothing of it is seen before `commit`."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._generation = db.generation
        self._held: list[asyncio.Lock] = []
        self._changes: list[Callable[[], None]] = []
        self._rows: list[Row] = []
        self._ids_before = db.next_id
        self._xid: int | None = None
        self._over = False

    async def begin(self) -> None:
        """Take part; on SQLite as soon as nobody else writes."""
        if self._db.away:
            raise ConnectionLost
        if self._db.kind == "sqlite":
            await self._hold(self._db.writer)
            self._ids_before = self._db.next_id

    async def _hold(self, lock: asyncio.Lock) -> None:
        await lock.acquire()
        self._held.append(lock)
        self.check()

    def check(self) -> None:
        """Raise `ConnectionLost` if the database has crashed since."""
        if self._generation != self._db.generation:
            raise ConnectionLost

    def write(self) -> int:
        """Take a transaction's id, as the first statement that writes does."""
        if self._xid is None:
            self._xid = self._db.take_xid() if self._db.kind == "postgresql" else 0
        return self._xid

    async def lock(self, chat_ids: Collection[UUID]) -> list[ChatState]:
        """Lock chats, in the order of their ids, and return them."""
        self.write()
        chats = self._db.chats
        states = [chats[chat_id] for chat_id in sorted(chat_ids) if chat_id in chats]
        for state in states:
            await self._hold(state.lock)
        return states

    def record(
        self,
        state: ChatState,
        kind: EventKind,
        actor_id: UUID,
        *,
        subject_id: UUID | None = None,
        message: Message | None = None,
    ) -> int:
        """Append to the log, in a locked chat; returns the event's number."""
        ours = sum(row.event.chat_id == state.chat.id for row in self._rows)
        seq = state.last_event_seq + ours + 1
        self._append(
            LoggedEvent(
                id=self._db.next_id,
                chat_id=state.chat.id,
                user_id=None,
                seq=seq,
                kind=kind.value,
                actor_id=actor_id,
                subject_id=subject_id,
                message_seq=message.seq if message else None,
                created_at=BEGINNING,
            ),
            int(message.text) if message else 0,
        )
        return seq

    def record_to(self, user_id: UUID, kind: EventKind, subject_id: UUID) -> None:
        """Append to the log what concerns one person alone."""
        event = LoggedEvent(
            id=self._db.next_id,
            chat_id=None,
            user_id=user_id,
            seq=None,
            kind=kind.value,
            actor_id=None,
            subject_id=subject_id,
            message_seq=None,
            created_at=BEGINNING,
        )
        self._append(event, 0)

    def _append(self, event: LoggedEvent, version: int) -> None:
        self._db.next_id += 1
        self._rows.append(Row(event, self.write(), version, 0.0))

    def mark(self, state: ChatState, stay: Member, delivered: int, read: int) -> None:
        """Let a stay's pointers be further from the commit on, if they are not already."""
        xid, db = self.write(), self._db

        def change() -> None:
            last = len(state.messages)
            before = db.life.receipts.get(stay.id)
            then = (before.receipt.delivered_seq, before.receipt.read_seq) if before else (0, 0)
            after = max(then[0], min(delivered, last)), max(then[1], min(read, last))
            if after == then:
                return
            db.batches += db.kind == "sqlite"
            moved = Moved(
                stay.id,
                Receipt(state.chat.id, stay.user_id, *after, BEGINNING),
                db.batches if db.kind == "sqlite" else xid,
                now(),
            )
            db.life.receipts[stay.id] = moved
            db.life.history.append(moved)

        self.then(change)

    def then(self, change: Callable[[], None]) -> None:
        """Change what is committed, at the commit."""
        self._changes.append(change)

    def commit(self) -> Sequence[Row]:
        """Let everybody see all of it at once; returns what is in the log now."""
        self.check()
        for change in self._changes:
            change()
        rows = [replace(row, committed_at=now()) for row in self._rows]
        for row in rows:
            if row.event.chat_id is None:
                self._db.life.personal.append(row)
            else:
                state = self._db.chats[row.event.chat_id]
                state.events.append(row)
                state.last_event_seq = row.seq
            self._db.last_id = max(self._db.last_id, row.event.id)
        self._db.life.history += rows
        self._end(committed=True)
        return rows

    def roll_back(self) -> None:
        """Let nobody ever see it; nothing happens after `commit`."""
        if not self._over:
            self._end(committed=False)

    def _end(self, *, committed: bool) -> None:
        self._over = True
        if self._generation == self._db.generation:
            if self._xid:
                self._db.completed(self._xid, committed=committed)
            if not committed and self._db.kind == "sqlite" and self._held:
                self._db.next_id = self._ids_before
        for lock in self._held:
            lock.release()
        self._held.clear()
