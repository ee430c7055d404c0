"""The database in memory shows what the real ones show, after the same transactions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random
from uuid import UUID

import pytest
import sqlalchemy as sa

from models import catch_up, chats, events, log_state, members
from models.base import new_key
from models.catch_up import Missed
from models.chats import Chat
from models.database import Connection, Database
from models.events import EventKind, LoggedEvent
from models.members import Member
from tests.simulation import database as memory
from tests.simulation.database import BEGINNING, ChatState
from tests.simulation.transaction import Transaction

SEEDS = 5
STEPS = 50
CHATS = 3
PEOPLE = 2
PAIRS = 10  # of positions, between which what was missed is compared
LIMIT = 3  # events of a page


class RolledBack(Exception):
    """How a transaction ends that changes nothing."""


class Writing:
    """A transaction on both databases, with chats locked."""

    def __init__(self, both: Both) -> None:
        self._both = both
        self._stack = AsyncExitStack()
        self._connection: Connection
        self._shadow = Transaction(both.memory)
        self.states: dict[UUID, ChatState] = {}

    async def begin(self, chat_ids: list[UUID]) -> None:
        """Lock these chats."""
        self._connection = await self._stack.enter_async_context(self._both.db.writing())
        await self._shadow.begin()
        await chats.lock(self._connection, sorted(chat_ids))
        self.states = {state.chat.id: state for state in await self._shadow.lock(chat_ids)}

    async def record(self, chat_id: UUID, kind: EventKind, user_id: UUID) -> int:
        """Append an event; returns its number, which both have to agree on."""
        seq = await chats.next_event_seq(self._connection, chat_id)
        await events.record(
            self._connection,
            kind,
            now=BEGINNING,
            chat_id=chat_id,
            seq=seq,
            actor_id=user_id,
            subject_id=user_id,
        )
        state = self.states[chat_id]
        assert self._shadow.record(state, kind, user_id, subject_id=user_id) == seq
        return seq

    async def record_to(self, user_id: UUID) -> None:
        """Append what concerns one person alone."""
        kind, subject_id = EventKind.SESSION_STARTED, new_key()
        await events.record(
            self._connection, kind, now=BEGINNING, user_id=user_id, subject_id=subject_id
        )
        self._shadow.record_to(user_id, kind, subject_id)

    async def join(self, chat_id: UUID, user_id: UUID, seq: int) -> None:
        """Let somebody in, with an event recorded before."""
        stay = Member(new_key(), chat_id, user_id, "member", BEGINNING, seq, 1, None, 0, 0)
        await members.add(self._connection, [stay])
        self._shadow.then(lambda: self.states[chat_id].stays.append(stay))

    async def join_or_leave(self, chat_id: UUID, user_id: UUID) -> None:
        """Let somebody in who is out, and out who is in."""
        state = self.states[chat_id]
        stay = state.present(user_id)
        if stay is None:
            await self.join(
                chat_id, user_id, await self.record(chat_id, EventKind.MEMBER_JOINED, user_id)
            )
            return
        seq = await self.record(chat_id, EventKind.MEMBER_LEFT, user_id)
        await members.leave(self._connection, stay.id, seq)
        left = replace(stay, left_seq=seq)
        self._shadow.then(lambda: state.stays.__setitem__(state.stays.index(stay), left))

    async def commit(self) -> None:
        await self._stack.aclose()
        self._shadow.commit()

    async def roll_back(self) -> None:
        with pytest.raises(RolledBack):
            async with self._stack:
                raise RolledBack
        self._shadow.roll_back()


class Both:
    """A real database and the one in memory, to which the same is done."""

    def __init__(self, db: Database, seed: int) -> None:
        self.db = db
        self.random = Random(seed)
        self.memory = memory.Database(db.dialect, Random(seed))
        self.people = [new_key() for _ in range(PEOPLE)]
        self.open: list[Writing] = []
        self.positions: list[tuple[str, str]] = []  # as the one and the other call them

    async def begin(self) -> None:
        """Store people, and chats with all of them in."""
        async with self.db.writing() as connection:
            for user_id in self.people:
                await connection.execute(
                    sa.text(
                        "INSERT INTO users (id, handle, display_name, password_hash, created_at)"
                        " VALUES (:id, :handle, 'X', 'x', :now)"
                    ).bindparams(sa.bindparam("id", type_=sa.Uuid)),
                    {
                        "id": user_id,
                        "handle": user_id.hex,
                        "now": str(BEGINNING) if self.db.dialect == "sqlite" else BEGINNING,
                    },
                )
        for _ in range(CHATS):
            chat = Chat(
                new_key(), "group", "T", None, self.people[0], BEGINNING, 0, 0, BEGINNING, PEOPLE
            )
            async with self.db.writing() as connection:
                await chats.create(connection, chat, pair=None)
            self.memory.chats[chat.id] = ChatState(chat)
            writing = Writing(self)
            await writing.begin([chat.id])
            seq = await writing.record(chat.id, EventKind.CHAT_CREATED, self.people[0])
            for user_id in self.people:
                await writing.join(chat.id, user_id, seq)
            await writing.commit()

    async def step(self) -> None:
        """Do one thing that the dice choose, beside whatever is open."""
        busy = {chat_id for each in self.open for chat_id in each.states}
        free = [chat_id for chat_id in self.memory.chats if chat_id not in busy]
        one_writer = self.db.dialect == "sqlite"
        choices = ["look", *["go on"] * 5 * bool(self.open)]
        if not self.open or not one_writer:
            choices += [*["begin"] * 3 * bool(free), "prune"]
        match self.random.choice(choices):
            case "look":
                await self.look()
            case "begin":
                writing = Writing(self)
                await writing.begin(self.random.sample(free, self.random.randint(1, len(free))))
                self.open.append(writing)
            case "go on":
                await self.go_on(self.random.choice(self.open))
            case "prune":
                await self.prune()

    async def look(self) -> None:
        """Note the position."""
        async with self.db.reading() as connection:
            present = await log_state.present(connection)
        self.positions.append((present.position, self.memory.present().position))

    async def go_on(self, writing: Writing) -> None:
        chat_id, user_id = self.random.choice(list(writing.states)), self.random.choice(self.people)
        match self.random.choice(["say", "say", "move", "personal", "commit", "roll back"]):
            case "say":
                await writing.record(chat_id, EventKind.CHAT_CHANGED, user_id)
            case "move":
                # One change per transaction and person: what is not committed is not seen here.
                await writing.join_or_leave(chat_id, user_id)
                await self.end(writing)
            case "personal":
                await writing.record_to(user_id)
            case "commit":
                await self.end(writing)
            case "roll back":
                self.open.remove(writing)
                await writing.roll_back()

    async def end(self, writing: Writing) -> None:
        self.open.remove(writing)
        await writing.commit()

    async def prune(self) -> None:
        """Leave the newest events alone; the one in memory forgets what the real one did."""
        keep = self.random.randint(0, 12)
        everything = sa.select(events.events.c.id)
        async with self.db.writing() as connection:
            before = set((await connection.execute(everything)).scalars())
            await events.prune(connection, before=BEGINNING, keep=keep, limit=1000)
            gone = before - set((await connection.execute(everything)).scalars())
        prunable = self.memory.prunable(max(before, default=0) - keep)
        # Somebody else's transaction may keep PostgreSQL from forgetting more.
        assert gone <= {row.event.id for row in prunable}
        self.memory.forget({row for row in prunable if row.event.id in gone})

    # --- what both have to show -----------------------------------------------------------------

    async def compare(self) -> None:
        async with self.db.reading() as connection:
            present = await log_state.present(connection)
            for real, shadow in self.positions:
                ours = self.memory.present()
                assert present.tells_after(real) == ours.tells_after(shadow)
                news = await events.since(connection, real)
                same(news.events, self.memory.since(shadow).events)
            for user_id in self.people:
                memberships = await members.of_user(connection, user_id)
                assert memberships == self.memory.memberships(user_id)
                for _ in range(PAIRS):
                    await self.compare_missed(connection, user_id)

    async def compare_missed(self, connection: Connection, user_id: UUID) -> None:
        first, last = sorted(self.random.choices(range(len(self.positions)), k=2))
        since, until = self.positions[first], self.positions[last]
        chat_ids = self.random.choice([None, frozenset(list(self.memory.chats)[:2])])
        batch = self.memory.since(since[1]).events
        after_id = self.random.choice([0, *(event.id for event in batch)])
        pairs = [
            (
                await catch_up.missed(connection, user_id, since=since[0], chat_ids=chat_ids),
                self.memory.missed(user_id, chat_ids, since[1]),
            ),
            (
                await catch_up.missed(
                    connection,
                    user_id,
                    since=since[0],
                    until=until[0],
                    after_id=after_id,
                    chat_ids=chat_ids,
                ),
                self.memory.missed(user_id, chat_ids, since[1], until[1], after_id),
            ),
        ]
        for real, shadow in pairs:
            assert parts(real) == parts(shadow)
            told, shown = list[LoggedEvent](), list[LoggedEvent]()
            while real.left:
                page = await catch_up.page(connection, real, LIMIT)
                if page is None:
                    break
                told += page.events
            while shadow.left:
                page = self.memory.page(shadow, LIMIT)
                if page is None:
                    break
                shown += page.events
            # Pages need not be the same ones; whether all could be told has to be.
            assert real.left == shadow.left
            if not real.left:
                same(told, shown)


def parts(missed: Missed) -> tuple[set[tuple[UUID, int, int]], int | None]:
    return {(r.chat_id, r.first, r.last) for r in missed.ranges}, missed.personal_after


def same(real: Sequence[LoggedEvent], shadow: Sequence[LoggedEvent]) -> None:
    def told(event: LoggedEvent) -> tuple[object, ...]:
        return event.id, event.chat_id, event.user_id, event.seq, event.kind, event.subject_id

    assert list(map(told, real)) == list(map(told, shadow))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_the_database_in_memory_shows_what_the_real_one_shows(migrated_database_url, seed):
    db = Database(migrated_database_url)
    both = Both(db, seed)
    try:
        await both.begin()
        await both.look()
        for _ in range(STEPS):
            await both.step()
        await both.compare()
        while both.open:
            await both.end(both.open[0])
        await both.look()
        await both.compare()
    finally:
        for writing in both.open:
            await writing.roll_back()
        await db.close()
