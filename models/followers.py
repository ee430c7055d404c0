"""Followers of the log: how far something in the background has read it.

One that was away for longer than it cares for begins again at the present: what it missed is not
worth reading all of the log for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models import events, log_state
from models.base import UtcDateTime, metadata
from models.database import Connection
from models.events import LoggedEvent

log_followers = sa.Table(
    "log_followers",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("epoch", sa.String(64), nullable=False),
    sa.Column("position", sa.Text, nullable=False),
    sa.Column("read_at", UtcDateTime, nullable=False),
)

_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_LOCK = (
    sa.select(log_followers)
    .where(log_followers.c.name == sa.bindparam("of_name"))
    .with_for_update(skip_locked=True)
)
_ONE = sa.select(log_followers).where(log_followers.c.name == sa.bindparam("of_name"))


@dataclass(frozen=True, slots=True)
class Read:
    """What a follower has not seen before; None when another worker reads for it."""

    events: Sequence[LoggedEvent]


async def has_news(connection: Connection, name: str, now: datetime, *, refresh: timedelta) -> bool:
    """Whether `read_on` is worth a write: something happened, or nothing has for so long.

    The second keeps a follower of a quiet log from passing for one that was away.
    """
    row = (await connection.execute(_ONE, {"of_name": name})).one_or_none()
    if row is None or now - row.read_at >= refresh:
        return True
    batch = await events.since(connection, row.position)
    return bool(batch.events) or row.epoch != batch.present.epoch


async def read_on(
    connection: Connection, name: str, now: datetime, *, patience: timedelta
) -> Read | None:
    """Return what became visible since a follower read last, and note that it has read it.

    In the caller's transaction: what follows of the events is stored with how far they were read,
    or neither is.
    """
    row = (await connection.execute(_LOCK, {"of_name": name})).one_or_none()
    present = await log_state.present(connection)
    if row is None:
        if (await connection.execute(_ONE, {"of_name": name})).one_or_none() is not None:
            return None  # another worker has it locked
        begun = _INSERT[connection.dialect.name](log_followers).values(
            name=name, epoch=present.epoch, position=present.position, read_at=now
        )
        await connection.execute(begun.on_conflict_do_nothing())
        return Read([])
    readable = (
        row.epoch == present.epoch
        and present.reaches(row.position)
        and present.tells_after(row.position)
        and now - row.read_at <= patience
    )
    found: Sequence[LoggedEvent] = []
    if readable:
        batch = await events.since(connection, row.position)
        found, present = batch.events, batch.present
    await connection.execute(
        log_followers.update()
        .where(log_followers.c.name == name)
        .values(epoch=present.epoch, position=present.position, read_at=now)
    )
    return Read(found)
