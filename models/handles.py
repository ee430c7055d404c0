"""Handles that are somebody's, each with all that look like it.

A person's handle is a column of `users`; here stands which skeletons are taken: by who has a
handle, and for a while by who had it, so that nobody else can be taken for them.
"""

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
    # Twice the length of a handle: an m has two letters here.
    sa.Column("skeleton", sa.String(64), primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # NULL: in use. Otherwise it was given up, and is kept for whoever had it.
    sa.Column("held_until", UtcDateTime),
    sa.Index("ix_handles_user_id", "user_id"),
)


def skeleton(handle: str) -> str:
    """Return what a handle has in common with those that look like it (UTS #39 §4, and more).

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

    So does a handle that somebody else had lately. Of two who want it at once one gets it.
    """
    wanted = skeleton(handle)
    free = (handles.c.user_id == user_id) | (handles.c.held_until <= now)
    known = await connection.execute(
        handles.update()
        .where(handles.c.skeleton == wanted, free)
        .values(user_id=user_id, held_until=None)
    )
    if known.rowcount:
        return
    try:
        await connection.execute(handles.insert().values(skeleton=wanted, user_id=user_id))
    except IntegrityError as error:
        raise HandleTaken(handle) from error


async def hold(connection: Connection, user_id: UUID, handle: str, until: datetime) -> None:
    """Keep a handle that somebody gives up from everybody else for a while."""
    await connection.execute(
        handles.update()
        .where(handles.c.skeleton == skeleton(handle), handles.c.user_id == user_id)
        .values(held_until=until)
    )


async def held_by(connection: Connection, user_id: UUID, now: datetime) -> dict[str, datetime]:
    """Return until when which skeletons are kept for somebody."""
    rows = await connection.execute(
        sa.select(handles.c.skeleton, handles.c.held_until).where(
            handles.c.user_id == user_id, handles.c.held_until > now
        )
    )
    return {row.skeleton: row.held_until for row in rows}
