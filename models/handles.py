"""Handles that are somebody's, each with all that look like it.

A person's handle is a column of `users`; here stands what nobody else may have: what looks like a
handle that is in use, that was given up a while ago, or that belonged to an account which is gone.
Kept as hashes, so that what is left of those lists nobody.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, metadata
from models.database import Connection
from models.errors import HandleTaken

handles = sa.Table(
    "handles",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    # NULL: of an account that is gone, so nobody's for good.
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id")),
    # NULL: in use. Otherwise it was given up, and is kept for whoever had it.
    sa.Column("held_until", UtcDateTime),
    sa.Index("ix_handles_user_id", "user_id"),
)


def key(handle: str) -> bytes:
    """Return what a handle has in common with those that look like it, as it is kept."""
    return hashlib.sha256(skeleton(handle).encode()).digest()


def skeleton(handle: str) -> str:
    """Return how a handle looks (UTS #39 §4, and more).

    Of lower-case ASCII the standard confuses m with rn, 1 with l and 0 with o. Two v that look like
    a w, and underscores in a row, which run together, are ours.
    """
    alike = handle.translate(_ALIKE).replace("vv", "w")
    while "__" in alike:
        alike = alike.replace("__", "_")
    return alike


_ALIKE = str.maketrans({"m": "rn", "1": "l", "0": "o"})


async def claim(connection: Connection, user_id: UUID, handle: str, now: datetime) -> None:
    """Make a handle somebody's; raises `HandleTaken`, also for one that looks like another's.

    So does one that somebody else had lately, or whose account is gone. Of two who want it at
    once one gets it.
    """
    wanted = key(handle)
    free = (handles.c.user_id == user_id) | (handles.c.held_until <= now)
    known = await connection.execute(
        handles.update()
        .where(handles.c.hash == wanted, free)
        .values(user_id=user_id, held_until=None)
    )
    if known.rowcount:
        return
    try:
        await connection.execute(handles.insert().values(hash=wanted, user_id=user_id))
    except IntegrityError as error:
        raise HandleTaken(handle) from error


async def free_among(connection: Connection, wanted: Sequence[str], now: datetime) -> Sequence[str]:
    """Return those of the handles that `claim` would give to a new account now."""
    keys = {handle: key(handle) for handle in wanted}
    rows = await connection.execute(
        sa.select(handles.c.hash).where(
            handles.c.hash.in_(list(keys.values())),
            (handles.c.held_until > now) | handles.c.held_until.is_(None),
        )
    )
    taken = set(rows.scalars())
    return [handle for handle in wanted if keys[handle] not in taken]


async def hold(connection: Connection, user_id: UUID, handle: str, until: datetime) -> None:
    """Keep a handle that somebody gives up from everybody else for a while."""
    await connection.execute(
        handles.update()
        .where(handles.c.hash == key(handle), handles.c.user_id == user_id)
        .values(held_until=until)
    )


async def retire(connection: Connection, user_id: UUID) -> None:
    """Keep every handle of an account that is gone from everybody, without saying whose it was."""
    await connection.execute(
        handles.update().where(handles.c.user_id == user_id).values(user_id=None, held_until=None)
    )


async def held_by(connection: Connection, user_id: UUID, now: datetime) -> dict[bytes, datetime]:
    """Return the keys of handles that are kept for somebody, with until when."""
    rows = await connection.execute(
        sa.select(handles.c.hash, handles.c.held_until).where(
            handles.c.user_id == user_id, handles.c.held_until > now
        )
    )
    return {row.hash: row.held_until for row in rows}
