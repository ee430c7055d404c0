"""A person's rows in any table, page by page: to be handed out, and to be deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.database import Connection


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows that are a person's, by a column that names their owner.

    `key` tells one owner's rows apart, and an index goes by the owner and the key, so that a page
    costs what it has rows. `withheld` says of each column of the owner's table that is not among
    the `shown` why it is not.
    """

    owner: sa.Column[Any]
    key: Sequence[sa.Column[Any]]
    shown: Mapping[str, sa.ColumnElement[Any]]
    source: sa.FromClause
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and after which key the next ones follow; None with the last page."""

    rows: Sequence[Mapping[str, Any]]
    next_after: tuple[Any, ...] | None


def holding(
    owner: sa.Column[Any],
    key: Sequence[sa.Column[Any]],
    shown: Sequence[str],
    *,
    withheld: Mapping[str, str] | None = None,
    joined: sa.FromClause | None = None,
    more: Mapping[str, sa.ColumnElement[Any]] | None = None,
) -> Holding:
    """Return a holding of columns of the owner's table, with `more` of what is `joined` to it."""
    table = owner.table
    own = {name: table.c[name] for name in shown}
    source = table if joined is None else joined
    return Holding(owner, key, {**own, **(more or {})}, source, withheld or {})


async def count(connection: Connection, held: Holding, user_id: UUID) -> int:
    """Return how many rows a person has."""
    counted = sa.select(sa.func.count()).select_from(held.owner.table).where(held.owner == user_id)
    return int((await connection.execute(counted)).scalar_one())


async def page(
    connection: Connection,
    held: Holding,
    user_id: UUID,
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Page:
    """Return a person's next rows in the order of their key."""
    query = (
        sa.select(*held.key, *(column.label(f"shown_{n}") for n, column in enumerate_of(held)))
        .select_from(held.source)
        .where(held.owner == user_id)
        .order_by(*held.key)
        .limit(limit)
    )
    if after is not None:
        place = [
            sa.literal(value, column.type) for value, column in zip(after, held.key, strict=True)
        ]
        query = query.where(sa.tuple_(*held.key) > sa.tuple_(*place))
    found = (await connection.execute(query)).all()
    keys = len(held.key)
    rows = [dict(zip(held.shown, row[keys:], strict=True)) for row in found]
    return Page(rows, tuple(found[-1][:keys]) if len(found) == limit else None)


def enumerate_of(held: Holding) -> list[tuple[int, sa.ColumnElement[Any]]]:
    """Return the shown columns with their places."""
    return list(enumerate(held.shown.values()))


async def delete(
    connection: Connection, owner: sa.Column[Any], user_id: UUID, *, limit: int
) -> int:
    """Delete at most `limit` of a person's rows; returns how many went."""
    table = owner.table
    key = list(table.primary_key.columns)
    doomed = sa.select(*key).where(owner == user_id).limit(limit)
    result = await connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(doomed)))
    return result.rowcount
