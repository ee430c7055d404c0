"""Rows looked up by pairs of values: these, and not every combination of their halves.

The pairs come as one table that others are joined to, each row by its key. `(a, b) IN (…)` with as
many parameters as pairs is read by SQLite as a scan of the whole table, and is another statement
for every number of pairs.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

_FIRST, _SECOND = "wanted_first", "wanted_second"
_BOTH = "wanted_pairs"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The pairs as a table to join with, and its two columns."""

    table: sa.FromClause
    first: sa.ColumnElement[Any]
    second: sa.ColumnElement[Any]


def wanted(dialect: str, first: sa.Column[Any], second: sa.Column[Any]) -> Wanted:
    """Return the table of pairs that are like two columns; `parameters` has what is in it."""
    if dialect == "sqlite":
        each = sa.func.json_each(sa.bindparam(_BOTH, type_=sa.Text)).table_valued("value")
        each = each.alias("wanted")
        halves = [
            sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{number}]'"))
            for number in (0, 1)
        ]
        return Wanted(each, *halves)
    table = (
        sa.func.unnest(
            sa.bindparam(_FIRST, type_=ARRAY(first.type)),
            sa.bindparam(_SECOND, type_=ARRAY(second.type)),
        )
        .table_valued(sa.column("first", first.type), sa.column("second", second.type))
        .render_derived("wanted")
    )
    return Wanted(table, table.c.first, table.c.second)


def parameters(dialect: str, pairs: Iterable[tuple[UUID, UUID | int]]) -> dict[str, object]:
    """Return what a statement with a table of pairs is executed with; a pair counts once."""
    unique = list(set(pairs))
    if dialect == "sqlite":
        return {
            _BOTH: json.dumps(
                [
                    (first.hex, second.hex if isinstance(second, UUID) else second)
                    for first, second in unique
                ]
            )
        }
    return {
        _FIRST: [first for first, _ in unique],
        _SECOND: [second for _, second in unique],
    }
