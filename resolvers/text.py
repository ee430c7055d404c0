"""Rules for text that people write."""

import unicodedata
from collections.abc import Sequence

from models.errors import InvalidInput, TooLong


def checked(
    value: str, *, what: str, maximum: int, path: Sequence[str], empty_ok: bool = False
) -> str:
    """Return the text unchanged, or refuse it: too long, blank, or not storable.

    Lengths count Unicode code points.
    """
    if len(value) > maximum:
        raise TooLong(what, actual=len(value), maximum=maximum, path=path)
    if not empty_ok and not value.strip():
        raise InvalidInput(f"{what} must not be empty.", path=path)
    # PostgreSQL cannot store U+0000, and nothing can encode half a surrogate pair.
    if "\x00" in value or not _encodable(value):
        raise InvalidInput(f"{what} holds a character that cannot be stored.", path=path)
    return value


def _encodable(value: str) -> bool:
    # A thousand times faster than looking at the characters: half a millisecond for a long text.
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# Unicode Standard Annex 9: what opens a direction of writing, and what has to close it.
_OPENS = {
    "\N{LEFT-TO-RIGHT EMBEDDING}": "\N{POP DIRECTIONAL FORMATTING}",
    "\N{RIGHT-TO-LEFT EMBEDDING}": "\N{POP DIRECTIONAL FORMATTING}",
    "\N{LEFT-TO-RIGHT ISOLATE}": "\N{POP DIRECTIONAL ISOLATE}",
    "\N{RIGHT-TO-LEFT ISOLATE}": "\N{POP DIRECTIONAL ISOLATE}",
    "\N{FIRST STRONG ISOLATE}": "\N{POP DIRECTIONAL ISOLATE}",
}
_CLOSES = frozenset(_OPENS.values())
_OVERRIDES = "\N{LEFT-TO-RIGHT OVERRIDE}\N{RIGHT-TO-LEFT OVERRIDE}"
# Controls, separators of lines and paragraphs, private use. Not what is unassigned: next year's
# emoji are that to this year's Python.
_REFUSED = frozenset({"Cc", "Zl", "Zp", "Co"})
# Letters that show nothing, and variation selectors, which are marks.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0") | {chr(c) for c in range(0xFE00, 0xFE10)}


def line(value: str, *, what: str, maximum: int, path: Sequence[str]) -> str:
    """Return a one-line text without surrounding space, or refuse it.

    Refused are line breaks and controls, what shows nothing at all, and what would change the
    direction of the text around it. Joiners and marks of direction belong to ordinary names.
    """
    value = checked(value.strip(), what=what, maximum=maximum, path=path)
    if all(_shows_nothing(character) for character in value):
        raise InvalidInput(f"{what} must not be empty.", path=path)
    if any(unicodedata.category(character) in _REFUSED for character in value):
        raise InvalidInput(f"{what} must be one line without control characters.", path=path)
    if not _keeps_direction(value):
        raise InvalidInput(f"{what} changes the direction of what follows it.", path=path)
    return value


def _shows_nothing(character: str) -> bool:
    category = unicodedata.category(character)
    return character in _BLANK or category == "Cf" or category.startswith("Z")


def _keeps_direction(value: str) -> bool:
    """Whether whatever is opened is closed, and nothing is overridden, which can forge a text."""
    awaited: list[str] = []
    for character in value:
        if character in _OVERRIDES:
            return False
        if character in _OPENS:
            awaited.append(_OPENS[character])
        elif character in _CLOSES and (not awaited or awaited.pop() != character):
            return False
    return not awaited
