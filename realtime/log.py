"""The log as tailer, hub and feeds read it: all they know of a database.

`DatabaseLog` is the real one. Nothing else of these three does I/O, so that tests can run them over
a log in memory.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from models import catch_up, events, log_state, members, receipts, settings
from models.catch_up import Missed
from models.database import Connection, Database
from models.log_state import Present
from models.members import Since
from realtime import past_stays
from realtime.cursor import Cursor
from realtime.events import Event, ReceiptsAdvanced, ResyncReason
from realtime.loading import load, load_receipts

LOAD_AT_ONCE = 500  # events whose chats, messages and people are loaded together


class Lost(Exception):
    """What follows a place in the log cannot be told any more."""

    def __init__(self, reason: ResyncReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class News:
    """What became visible since a place, loaded, and the position where it ends.

    Receipts come after the events, which they may refer to.
    """

    events: Sequence[Event]
    receipts: Sequence[ReceiptsAdvanced]
    position: str


class Log(Protocol):
    """What is read of the event log. Every read is of what is committed, and may fail or hang.

    Who reads on from a place is told in every read when that is of no use any more, as `Lost`: a
    connection may lead to another log at any time, and what follows a place may be pruned.
    """

    async def present(self) -> Cursor:
        """Return the settled place after everything that is committed by now."""

    async def check(self, place: Cursor) -> None:
        """Raise `Lost` unless what follows a place can be told."""

    async def since(self, place: Cursor) -> News:
        """Return what became visible since a place; where it ends is settled. Raises `Lost`.

        Events that concern nobody any more are left out.
        """

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: Cursor
    ) -> Missed:
        """Return what a person missed since a place until the present, which is settled.

        `chat_ids` leaves out everything but these chats. Raises `Lost`.
        """

    async def missed_between(
        self,
        user_id: UUID,
        chat_ids: Collection[UUID] | None,
        *,
        since: Cursor,
        until: Cursor,
        after_id: int = 0,
    ) -> Missed:
        """Return what a person missed between two places. Raises `Lost`.

        `after_id` leaves out the events of a batch that were delivered before it was cut off.
        """

    async def page(self, missed: Missed, limit: int) -> Sequence[Event]:
        """Return the first events of what was missed, in the log's order, and take them off it.

        Those of a stay that has ended show nothing that changed after it, and none shows a message
        from before its stay. Raises `Lost`.
        """

    async def receipts(
        self, missed: Missed, chat_ids: Collection[UUID] | None
    ) -> Sequence[ReceiptsAdvanced]:
        """Return what moved in the time that was missed, as far as the person may see it.

        Raises `Lost`.
        """

    async def memberships(self, user_id: UUID) -> dict[UUID, Since]:
        """Return every chat a person is in, with where what they see of it begins."""

    async def hides_receipts(self, user_id: UUID) -> bool:
        """Return whether a person shows nobody how far they have read, and is shown nobody's."""

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        """Whether a person is in a chat."""


class DatabaseLog:
    """The log of a database, each read in a transaction of its own."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def present(self) -> Cursor:
        """See `Log.present`."""
        async with self._db.reading() as connection:
            present = await log_state.present(connection)
            await _settle(connection, present)
        return Cursor(present.epoch, present.position)

    async def check(self, place: Cursor) -> None:
        """See `Log.check`."""
        async with self._db.reading() as connection:
            present = await log_state.present(connection)
        compare(place.epoch, place.end or place.start, present)
        compare(place.epoch, place.start, present)

    async def since(self, place: Cursor) -> News:
        """See `Log.since`."""

        async def read(connection: Connection) -> News:
            batch = await events.since(connection, place.start)
            present = batch.present
            compare(place.epoch, place.start, present)
            loaded = await _load(connection, batch.events)
            moved = await receipts.between(connection, place.start, present.position)
            advanced = await load_receipts(connection, moved)
            await _settle(connection, present)
            return News(loaded, advanced, present.position)

        # Of one moment: who leaves a chat a little later is still told what this batch says of it.
        return await self._db.read_whole(read)

    async def missed(
        self, user_id: UUID, chat_ids: Collection[UUID] | None, *, since: Cursor
    ) -> Missed:
        """See `Log.missed`."""
        async with self._db.reading() as connection:
            missed = await catch_up.missed(
                connection, user_id, since=since.start, chat_ids=chat_ids
            )
            compare(since.epoch, since.start, missed.present)
            await _settle(connection, missed.present)
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
        """See `Log.missed_between`."""
        async with self._db.reading() as connection:
            missed = await catch_up.missed(
                connection,
                user_id,
                since=since.start,
                after_id=after_id,
                until=until.start,
                chat_ids=chat_ids,
            )
        compare(since.epoch, since.start, missed.present)
        return missed

    async def page(self, missed: Missed, limit: int) -> Sequence[Event]:
        """See `Log.page`."""
        async with self._db.reading() as connection:
            batch = await catch_up.page(connection, missed, limit)
            if batch is None:
                compare(missed.present.epoch, missed.since, await log_state.present(connection))
                raise Lost(ResyncReason.EXPIRED)
            loaded = await _load(connection, batch.events)
            return await past_stays.veiled(connection, missed.user_id, loaded)

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
            advanced = await load_receipts(connection, moved)
            if advanced:
                present = await log_state.present(connection)
                compare(missed.present.epoch, missed.since, present)
            return advanced

    async def memberships(self, user_id: UUID) -> dict[UUID, Since]:
        """See `Log.memberships`."""
        async with self._db.reading() as connection:
            return await members.of_user(connection, user_id)

    async def hides_receipts(self, user_id: UUID) -> bool:
        """See `Log.hides_receipts`."""
        async with self._db.reading() as connection:
            return bool(await settings.hiding(connection, [user_id]))

    async def is_member(self, user_id: UUID, chat_id: UUID) -> bool:
        """See `Log.is_member`."""
        async with self._db.reading() as connection:
            return bool(await members.of_chats(connection, user_id, [chat_id]))


async def _settle(connection: Connection, present: Present) -> None:
    """Make sure that a position stays true, before anybody goes on from it.

    On the connection that read it, although a reading one: should PostgreSQL have crashed since,
    this fails, and so does the reading.
    """
    if not present.settled:
        await connection.commit()  # a transaction of its own
        await log_state.touch(connection)
        await connection.commit()


def compare(epoch: str, position: str, present: Present) -> None:
    """Raise `Lost` unless the log, as it is, can tell what follows a position in an epoch."""
    if epoch != present.epoch or not present.reaches(position):
        raise Lost(ResyncReason.LOG_REPLACED)
    if not present.tells_after(position):
        raise Lost(ResyncReason.EXPIRED)


async def _load(connection: Connection, logged: Sequence[events.LoggedEvent]) -> list[Event]:
    loaded: list[Event] = []
    for start in range(0, len(logged), LOAD_AT_ONCE):
        loaded += await load(connection, logged[start : start + LOAD_AT_ONCE])
    return loaded
