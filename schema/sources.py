"""What the resolvers of subscriptions return."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from realtime.feed import Feed


@dataclass(frozen=True, slots=True)
class Source:
    """What a subscription's resolver returns: where its items come from, and how they show."""

    open: Callable[[], Feed[Any]]
    # The value of the root field for an item, with the cursor after it if that is asked for.
    show: Callable[[Any, str | None], Any]
    cursor_after: Callable[[Any], str] | None = None
    scope: str = ""  # of the cursors

    def __aiter__(self) -> Any:
        """Be what graphql-core takes for a source of events; nobody iterates it."""
        raise TypeError("a source is opened")


def source(**given: Any) -> Any:
    """Return a `Source`, as what Strawberry has a subscription's resolver say that it returns."""
    return Source(**given)
