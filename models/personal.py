"""A person's rows in any table, page by page: to be handed out, and to be deleted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.database import Connection


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows that are a person's, by a column that names their owner, and what is shown of them.

    `key` tells one owner's rows apart, and an index goes by the owner and the key, so that a page
    costs what it has rows. `withheld` are the columns of the table that are not shown.
    """

    owner: sa.Column[Any]
    key: Sequence[sa.Column[Any]]
    shown: Mapping[str, sa.ColumnElement[Any]]
    source: sa.FromClause
    where: sa.ColumnElement[bool]
    withheld: frozenset[str]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and after which key the next ones follow; None with the last page."""

    rows: Sequence[Mapping[str, Any]]
    next_after: tuple[Any, ...] | None


def holding(
    owner: sa.Column[Any],
    key: Sequence[sa.Column[Any]],
    *,
    withheld: Iterable[str] = (),
    joined: sa.FromClause | None = None,
    more: Mapping[str, sa.ColumnElement[Any]] | None = None,
    instead: Mapping[str, sa.ColumnElement[Any]] | None = None,
    where: sa.ColumnElement[bool] | None = None,
) -> Holding:
    """Return a holding of all columns of the owner's table that are not withheld.

    `more` are columns of what is `joined` to it, `instead` is shown for columns of the table.
    """
    table, hidden = owner.table, frozenset(withheld)
    shown: dict[str, sa.ColumnElement[Any]] = {
        column.name: (instead or {}).get(column.name, column)
        for column in table.columns
        if column.name not in hidden
    }
    return Holding(
        owner=owner,
        key=key,
        shown={**shown, **(more or {})},
        source=table if joined is None else joined,
        where=sa.true() if where is None else where,
        withheld=hidden,
    )


async def count(connection: Connection, held: Holding, user_id: UUID) -> int:
    """Return how many rows a person has."""
    counted = (
        sa.select(sa.func.count())
        .select_from(held.owner.table)
        .where(held.owner == user_id, held.where)
    )
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
    labelled = [column.label(f"shown_{name}") for name, column in held.shown.items()]
    query = (
        sa.select(*held.key, *labelled)
        .select_from(held.source)
        .where(held.owner == user_id, held.where)
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


async def delete(
    connection: Connection, owner: sa.Column[Any], user_id: UUID, *, limit: int
) -> int:
    """Delete at most `limit` of a person's rows; returns how many went."""
    table = owner.table
    key = list(table.primary_key.columns)
    doomed = sa.select(*key).where(owner == user_id).limit(limit)
    result = await connection.execute(sa.delete(table).where(sa.tuple_(*key).in_(doomed)))
    return result.rowcount
