"""The log as tailer, hub and feeds read it: all they know of a database.

`DatabaseLog` is the real one. Nothing else of these three does I/O, so that tests can run them over
a log in memory.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from models import catch_up, events, log_state, members, receipts
from models.catch_up import Missed
from models.database import Connection, Database
from realtime.cursor import Cursor
from realtime.events import Event, ReceiptsAdvanced, load, load_receipts

LOAD_AT_ONCE = 500  # events whose chats, messages and people are loaded together


@dataclass(frozen=True, slots=True)
class News:
    """What became visible since a position, loaded, and the position where it ends.

    Receipts come after the events, which they may refer to.
    """

    events: Sequence[Event]
    receipts: Sequence[ReceiptsAdvanced]
    position: str


@dataclass(frozen=True, slots=True)
class Extent:
    """Which log this is, and from where on it can still be told.

    A position is a number, or begins with one; it is too old when that is below `oldest`.
    """

    epoch: str
    oldest: int


class Log(Protocol):
    """What is read of the event log. Every read is of what is committed, and may fail or hang."""

    async def present(self) -> Cursor:
        """Return the settled place after everything that is committed by now."""

    async def extent(self) -> Extent:
        """Return which log this is, and how far back it goes."""

    async def since(self, position: str) -> News:
        """Return what became visible since a position; if anything did, where it ends is settled.

        Events that concern nobody any more are left out.
        """

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: str
    ) -> Missed:
        """Return what a person missed since a position until now, which is settled.

        `chat_ids` leaves out everything but these chats.
        """

    async def missed_between(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        *,
        since: str,
        until: str,
        after_id: int = 0,
    ) -> Missed:
        """Return what a person missed between two positions.

        `after_id` leaves out the events of a batch that were delivered before it was cut off.
        """

    async def page(self, missed: Missed, limit: int) -> Sequence[Event] | None:
        """Return the first events of what was missed, in the log's order, and take them off it.

        None when the log does not hold them any more.
        """

    async def receipts(
        self, missed: Missed, chat_ids: Collection[UUID] | None
    ) -> Sequence[ReceiptsAdvanced]:
        """Return what moved in the time that was missed, as far as the person may see it."""

    async def memberships(self, user_id: UUID) -> dict[UUID, int]:
        """Return every chat a person is in, with the event number from which they are in it."""

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        """Whether a person is in a chat."""


class DatabaseLog:
    """The log of a database, each read in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def present(self) -> Cursor:
        """See `Log.present`."""
        async with self._db.reading() as connection:
            state = await log_state.read(connection)
            position = await events.position(connection)
        await self._settle(position)
        return Cursor(state.epoch, position)

    async def extent(self) -> Extent:
        """See `Log.extent`."""
        async with self._db.reading() as connection:
            state = await log_state.read(connection)
        # On PostgreSQL a position has seen all that is older than what was running then; what was
        # pruned has to be older than that.
        oldest = state.floor + 1 if self._db.dialect == "postgresql" else state.floor
        return Extent(state.epoch, oldest)

    async def since(self, position: str) -> News:
        """See `Log.since`."""
        async with self._db.reading() as connection:
            batch = await events.since(connection, position)
            loaded = await _load(connection, batch.events)
            moved = await receipts.between(connection, position, batch.position)
            advanced = await load_receipts(connection, moved)
        if loaded or advanced:
            await self._settle(batch.position)
        return News(loaded, advanced, batch.position)

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: str
    ) -> Missed:
        """See `Log.missed`."""
        async with self._db.reading() as connection:
            missed = await catch_up.missed(connection, user_id, since=since, chat_ids=chat_ids)
        await self._settle(missed.until)
        return missed

    async def missed_between(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        *,
        since: str,
        until: str,
        after_id: int = 0,
    ) -> Missed:
        """See `Log.missed_between`."""
        async with self._db.reading() as connection:
            return await catch_up.missed(
                connection, user_id, since=since, after_id=after_id, until=until, chat_ids=chat_ids
            )

    async def page(self, missed: Missed, limit: int) -> Sequence[Event] | None:
        """See `Log.page`."""
        of_chats = bool(missed.ranges)
        async with self._db.reading() as connection:
            logged = await catch_up.page(connection, missed, limit)
            return None if of_chats and not logged else await _load(connection, logged)

    async def receipts(
        self, missed: Missed, chat_ids: Collection[UUID] | None
    ) -> Sequence[ReceiptsAdvanced]:
        """See `Log.receipts`."""
        async with self._db.reading() as connection:
            moved = await receipts.shown_between(
                connection,
                missed.user_id,
                since=missed.since,
                until=missed.until,
                chat_ids=chat_ids,
            )
            return await load_receipts(connection, moved)

    async def memberships(self, user_id: UUID) -> dict[UUID, int]:
        """See `Log.memberships`."""
        async with self._db.reading() as connection:
            return await members.of_user(connection, user_id)

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        """See `Log.is_member`."""
        async with self._db.reading() as connection:
            return bool(await members.of_chats(connection, user_id, [chat_id]))

    async def _settle(self, position: str) -> None:
        """Make sure that a position stays true, before any client gets it."""
        async with self._db.reading() as connection:
            if await events.settled(connection, position):
                return
        async with self._db.writing() as connection:
            await log_state.touch(connection)


async def _load(connection: Connection, logged: Sequence[events.LoggedEvent]) -> list[Event]:
    loaded: list[Event] = []
    for start in range(0, len(logged), LOAD_AT_ONCE):
        loaded += await load(connection, logged[start : start + LOAD_AT_ONCE])
    return loaded
