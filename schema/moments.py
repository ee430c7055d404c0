"""Moments that clients give."""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.errors import InvalidInput


def moment(given: datetime | None, *, path: str, within: Sequence[str] = ()) -> datetime | None:
    """Return a moment in UTC, None for none; raises `InvalidInput`.

    Without a time zone it is refused: it would be read as the server's own. `within` is where in
    the input the field `path` stands.
    """
    if given is None:
        return None
    try:
        if given.tzinfo is not None:
            return given.astimezone(UTC)
    except (ValueError, OverflowError):  # beyond the years 1 to 9999
        pass
    raise InvalidInput(
        "Give the moment with its time zone, such as Z for UTC.", path=[*within, path]
    )
