"""What a text is found by: its words without case and accents, and what is left of their endings.

PostgreSQL would cut and stem texts by itself, and SQLite in another way. Both are given terms that
are made here instead, so that a search finds the same on either.

A word is a run of letters and digits. Where words are not parted by spaces, and among emoji, every
character is one; somebody who looks for several in a row asks for all of them in their order.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import Stemmer

SIMPLE = "simple"  # words as they are
DEFAULT_LANGUAGES = ("english", "russian")
LANGUAGES = (SIMPLE, *Stemmer.algorithms())
MAX_TERM = 64  # characters; longer words are taken for one another if they begin alike
_REMEMBERED = 1 << 14  # words whose forms are kept at hand: a language has as many in daily use

# Han and kana; Thai, Lao, Burmese and Khmer; emoji.
_ALONE = (
    "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u2600-\u27bf\U0001f300-\U0001faff"
)
_ACCENTS = "\u0300-\u036f"  # written after a letter, as some keyboards do
_WORD = re.compile(rf"[{_ALONE}]|(?:[^\W_{_ALONE}][{_ACCENTS}]*)+")
_ASCII_WORD = re.compile(r"[a-zA-Z0-9]+")
_NO_LETTERS = re.compile(r"[\W_]+")

# Which writing a language's words are in; Latin, if it is not named.
_WRITING = {
    "arabic": {"ARABIC"},
    "armenian": {"ARMENIAN"},
    "greek": {"GREEK"},
    "hindi": {"DEVANAGARI"},
    "nepali": {"DEVANAGARI"},
    "persian": {"ARABIC"},
    "russian": {"CYRILLIC"},
    "serbian": {"CYRILLIC", "LATIN"},
    "tamil": {"TAMIL"},
    "yiddish": {"HEBREW"},
}
_LATIN = {"LATIN"}


@dataclass(frozen=True, slots=True)
class Forms:
    """What a word is found by: as it is written, and without its endings in each language."""

    written: str
    stems: frozenset[str]


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text, and where it is in it."""

    forms: Forms
    start: int
    end: int


class Terms:
    """Makes terms of texts in some languages."""

    def __init__(self, languages: Sequence[str] = DEFAULT_LANGUAGES) -> None:
        """Prepare the stemmers; raises `ValueError` for a language that is not in `LANGUAGES`."""
        for language in languages:
            if language not in LANGUAGES:
                raise ValueError(f"{language!r} is not a language that can be searched")
        self.languages = tuple(languages)
        self._stemmers = [
            (_WRITING.get(language, _LATIN), Stemmer.Stemmer(language))
            for language in self.languages
            if language != SIMPLE
        ]
        # A stemmer has a buffer of its own, which two threads must not use at once.
        self._turn = threading.Lock()
        self.forms = lru_cache(_REMEMBERED)(self._forms)

    def tokens(self, text: str) -> Iterator[Token]:
        """Yield the words of a text in their order."""
        forms = self.forms
        for found in (_ASCII_WORD if text.isascii() else _WORD).finditer(text):
            yield Token(forms(found[0][:MAX_TERM]), found.start(), found.end())

    def _forms(self, word: str) -> Forms:
        # Most people write this letter without its dots.
        folded = unicodedata.normalize("NFKC", word.casefold()).replace("\u0451", "\u0435")
        if not folded.isalnum():
            folded = _NO_LETTERS.sub("", folded) or word  # an emoji
        writing = unicodedata.name(folded[0], "").partition(" ")[0]
        with self._turn:
            stems = {
                stemmer.stemWord(folded)
                for writings, stemmer in self._stemmers
                if writing in writings
            }
        return Forms(_plain(folded), frozenset(_plain(stem) for stem in stems if stem))


def _plain(word: str) -> str:
    """Return a word without accents, which not everybody writes, and not longer than terms are.

    Those of Greek and Latin letters: elsewhere a mark makes another letter, as it does of и and й.
    """
    if word.isascii():
        return word[:MAX_TERM]
    decomposed = unicodedata.normalize("NFD", word)
    kept: list[str] = []
    plain_base = False
    for character in decomposed:
        if not unicodedata.combining(character):
            plain_base = character < "\u0400" or "\u1e00" <= character < "\u2000"
        elif plain_base:
            continue
        kept.append(character)
    return unicodedata.normalize("NFC", "".join(kept))[:MAX_TERM]
