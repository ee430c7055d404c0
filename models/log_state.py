"""What is known of the log as a whole: which log it is, and what of it is gone."""

import hashlib
from dataclasses import dataclass

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
class LogState:
    """Which log this is (`epoch`, short and opaque), and up to where it was pruned."""

    epoch: str
    floor: int


_ON_SQLITE = sa.text("SELECT epoch, floor, '' AS cluster FROM log_state")
# The timeline changes when a standby takes over, which may lack what was acknowledged last.
_ON_POSTGRESQL = sa.text(
    """
    SELECT epoch, floor, (SELECT system_identifier FROM pg_control_system()) || '/'
           || (SELECT timeline_id FROM pg_control_checkpoint()) AS cluster
    FROM log_state
    """
)
_TOUCH = log_state.update().values(touched=log_state.c.touched + 1)
_RAISE_FLOOR = (
    log_state.update()
    .where(log_state.c.floor < sa.bindparam("to"))
    .values(floor=sa.bindparam("to"))
)


async def read(connection: Connection) -> LogState:
    """Return the log's state."""
    sqlite = connection.dialect.name == "sqlite"
    row = (await connection.execute(_ON_SQLITE if sqlite else _ON_POSTGRESQL)).one()
    epoch = hashlib.sha256(f"{row.epoch}/{row.cluster}".encode()).hexdigest()[:12]
    return LogState(epoch, int(row.floor))


async def touch(connection: Connection) -> None:
    """Write something durable that means nothing; `models/events.py` says what it is good for."""
    await connection.execute(_TOUCH)


async def raise_floor(connection: Connection, to: int) -> None:
    """Note that nothing up to this number is in the log any more."""
    await connection.execute(_RAISE_FLOOR, {"to": to})
