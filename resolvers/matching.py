"""Finding words in texts: without regard to case and accents, and in time that is bounded.

Words and parts of words are looked for in a folded text: without case, accents and variants of
letters such as full-width ones. Patterns are RE2's, which takes time in proportion to the text,
whatever the pattern. Their program may only become so large, or the pattern is refused.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import re2

from models.errors import InvalidInput
from models.word_filters import FilterAction, FilterKind, WordFilter

MASK = "\N{BULLET}"  # for each character; an asterisk would be Markdown
# Bytes for the program of a pattern, and for what is remembered of its states.
MAX_MEMORY = 256 * 1024
# Instructions. The time that a text takes is at most in proportion to both: the worst that we found
# takes 10 ms for the longest message, an ordinary pattern 0.1.
MAX_PROGRAM = 300


@lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    """Return a character without case, accent and variant: nothing, one character, or several."""
    taken_apart = unicodedata.normalize("NFKD", character.casefold())
    bare = "".join(each for each in taken_apart if not unicodedata.combining(each))
    return "" if unicodedata.category(character) == "Cf" else bare.casefold()


def folded(text: str) -> tuple[str, Sequence[int]]:
    """Return a text as it is searched, and of which character of the text each of its own is."""
    if text.isascii():
        return text.lower(), range(len(text))
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in _letter(character):
            letters.append(letter)
            places.append(place)
    return "".join(letters), places


def compiled(pattern: str) -> "re2._Regexp[str]":
    """Return a pattern ready to be looked for; raises `re2.error`."""
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    return re2.compile(pattern, options)


def checked_pattern(pattern: str, *, path: Sequence[str]) -> None:
    """Raise `InvalidInput` unless RE2 takes a pattern, and it finds something and not nothing."""
    try:
        expression = compiled(pattern)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise InvalidInput(f"This is not a pattern for RE2: {reason}.", path=path) from error
    if expression.programsize > MAX_PROGRAM:
        raise InvalidInput("The pattern is too much to look for: repeat less.", path=path)
    if expression.search("") is not None:
        raise InvalidInput("The pattern finds something in an empty text.", path=path)


def _is_word(text: str, start: int, end: int) -> bool:
    """Whether a stretch of a text begins and ends where words do."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not before.isalnum() and not after.isalnum()


@dataclass(frozen=True, slots=True)
class _Literal:
    text: str
    whole: bool

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where it stands in a folded text."""
        start = text.find(self.text)
        while start >= 0:
            end = start + len(self.text)
            if not self.whole or _is_word(text, start, end):
                yield start, end
                start = text.find(self.text, end)
            else:
                start = text.find(self.text, start + 1)


class Matcher:
    """A list of filters, ready to be applied."""

    def __init__(self, filters: Sequence[WordFilter]) -> None:
        """Compile filters that were checked when they were set."""
        self._literals: dict[str, list[_Literal]] = {action: [] for action in FilterAction}
        self._patterns: dict[str, list[re2._Regexp[str]]] = {action: [] for action in FilterAction}
        for each in filters:
            if each.kind == FilterKind.PATTERN:
                self._patterns[each.action].append(compiled(each.pattern))
            elif wanted := folded(each.pattern)[0]:
                whole = each.kind == FilterKind.WORD
                self._literals[each.action].append(_Literal(wanted, whole))

    def refuses(self, text: str) -> bool:
        """Whether a filter that refuses finds something."""
        return any(True for _ in self._found(text, FilterAction.REFUSE))

    def masked(self, text: str) -> str:
        """Return a text with `MASK` in place of each character that a filter finds that masks."""
        found = sorted(self._found(text, FilterAction.MASK))
        if not found:
            return text
        parts: list[str] = []
        position = 0
        for start, end in found:
            if start >= position:
                parts.append(text[position:start])
            parts.append(MASK * (end - max(start, position)))
            position = max(position, end)
        return "".join([*parts, text[position:]])

    def _found(self, text: str, action: FilterAction) -> Iterator[tuple[int, int]]:
        """Yield stretches of a text that filters of an action find, in no order."""
        for pattern in self._patterns[action]:
            for match in pattern.finditer(text):
                if match.end() > match.start():
                    yield match.start(), match.end()
        if not self._literals[action]:
            return
        plain, places = folded(text)
        for literal in self._literals[action]:
            for start, end in literal.found_in(plain):
                # With the marks that belong to its last letter.
                last = places[end] if end < len(places) else len(text)
                yield places[start], max(last, places[end - 1] + 1)
