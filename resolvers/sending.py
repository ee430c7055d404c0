"""The way in for what comes often: messages and pointers, by the batch."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from models.database import Database
from models.sending import Change, Outcome, Writer
from models.sending_postgresql import FAST_LOCK_TIMEOUT, SLOW_LOCK_TIMEOUT, PostgresqlWriter
from models.sending_sqlite import SqliteWriter
from models.terms import Terms
from resolvers.group_commit import GroupCommit

Sending = GroupCommit[Change, Outcome]


@asynccontextmanager
async def sending(
    db: Database,
    terms: Terms,
    announce_log: Callable[[], None],
    announce_receipts: Callable[[], None],
) -> AsyncIterator[Sending]:
    """Yield the group commit; after each COMMIT it announces what that held.

    Connects when the first change comes.
    """

    def committed(outcomes: Sequence[Outcome]) -> None:
        # A duplicate may be of this very batch, committed when the connection was lost.
        if any(outcome.message is not None for outcome in outcomes):
            announce_log()
        elif any(outcome.chat is not None for outcome in outcomes):
            announce_receipts()

    async with AsyncExitStack() as stack:
        if db.dialect == "sqlite":
            # One writer at a time as it is: a second connection would only wait for the first.
            fast: Writer = SqliteWriter(db, terms)
            slow = fast
        else:
            fast = PostgresqlWriter(db, terms, lock_timeout=FAST_LOCK_TIMEOUT)
            slow = PostgresqlWriter(db, terms, lock_timeout=SLOW_LOCK_TIMEOUT)
            stack.push_async_callback(slow.close)
        stack.push_async_callback(fast.close)
        lanes = Sending(fast=fast.store, slow=slow.store, committed=committed)
        await stack.enter_async_context(lanes.running())
        yield lanes
