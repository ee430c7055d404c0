"""Connections by keyset: pages that cost the same at any depth and do not shift under inserts."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from models.errors import InvalidInput

T = TypeVar("T")
Row = TypeVar("Row")

MAX_PAGE = 200
DEFAULT_PAGE = 50

First = Annotated[
    int | None, strawberry.argument(description=f"How many from the start, {MAX_PAGE} at most.")
]
Last = Annotated[
    int | None, strawberry.argument(description=f"How many from the end, {MAX_PAGE} at most.")
]
After = Annotated[
    str | None, strawberry.argument(description="Only what follows this cursor of an edge.")
]
Before = Annotated[
    str | None, strawberry.argument(description="Only what precedes this cursor of an edge.")
]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether more precedes this page.")
    start_cursor: str | None = strawberry.field(
        description="The first edge's cursor, for `before`; null on an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="The last edge's cursor, for `after`; null on an empty page."
    )


@strawberry.type(description="An entry of a list, with its place in it.")
class Edge(Generic[T]):
    node: T = strawberry.field(description="The entry.")
    cursor: str = strawberry.field(description="Its place, for `after` and `before`; opaque.")


@strawberry.type(description="A page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The entries with their cursors.")
    nodes: list[T] = strawberry.field(description="The entries alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")


@dataclass(frozen=True, slots=True)
class Page:
    """A page as asked for: its size, and from which end of the range it is taken."""

    size: int
    backwards: bool

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown tells whether there are others."""
        return self.size + 1


def page_size(first: int | None, *, default: int, name: str = "first") -> int:
    """Return a checked page size; null counts as absent."""
    if first is None:
        return default
    if not 1 <= first <= MAX_PAGE:
        raise InvalidInput(f"{name} must be between 1 and {MAX_PAGE}.", path=[name])
    return first


def page(first: int | None, last: int | None, *, default_last: int) -> Page:
    """Return which page `first` or `last` mean; without either, the newest entries."""
    if first is not None and last is not None:
        raise InvalidInput("Give first or last, not both.", path=["last"])
    if first is not None:
        return Page(page_size(first, default=default_last), backwards=False)
    return Page(page_size(last, default=default_last, name="last"), backwards=True)


def connection(
    connection_type: Callable[..., Any],
    rows: Sequence[Row],
    shown: Page,
    *,
    node: Callable[[Row], Any],
    cursor: Callable[[Row], str],
    edge: Callable[..., Any] = Edge,
    bounded_before: bool = False,
    bounded_after: bool = False,
) -> Any:
    """Build a connection of up to `shown.fetch` rows in list order.

    `bounded_before` and `bounded_after` say that the range ended at a cursor, beyond which there
    is at least that cursor's own entry.
    """
    more = len(rows) > shown.size
    if more:
        rows = rows[-shown.size :] if shown.backwards else rows[: shown.size]
    edges = [edge(node=node(row), cursor=cursor(row)) for row in rows]
    return connection_type(
        edges=edges,
        nodes=[each.node for each in edges],
        page_info=PageInfo(
            has_next_page=bounded_before or (more and not shown.backwards),
            has_previous_page=bounded_after or (more and shown.backwards),
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def encode_cursor(*parts: str) -> str:
    """Return an edge's cursor."""
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def decode_cursor(text: str, *, parts: int, path: str) -> list[str]:
    """Take a cursor apart; raises `InvalidInput` unless it has that many parts.

    The parts are printable ASCII, as ours are, and nothing else about them is checked.
    """
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise invalid_cursor(path) from error
    found = decoded.split("|")
    if len(found) != parts or not (decoded.isascii() and decoded.isprintable()):
        raise invalid_cursor(path)
    return found


def invalid_cursor(path: str) -> InvalidInput:
    """Return the refusal of a cursor that belongs to no edge of the list."""
    return InvalidInput("This is not a cursor of this list.", path=[path])


def seq_of(cursor: str | None, path: str) -> int | None:
    """Return the message's number that an edge's cursor holds; raises `InvalidInput`."""
    if cursor is None:
        return None
    (seq,) = decode_cursor(cursor, parts=1, path=path)
    if not (seq.isascii() and seq.isdigit() and len(seq) <= 18):
        raise invalid_cursor(path)
    return int(seq)
