"""A page of each of several chats' rows, in one statement."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.chats import chats
from models.database import Connection

_LEAST, _GREATEST = UUID(int=0), UUID(int=2**128 - 1)

Condition = Callable[[sa.FromClause], sa.ColumnElement[bool]]


async def newest(
    connection: Connection,
    table: sa.Table,
    wanted: Sequence[sa.Column[Any]],
    chat_ids: Sequence[UUID],
    *,
    after: UUID | None,
    limit: int,
    where: Condition | None = None,
) -> dict[UUID, list[Sequence[Any]]]:
    """Return up to `limit` rows of each chat by descending `id`, below `after`.

    The table has an index of `chat_id` and `id`. An inner look-up finds the far end of each chat's
    page, so that the cost is that of the rows returned.
    """
    return await _pages(connection, table, wanted, chat_ids, after, limit, where, newest=True)


async def oldest(
    connection: Connection,
    table: sa.Table,
    wanted: Sequence[sa.Column[Any]],
    chat_ids: Sequence[UUID],
    *,
    after: UUID | None,
    limit: int,
    where: Condition | None = None,
) -> dict[UUID, list[Sequence[Any]]]:
    """Return up to `limit` rows of each chat by ascending `id`, above `after`; else as `newest`."""
    return await _pages(connection, table, wanted, chat_ids, after, limit, where, newest=False)


async def _pages(
    connection: Connection,
    table: sa.Table,
    wanted: Sequence[sa.Column[Any]],
    chat_ids: Sequence[UUID],
    after: UUID | None,
    limit: int,
    where: Condition | None,
    *,
    newest: bool,
) -> dict[UUID, list[Sequence[Any]]]:
    found: dict[UUID, list[Sequence[Any]]] = {chat_id: [] for chat_id in chat_ids}
    if not found:
        return found

    def in_range(rows: sa.FromClause) -> sa.ColumnElement[bool]:
        condition = rows.c.chat_id == chats.c.id
        if after is not None:
            condition &= rows.c.id < after if newest else rows.c.id > after
        return condition if where is None else condition & where(rows)

    probe = table.alias("probe")
    far_end = (
        sa.select(probe.c.id)
        .where(in_range(probe))
        .order_by(probe.c.id.desc() if newest else probe.c.id)
        .limit(1)
        .offset(limit - 1)
        .scalar_subquery()
        .correlate(chats)
    )
    bounded = (
        table.c.id >= sa.func.coalesce(far_end, sa.literal(_LEAST))
        if newest
        else table.c.id <= sa.func.coalesce(far_end, sa.literal(_GREATEST))
    )
    rows = await connection.execute(
        sa.select(chats.c.id, *wanted)
        .select_from(chats)
        .join(table, in_range(table))
        .where(chats.c.id.in_(list(found)), bounded)
        .order_by(chats.c.id, table.c.id.desc() if newest else table.c.id)
    )
    for row in rows:
        found[row[0]].append(tuple(row)[1:])
    return found
