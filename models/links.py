"""The link of a message that a preview is shown of: the first one, unless its writer says no.

Who does not want a preview writes the link as `<https://…>`, or as code: nothing has to be stored
for it, it survives edits, and it works for links in the middle of other text too.
"""

import hashlib
import re

MAX_LINK = 2048  # characters

_TICKS = re.compile(r"`+")
_LINK = re.compile(r"(?<![\w<])https?://[^\s<>\"`]+", re.IGNORECASE)
# What ends a sentence is not meant as the end of the link (GFM §6.9, extended autolinks).
_TRAILING = "?!.,:;*_~'\""


def first_link(text: str) -> str | None:
    """Return the first link of a text that a preview may be shown of."""
    if "://" not in text:
        return None
    for found in _LINK.finditer(_without_code(text)):
        link = _trimmed(found[0])
        if len(link) <= MAX_LINK and len(link) > len("https://"):
            return link
    return None


def _without_code(text: str) -> str:
    """Return a text without what stands between as many backticks as on its other side."""
    runs = [(found.start(), found.end()) for found in _TICKS.finditer(text)]
    # The next run of the same length, for each; from the end, so that each is looked at once.
    closing: dict[int, int] = {}
    ends: dict[int, int] = {}
    for number in range(len(runs) - 1, -1, -1):
        length = runs[number][1] - runs[number][0]
        if length in ends:
            closing[number] = ends[length]
        ends[length] = number
    kept, at, number = [], 0, 0
    while number < len(runs):
        closed_by = closing.get(number)
        if closed_by is not None:
            kept.append(text[at : runs[number][0]])
            at = runs[closed_by][1]
            number = closed_by
        number += 1
    kept.append(text[at:])
    return " ".join(kept)


def _trimmed(link: str) -> str:
    link = link[: MAX_LINK + 100]  # what is longer is none, so how it ends does not matter
    while link:
        last = link[-1]
        # A bracket belongs to the text around it unless the link opens it as well.
        unopened = last in ")]" and link.count(last) > link.count("(" if last == ")" else "[")
        if last not in _TRAILING and not unopened:
            return link
        link = link[:-1]
    return link


def link_hash(link: str) -> bytes:
    """Return what stands for a link in look-ups."""
    return hashlib.sha256(link.encode("utf-8", "replace")).digest()
