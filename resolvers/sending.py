"""The way in for what comes often: messages and pointers, by the batch."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from models.chats import ChatKind
from models.database import Database
from models.sending import Change, Outcome, Rights, Rules, Standing, Writer
from models.sending_postgresql import FAST_LOCK_TIMEOUT, SLOW_LOCK_TIMEOUT, PostgresqlWriter
from models.sending_sqlite import SqliteWriter
from models.terms import Terms
from resolvers.group_commit import GroupCommit
from resolvers.permissions import Act, roles_with

Sending = GroupCommit[Change, Outcome]


def _standings(act: Act) -> frozenset[Standing]:
    return frozenset(
        (kind.value, role.value) for kind in ChatKind for role in roles_with(kind, act)
    )


# What the one permission table says of a send, for the statements that decide it.
RIGHTS = Rights(
    write=_standings(Act.WRITE),
    mention_all=_standings(Act.MENTION_ALL),
    hurry=_standings(Act.MODERATE),
)


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

    rules = Rules(RIGHTS, terms)
    async with AsyncExitStack() as stack:
        if db.dialect == "sqlite":
            # One writer at a time as it is: a second connection would only wait for the first.
            fast: Writer = SqliteWriter(db, rules)
            slow = fast
        else:
            fast = PostgresqlWriter(db, rules, lock_timeout=FAST_LOCK_TIMEOUT)
            slow = PostgresqlWriter(db, rules, lock_timeout=SLOW_LOCK_TIMEOUT)
            stack.push_async_callback(slow.close)
        stack.push_async_callback(fast.close)
        lanes = Sending(fast=fast.store, slow=slow.store, committed=committed)
        await stack.enter_async_context(lanes.running())
        yield lanes
