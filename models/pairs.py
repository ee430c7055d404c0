"""Rows looked up by pairs of values: these, and not every combination of their halves.

The pairs come in as few parameters as there are halves, and the table that they are looked up in
is joined to them row by row, by its key. Neither database is left to choose: without statistics
SQLite begins with the larger table, and a plan that PostgreSQL made while a table was empty reads
it whole.
"""

import json
from collections.abc import Collection, Iterable
from uuid import UUID

import sqlalchemy as sa

# `OFFSET 0` keeps the inner query what it is, a look-up for each pair.
_ON_POSTGRESQL = """
    SELECT {names}
    FROM unnest(CAST(:firsts AS {first_type}[]), CAST(:seconds AS {second_type}[]))
        AS wanted (first, second)
    CROSS JOIN LATERAL (
        SELECT * FROM {table} WHERE {first} = wanted.first AND {second} = wanted.second{where}
        OFFSET 0
    ) AS {table}
"""
_ON_SQLITE = """
    SELECT {names}
    FROM json_each(:pairs) AS wanted CROSS JOIN {table}
        ON {first} = json_extract(wanted.value, '$[0]')
        AND {second} = json_extract(wanted.value, '$[1]'){where}
"""
_STATEMENTS = {"postgresql": _ON_POSTGRESQL, "sqlite": _ON_SQLITE}
_TYPES = {sa.Uuid: "uuid", sa.BigInteger: "bigint"}


def by_pairs(
    dialect: str,
    columns: Collection[sa.Column[object]],
    first: sa.Column[UUID],
    second: sa.Column[UUID] | sa.Column[int],
    where: str = "",
    more: str = "",
) -> str:
    """Return the text of a query for columns of the rows whose `first` and `second` are a pair.

    It ends with conditions of that look-up, to which `where` adds another one; `more` is another
    column, made of the row.
    """
    return _STATEMENTS[dialect].format(
        names=", ".join(f"{first.table.name}.{column.name}" for column in columns)
        + (f", {more}" if more else ""),
        table=first.table.name,
        first=first.name,
        second=second.name,
        first_type=_TYPES[type(first.type)],
        second_type=_TYPES[type(second.type)],
        where=f" AND {where}" if where else "",
    )


def parameters(dialect: str, pairs: Iterable[tuple[UUID, UUID | int]]) -> dict[str, object]:
    """Return what such a query is executed with; a pair counts once."""
    unique = list(set(pairs))
    if dialect == "sqlite":
        as_stored = [
            (first.hex, second.hex if isinstance(second, UUID) else second)
            for first, second in unique
        ]
        return {"pairs": json.dumps(as_stored)}
    return {
        "firsts": [first for first, _ in unique],
        "seconds": [second for _, second in unique],
    }
