"""The words around what was found in a message, as HTML in which nothing but `<mark>` is markup."""

import re
from collections.abc import Sequence
from html import escape

from models.search_query import Condition
from models.terms import Terms

LENGTH = 160  # characters
LEAD = 40  # of these, before the first word that was found
_SPACE = re.compile(r"\s+")

Span = tuple[int, int]


def snippet(text: str, conditions: Sequence[Condition], terms: Terms) -> str:
    """Return what is around the first word that was looked for, with all of them marked."""
    spans = found(text, conditions, terms)
    start, end = _part(text, spans[0][0] if spans else 0)
    pieces = ["…"] if start > 0 else []
    at = start
    for first, last in spans:
        first, last = max(first, at), min(last, end)
        if first < last:
            pieces += [_escaped(text[at:first]), "<mark>", _escaped(text[first:last]), "</mark>"]
            at = last
    pieces.append(_escaped(text[at:end]))
    if end < len(text):
        pieces.append("…")
    return "".join(pieces)


def found(text: str, conditions: Sequence[Condition], terms: Terms) -> list[Span]:
    """Return where the words of a text are that were looked for, from the first to the last."""
    tokens = [*terms.tokens(text)]
    places = {
        place
        for condition in conditions
        if not condition.excluded
        for start in range(len(tokens))
        if condition.fits(tokens, start)
        for place in range(start, start + len(condition.words))
    }
    return [(tokens[place].start, tokens[place].end) for place in sorted(places)]


def _part(text: str, first: int) -> Span:
    """Return where the part begins and ends that is shown: between words, if it can be."""
    start = max(0, min(first - LEAD, len(text) - LENGTH))
    if start > 0:
        space = text.find(" ", start, first)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + LENGTH)
    if end < len(text):
        space = text.rfind(" ", max(first + 1, end - LEAD), end)
        end = space if space >= 0 else end
    return start, end


def _escaped(text: str) -> str:
    return escape(_SPACE.sub(" ", text))
