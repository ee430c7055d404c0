"""Leases: which node runs, and whose sockets it holds, as far as the database keeps that.

A node's lease is one row that it renews; what it holds hangs on it. A node that dies stops
renewing, and everything it held counts no more, without a row being touched.

These are ordinary tables, written with ordinary commits, for a reason: PostgreSQL does not wait for
the disk when a transaction wrote to unlogged tables alone, or asks for `synchronous_commit = off`.
Such a transaction counts as committed while a crash may still undo it and give its id away again,
and then `models/events.py: settled` would be wrong.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

AT_ONCE = 500  # rows that are handed to the driver together: others get their turn in between

node_leases = sa.Table(
    "node_leases",
    metadata,
    # One start of one node: names can be given twice by mistake, this cannot.
    sa.Column("run", sa.Uuid, primary_key=True),
    sa.Column("node_id", sa.String(63), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    # Goes up by one with each write, so that a node knows whether what it wrote is still there.
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("sockets", sa.Integer, nullable=False),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
)

node_sessions = sa.Table(
    "node_sessions",
    metadata,
    sa.Column(
        "run", sa.Uuid, sa.ForeignKey("node_leases.run", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("session_id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("sockets", sa.Integer, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Index("ix_node_sessions_session_id", "session_id"),
    sa.Index("ix_node_sessions_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """What a running node says of itself: how many sockets it has open, and of how many people."""

    run: UUID
    node_id: str
    started_at: datetime
    version: int
    sockets: int
    people: int


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session's open sockets on one node: how many, and since when without a break."""

    session_id: UUID
    user_id: UUID
    sockets: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A session's sockets, and the node that holds them."""

    run: UUID
    node_id: str
    held: HeldSession


class _clock(sa.sql.functions.FunctionElement[datetime]):  # noqa: N801
    """The database's own clock, so many seconds on: those of several nodes may differ."""

    inherit_cache = True
    type = UtcDateTime()


@compiles(_clock, "postgresql")
def _clock_on_postgresql(element: _clock, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"clock_timestamp() + make_interval(secs => {seconds})"


@compiles(_clock, "sqlite")
def _clock_on_sqlite(element: _clock, compiler: SQLCompiler, **options: Any) -> str:
    # As `UtcDateTime` stores it, which has microseconds.
    seconds = compiler.process(element.clauses, **options)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


_NOW = _clock(sa.literal_column("0"))
_EXPIRY = _clock(sa.bindparam("lasts", type_=sa.Double))

_LIVE = node_leases.c.expires_at > _NOW
_NODES = sa.select(*columns(node_leases, Lease)).where(_LIVE).order_by(node_leases.c.node_id)
# Not joined to the leases: there is one for thousands of sessions, and a planner that knows no
# better goes through all of these.
_HELD = sa.select(node_sessions.c.run, *columns(node_sessions, HeldSession)).order_by(
    node_sessions.c.since
)
_HELD_OF_PEOPLE = _HELD.where(node_sessions.c.user_id.in_(sa.bindparam("user_ids", expanding=True)))
_HELD_OF_SESSION = _HELD.where(node_sessions.c.session_id == sa.bindparam("session_id"))

_BEGIN = node_leases.insert().values(expires_at=_EXPIRY)
_RENEW = (
    node_leases.update()
    .where(
        node_leases.c.run == sa.bindparam("of_run"),
        node_leases.c.version == sa.bindparam("before"),
    )
    .values(
        version=sa.bindparam("version"),
        sockets=sa.bindparam("sockets"),
        people=sa.bindparam("people"),
        expires_at=_EXPIRY,
    )
)
_END = node_leases.delete().where(node_leases.c.run == sa.bindparam("of_run"))
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_HOLD = {
    dialect: insert(node_sessions).on_conflict_do_update(
        index_elements=["run", "session_id"],
        set_={
            name: sa.literal_column(f"excluded.{name}") for name in ("user_id", "sockets", "since")
        },
    )
    for dialect, insert in _INSERT.items()
}
_LET_GO = node_sessions.delete().where(
    node_sessions.c.run == sa.bindparam("of_run"),
    node_sessions.c.session_id == sa.bindparam("of_session"),
)


async def begin(
    connection: Connection, lease: Lease, held: Sequence[HeldSession], *, lasts: float
) -> None:
    """Store a lease for so many seconds with all its node holds, in place of an earlier one."""
    await end(connection, lease.run)
    await connection.execute(_BEGIN, {**_values(lease), "lasts": lasts})
    await _hold(connection, lease.run, held)


async def renew(
    connection: Connection,
    lease: Lease,
    *,
    changed: Sequence[HeldSession],
    gone: Collection[UUID],
    lasts: float,
) -> bool:
    """Renew a lease for so many seconds, and store what changed since its last version.

    Returns False, and stores nothing, when that version is not there any more.
    """
    values = {
        "of_run": lease.run,
        "before": lease.version - 1,
        "version": lease.version,
        "sockets": lease.sockets,
        "people": lease.people,
        "lasts": lasts,
    }
    if not (await connection.execute(_RENEW, values)).rowcount:
        return False
    await _hold(connection, lease.run, changed)
    if gone:
        doomed = [{"of_run": lease.run, "of_session": session_id} for session_id in gone]
        await connection.execute(_LET_GO, doomed)
    return True


async def end(connection: Connection, run: UUID) -> None:
    """Delete a lease, and what its node held."""
    await connection.execute(_END, {"of_run": run})


async def nodes(connection: Connection) -> list[Lease]:
    """Return the leases of the nodes that run, in the order of their names."""
    return [Lease(*row) for row in await connection.execute(_NODES)]


async def of_people(connection: Connection, user_ids: Collection[UUID]) -> list[Found]:
    """Return the sockets of these people on all nodes that run, the oldest first."""
    if not user_ids:
        return []
    return await _found(connection, _HELD_OF_PEOPLE, {"user_ids": list(user_ids)})


async def of_session(connection: Connection, session_id: UUID) -> list[Found]:
    """Return the sockets of a session on all nodes that run, the oldest first."""
    return await _found(connection, _HELD_OF_SESSION, {"session_id": session_id})


async def prune(connection: Connection) -> int:
    """Delete the leases that were not renewed in time; returns how many went."""
    result = await connection.execute(node_leases.delete().where(~_LIVE))
    return result.rowcount


async def _hold(connection: Connection, run: UUID, held: Sequence[HeldSession]) -> None:
    for start in range(0, len(held), AT_ONCE):
        rows = [{"run": run, **_values(each)} for each in held[start : start + AT_ONCE]]
        await connection.execute(_HOLD[connection.dialect.name], rows)


async def _found(
    connection: Connection, statement: sa.Select[Any], values: dict[str, Any]
) -> list[Found]:
    names = {lease.run: lease.node_id for lease in await nodes(connection)}
    return [
        Found(run, names[run], HeldSession(*held))
        for run, *held in await connection.execute(statement, values)
        if run in names
    ]


def _values(row: Lease | HeldSession) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)}
