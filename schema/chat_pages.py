"""Connections of what a chat has for those who keep order in it, by keys that grow with time."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from schema.connections import Page, connection, decode_cursor, encode_cursor, invalid_cursor


def key_of(after: str | None) -> UUID | None:
    """Return the key that a cursor names; raises `InvalidInput`."""
    if after is None:
        return None
    try:
        return UUID(hex=decode_cursor(after, parts=1, path="after")[0])
    except ValueError as error:
        raise invalid_cursor("after") from error


def page_of(
    type_: Callable[..., Any],
    rows: Sequence[Any] | None,
    shown: Page,
    node: Callable[[Any], Any],
    after: str | None,
) -> Any:
    """Return a connection of rows that have an `id`; None if there are none to be seen."""
    if rows is None:
        return None
    return connection(
        type_,
        rows,
        shown,
        node=node,
        cursor=lambda row: encode_cursor(row.id.hex),
        bounded_after=after is not None,
    )
