"""The log as tailer, hub and feeds read it: all they know of a database.

`DatabaseLog` is the real one. Nothing else of these three does I/O, so that tests can run them over
a log in memory.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from models import catch_up, events, log_state, members
from models.catch_up import Missed, Range
from models.database import Connection, Database
from models.log_state import Present
from realtime.cursor import Cursor
from realtime.events import Event, load

LOAD_AT_ONCE = 500  # events whose chats, messages and people are loaded together


@dataclass(frozen=True, slots=True)
class News:
    """What became visible since a position, loaded, and the position where it ends."""

    events: Sequence[Event]
    position: str


class Log(Protocol):
    """What is read of the event log. Every read is of what is committed, and may fail or hang."""

    async def present(self) -> Cursor:
        """Return the settled place after everything that is committed by now."""

    async def state(self) -> Present:
        """Return which log this is, and how far back it goes."""

    async def since(self, position: str) -> News:
        """Return what became visible since a position; where it ends is settled.

        Events that concern nobody any more are left out.
        """

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: str
    ) -> Missed:
        """Return what a person missed since a position until the present, which is settled.

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

    async def page(self, ranges: list[Range], limit: int) -> Sequence[Event] | None:
        """Return the first events of these ranges in the log's order, and shorten the ranges.

        None when the log holds nothing of them any more.
        """

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
        present = await self.state()
        await self._settle(present)
        return Cursor(present.epoch, present.position)

    async def state(self) -> Present:
        """See `Log.state`."""
        async with self._db.reading() as connection:
            return await log_state.present(connection)

    async def since(self, position: str) -> News:
        """See `Log.since`."""
        async with self._db.reading() as connection:
            batch = await events.since(connection, position)
            loaded = await _load(connection, batch.events)
        await self._settle(batch.present)
        return News(loaded, batch.present.position)

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: str
    ) -> Missed:
        """See `Log.missed`."""
        async with self._db.reading() as connection:
            missed = await catch_up.missed(connection, user_id, since=since, chat_ids=chat_ids)
        await self._settle(missed.present)
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

    async def page(self, ranges: list[Range], limit: int) -> Sequence[Event] | None:
        """See `Log.page`."""
        async with self._db.reading() as connection:
            logged = await catch_up.page(connection, ranges, limit)
            return await _load(connection, logged) if logged else None

    async def memberships(self, user_id: UUID) -> dict[UUID, int]:
        """See `Log.memberships`."""
        async with self._db.reading() as connection:
            return await members.of_user(connection, user_id)

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        """See `Log.is_member`."""
        async with self._db.reading() as connection:
            return bool(await members.of_chats(connection, user_id, [chat_id]))

    async def _settle(self, present: Present) -> None:
        """Make sure that a position stays true, before anybody goes on from it."""
        if not present.settled:
            async with self._db.writing() as connection:
                await log_state.touch(connection)


async def _load(connection: Connection, logged: Sequence[events.LoggedEvent]) -> list[Event]:
    loaded: list[Event] = []
    for start in range(0, len(logged), LOAD_AT_ONCE):
        loaded += await load(connection, logged[start : start + LOAD_AT_ONCE])
    return loaded
