"""What is known of the log as a whole: which log it is, and what of it is gone."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from models.base import metadata
from models.database import Connection

log_state = sa.Table(
    "log_state",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    # A restored database gets another one: what was read from its other life is no position in it.
    sa.Column("epoch", sa.Uuid, nullable=False),
    # Everything pruned has at most this number: a transaction id on PostgreSQL, else an event id.
    sa.Column("floor", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("touched", sa.BigInteger, nullable=False, server_default="0"),
    # On SQLite, how many batches have moved receipts; PostgreSQL counts transactions by itself.
    sa.Column("receipts", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint("id = 1", name="one_row"),
)


@dataclass(frozen=True, slots=True)
class Present:
    """The log at the moment of a statement.

    `position` has seen everything that is visible; it is `settled` if that stays true even should
    PostgreSQL crash this very moment. What was rolled back last need not be on disk yet: after a
    crash its transaction id would be given away again, and a position that counts it as seen would
    miss the event written under it. `touch`, committed, settles every position read before.

    `epoch`, short and opaque, says which log this is. A position begins with one or two numbers
    that only ever grow, parted by colons. What came after it can be told unless the first is below
    `oldest`; one that is ahead of the log's own is of another log, a backup of which was restored.
    """

    position: str
    settled: bool
    epoch: str
    oldest: int

    def tells_after(self, position: str) -> bool:
        """Whether everything after a position of this log is still in it."""
        return _numbers(position)[0] >= self.oldest

    def reaches(self, position: str) -> bool:
        """Whether this log has come as far as a position."""
        there = zip(_numbers(position), _numbers(self.position), strict=False)
        return all(seen <= own for seen, own in there)


def _numbers(position: str) -> list[int]:
    return [int(number) for number in position.split(":")[:2]]


# A statement that reads of the log takes this row along, so that both are of the same moment.
PRESENT: dict[str, str] = {
    "postgresql": """
        SELECT pg_current_snapshot()::text AS position,
               coalesce(pg_xact_status((pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)
                   ::text::xid8) = 'committed', true) AS settled,
               epoch::text AS epoch, floor
        FROM log_state
    """,
    # The highest id ever given, also when its row has been pruned, and the last batch of receipts.
    "sqlite": """
        SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)
               || ':' || receipts AS position, true AS settled, epoch, floor
        FROM log_state
    """,
}
PRESENT_COLUMNS = (
    sa.column("position", sa.Text),
    sa.column("settled", sa.Boolean),
    sa.column("epoch", sa.Text),
    sa.column("floor", sa.BigInteger),
)
_PRESENT = {dialect: sa.text(sql).columns(*PRESENT_COLUMNS) for dialect, sql in PRESENT.items()}
# The timeline changes when a standby takes over, which may lack what was acknowledged last.
_CLUSTER = sa.text(
    """
    SELECT (SELECT system_identifier FROM pg_control_system()) || '/'
           || (SELECT timeline_id FROM pg_control_checkpoint())
    """
)
# In a transaction of one moment, as who settles has read in, all but one of the nodes that touch it
# at once would be refused.
_ONE_AFTER_THE_OTHER = sa.text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
_TOUCH = log_state.update().values(touched=log_state.c.touched + 1)
_RAISE_FLOOR = (
    log_state.update()
    .where(log_state.c.floor < sa.bindparam("to"))
    .values(floor=sa.bindparam("to"))
)


async def present(connection: Connection) -> Present:
    """Return the log as it is now."""
    rows = await connection.execute(_PRESENT[connection.dialect.name])
    return await present_of(connection, rows.one())


async def present_of(connection: Connection, row: sa.Row[Any]) -> Present:
    """Return the log as it was for a statement that took the columns of `PRESENT` along."""
    postgresql = connection.dialect.name == "postgresql"
    cluster = await _cluster(connection) if postgresql else ""
    return Present(
        position=row.position,
        settled=row.settled,
        epoch=hashlib.sha256(f"{row.epoch}/{cluster}".encode()).hexdigest()[:12],
        # On PostgreSQL a position has seen all that is older than what was running then; what was
        # pruned has to be older than that.
        oldest=row.floor + 1 if postgresql else row.floor,
    )


async def _cluster(connection: Connection) -> str:
    """Return which server this is; asked once per connection, as none outlives its server."""
    if "cluster" not in connection.info:
        connection.info["cluster"] = str((await connection.execute(_CLUSTER)).scalar_one())
    return str(connection.info["cluster"])


async def touch(connection: Connection) -> None:
    """Write something durable that means nothing; `Present` says what it is good for.

    It is the first thing in its transaction.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_ONE_AFTER_THE_OTHER)
    await connection.execute(_TOUCH)


async def renew(connection: Connection) -> None:
    """Make the log another one, of which nothing was pruned."""
    await connection.execute(log_state.update().values(epoch=uuid4(), floor=0))


async def raise_floor(connection: Connection, to: int) -> None:
    """Note that nothing up to this number is in the log any more."""
    await connection.execute(_RAISE_FLOOR, {"to": to})
