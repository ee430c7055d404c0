"""The log as one node reads it: through connections that are slow, break and hang."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TypeVar
from uuid import UUID

from models.catch_up import Missed
from models.events import Batch, LoggedEvent
from models.log_state import Present
from models.members import Since
from models.receipts import Receipt
from realtime.cursor import Cursor
from realtime.events import Event, ReceiptsAdvanced, ResyncReason
from realtime.loading import Rows, assembled
from realtime.log import Lost, News, compare
from realtime.past_stays import needs_changes, of_past_stays, with_veils
from tests.simulation.chances import Chances
from tests.simulation.clock import dice, pause
from tests.simulation.database import ConnectionLost, Database

T = TypeVar("T")

# A statement ends after 30 s, and who waits for a connection gives up after 10.
_HANGS = (1.0, 20.0, 40.0)  # seconds

_CALM_PACE = (0, 1)

# How many events were committed when the task last took the present: what it need not be told.
committed_at_present: ContextVar[int] = ContextVar("committed_at_present")


class MemoryLog:
    """`realtime/log.py: Log` over the database in memory."""

    def __init__(self, db: Database, chances: Chances, calm: asyncio.Event) -> None:
        self._db = db
        self._chances = chances
        self._generation = db.generation
        self._calm = calm

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """A transaction on one of the node's connections.

        All of them break in a crash, and are made anew once one was found to be broken.
        """
        if self._generation != self._db.generation or self._db.away:
            self._generation = self._db.generation
            raise ConnectionLost
        generation = self._generation
        yield
        if generation != self._db.generation:
            self._generation = self._db.generation
            raise ConnectionLost

    async def _ask(self, statement: Callable[[], T]) -> T:
        """Run a statement: it reads in one moment, somewhere on the way there and back."""
        generation = self._db.generation
        await pause(self._pace())
        self._check(generation)
        if not self._calm.is_set():
            if dice.get().random() < self._chances.read_fails:
                raise ConnectionLost
            if dice.get().random() < self._chances.read_hangs:
                async with asyncio.timeout(dice.get().choice(_HANGS)):
                    await self._calm.wait()
                raise ConnectionLost
        answer = statement()
        await pause(self._pace())
        self._check(generation)
        return answer

    def _pace(self) -> Sequence[int]:
        return _CALM_PACE if self._calm.is_set() else self._chances.database_pace

    def _check(self, generation: int) -> None:
        if generation != self._db.generation:
            self._generation = self._db.generation
            raise ConnectionLost

    async def _load(self, logged: Sequence[LoggedEvent]) -> list[Event]:
        return assembled(logged, await self._ask(self._db.rows)) if logged else []

    async def _settle(self, present: Present) -> None:
        if not present.settled:
            await self._ask(self._db.touch)

    # --- what the product asks, as `DatabaseLog` does it --------------------------------------

    async def present(self) -> Cursor:
        async with self._reading():
            present, committed = await self._ask(
                lambda: (self._db.present(), len(self._db.life.history))
            )
            await self._settle(present)
        committed_at_present.set(committed)
        return Cursor(present.epoch, present.position)

    async def check(self, place: Cursor) -> None:
        async with self._reading():
            present = await self._ask(self._db.present)
        compare(place.epoch, place.end or place.start, present)
        compare(place.epoch, place.start, present)

    async def since(self, place: Cursor) -> News:
        async with self._reading():
            batch, rows, moved = await self._ask(lambda: self._read_since(place.start))
            await pause(self._pace())
            present = batch.present
            compare(place.epoch, place.start, present)
            await self._settle(present)
        return News(assembled(batch.events, rows), moved, present.position)

    def _read_since(self, position: str) -> tuple[Batch, Rows, list[ReceiptsAdvanced]]:
        """Several statements of one moment."""
        batch = self._db.since(position)
        receipts = self._db.receipts(position, batch.present.position, None, None)
        return batch, self._db.rows(), self._advanced(receipts)

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: Cursor
    ) -> Missed:
        async with self._reading():
            missed = await self._ask(lambda: self._db.missed(user_id, chat_ids, since.start))
            compare(since.epoch, since.start, missed.present)
            await self._settle(missed.present)
        return missed

    async def missed_between(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        *,
        since: Cursor,
        until: Cursor,
        after_id: int = 0,
    ) -> Missed:
        async with self._reading():
            missed = await self._ask(
                lambda: self._db.missed(user_id, chat_ids, since.start, until.start, after_id)
            )
        compare(since.epoch, since.start, missed.present)
        return missed

    async def page(self, missed: Missed, limit: int) -> Sequence[Event]:
        async with self._reading():
            batch = await self._ask(lambda: self._db.page(missed, limit))
            if batch is None:
                present = await self._ask(self._db.present)
                compare(missed.present.epoch, missed.since, present)
                raise Lost(ResyncReason.EXPIRED)
            return await self._veiled(missed.user_id, await self._load(batch.events))

    async def receipts(
        self, missed: Missed, chat_ids: Collection[UUID] | None
    ) -> Sequence[ReceiptsAdvanced]:
        async with self._reading():
            moved = await self._ask(
                lambda: self._db.receipts(missed.since, missed.until, missed.user_id, chat_ids)
            )
            advanced = await self._ask(lambda: self._advanced(moved))
            if advanced:
                present = await self._ask(self._db.present)
                compare(missed.present.epoch, missed.since, present)
            return advanced

    async def _veiled(self, user_id: UUID, events: Sequence[Event]) -> Sequence[Event]:
        """See `realtime/past_stays.py: veiled`."""
        present = await self._ask(lambda: self._db.stays_of(user_id, present=True))
        by_chat = {stay.chat_id: stay for stay in present}
        past = of_past_stays(events, by_chat)
        stays = await self._ask(lambda: self._db.stays_of(user_id, present=False))
        leavings = {
            (stay.chat_id, stay.left_seq)
            for event in past
            if (stay := needs_changes(event, user_id, stays)) and stay.left_seq is not None
        }
        changes = {
            each: await self._ask(lambda each=each: self._db.changes_after(*each))  # type: ignore[misc]
            for each in leavings
        }
        return with_veils(events, user_id, by_chat, stays, changes)

    def _advanced(self, receipts: Sequence[Receipt]) -> list[ReceiptsAdvanced]:
        return [
            ReceiptsAdvanced(
                self._db.chats[each.chat_id].chat,
                self._db.users[each.user_id],
                each.delivered_seq,
                each.read_seq,
                each.moved_at,
            )
            for each in receipts
        ]

    async def memberships(self, user_id: UUID) -> dict[UUID, Since]:
        async with self._reading():
            return await self._ask(lambda: self._db.memberships(user_id))

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        async with self._reading():
            return await self._ask(lambda: chat_id in self._db.memberships(user_id))

    async def hides_receipts(self, user_id: UUID) -> bool:
        async with self._reading():
            return False  # nobody does here
