"""What somebody looks for, as a list of conditions that all hold; any text is one or is refused.

- `red bicycle`: both words, in any form
- `"red bicycle"`: these words as they are written, one after the other
- `bicy*`: a word that begins so
- `-red`: not this
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.errors import InvalidInput, TooLong
from models.terms import Forms, Terms, Token

MAX_QUERY = 256  # characters
MAX_WORDS = 16
# Everything that begins so is gathered before it is known which of it is looked for.
MIN_PREFIX = 3  # characters

_PART = re.compile(r'(?P<no>(?<!\S)-)?(?:"(?P<quoted>[^"]*)"?|(?P<bare>[^\s"]+))(?P<open>\*?)')


@dataclass(frozen=True, slots=True)
class Condition:
    """Words one after the other that a text has, or lacks.

    In any form, if it is `loose`; the last of them may be the beginning of a word, if it is `open`.
    """

    words: tuple[Forms, ...]
    loose: bool
    open: bool
    excluded: bool

    def fits(self, tokens: Sequence[Token], start: int) -> bool:
        """Whether a text has the words from one of its own on."""
        if start + len(self.words) > len(tokens):
            return False
        last = len(self.words) - 1
        return all(
            self._fits(word, tokens[start + place].forms, last=place == last)
            for place, word in enumerate(self.words)
        )

    def _fits(self, word: Forms, there: Forms, *, last: bool) -> bool:
        if self.open and last:
            return there.written.startswith(word.written)
        if there.written == word.written:
            return True
        return self.loose and bool(word.stems & (there.stems | {there.written}))


def parse(text: str, terms: Terms) -> list[Condition]:
    """Return what is looked for; raises `InvalidInput` if that is nothing, or too much."""
    if len(text) > MAX_QUERY:
        raise TooLong("The query", actual=len(text), maximum=MAX_QUERY, path=["query"])
    conditions = [*_conditions(text, terms)]
    if all(condition.excluded for condition in conditions):
        raise InvalidInput("Give at least one word to look for.", path=["query"])
    if sum(len(condition.words) for condition in conditions) > MAX_WORDS:
        raise InvalidInput(f"At most {MAX_WORDS} words can be looked for.", path=["query"])
    for condition in conditions:
        if condition.open and len(condition.words[-1].written) < MIN_PREFIX:
            raise InvalidInput(f"Give at least {MIN_PREFIX} characters before a *.", path=["query"])
    return conditions


def _conditions(text: str, terms: Terms) -> Iterator[Condition]:
    for part in _PART.finditer(text):
        bare, quoted = part["bare"] or "", part["quoted"]
        words = tuple(token.forms for token in terms.tokens(bare or quoted or ""))
        if not words:
            continue
        is_open = bool(part["open"]) or bare.endswith("*")
        yield Condition(
            words=words,
            # What falls into several words, as an address does, is looked for as it is written.
            loose=quoted is None and len(words) == 1 and not is_open,
            open=is_open,
            excluded=part["no"] is not None,
        )
