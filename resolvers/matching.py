"""Finding words in texts: without regard to case and accents, and in time that is bounded.

Words and parts of words are looked for in a folded text: without case, accents and variants of
letters such as full-width ones. All of a list are looked for together, in one way through the text
(Aho and Corasick, 1975), so it does not matter how many they are or how alike. Patterns are RE2's,
which takes time in proportion to the text, whatever the pattern. Their programs may only become so
large, or the list is refused.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice

import re2

from models.errors import InvalidInput
from models.word_filters import FilterAction, FilterKind, WordFilter

MASK = "\N{BULLET}"  # for each character; an asterisk would be Markdown
# Bytes for the program of a pattern, and for what is remembered of its states.
MAX_MEMORY = 256 * 1024
# Instructions, of one pattern and of all of a list. The time that a text takes is at most in
# proportion to both: the worst that we found takes 15 ms for the longest message, an ordinary
# pattern, of some 40 instructions, 0.1.
MAX_PROGRAM = 300
MAX_PROGRAMS = 500
# Folded letters of all words and parts of a list, each of which takes some memory.
MAX_LETTERS = 10_000
# What patterns mask in one text; where they find more, nothing is left worth reading.
MAX_STRETCHES = 1000
# Some ligatures stand for a whole sentence, and would make of a text one that is 18 times as long.
MAX_EXPANDED = 4


@lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    """Return a character without case, accent and variant: nothing, one character, or a few."""
    taken_apart = unicodedata.normalize("NFKD", character.casefold())
    bare = "".join(each for each in taken_apart if not unicodedata.combining(each)).casefold()
    if unicodedata.category(character) == "Cf":
        return ""
    return bare if len(bare) <= MAX_EXPANDED else character


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


def checked_pattern(pattern: str, *, path: Sequence[str]) -> int:
    """Return how large a pattern's program is.

    Raises `InvalidInput` unless RE2 takes the pattern, and it finds something and not nothing.
    """
    try:
        expression = compiled(pattern)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise InvalidInput(f"This is not a pattern for RE2: {reason}.", path=path) from error
    if expression.programsize > MAX_PROGRAM:
        raise InvalidInput("The pattern is too much to look for: repeat less.", path=path)
    if expression.search("") is not None:
        raise InvalidInput("The pattern finds something in an empty text.", path=path)
    return int(expression.programsize)


class _Automaton:
    """Several rows of symbols, looked for together in one way through a longer one.

    Each state is the longest beginning of one of them that the row read so far ends with. A symbol
    leads to the next state, or back to a shorter beginning; as only what was read can be gone back,
    there are at most two steps for each symbol, whatever is looked for.
    """

    def __init__(self, wanted: Iterable[Sequence[str]]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._longest = [0]  # that ends in this state; what else does is within it
        for symbols in wanted:
            state = 0
            for symbol in symbols:
                following = self._next[state].get(symbol)
                if following is None:
                    following = len(self._next)
                    self._next[state][symbol] = following
                    self._next.append({})
                    self._longest.append(0)
                state = following
            self._longest[state] = len(symbols)
        self._shorter = [0] * len(self._next)
        self._link()

    def _link(self) -> None:
        """Find for each state the next shorter beginning, shorter states first."""
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            self._longest[state] = self._longest[state] or self._longest[self._shorter[state]]
            for symbol, following in self._next[state].items():
                back = self._shorter[state]
                while back and symbol not in self._next[back]:
                    back = self._shorter[back]
                self._shorter[following] = self._next[back].get(symbol, 0)
                waiting.append(following)

    def found_in(self, symbols: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Yield for each place where something wanted ends the longest that does."""
        following, longest, shorter = self._next, self._longest, self._shorter
        state = 0
        for end, symbol in enumerate(symbols, 1):
            step = following[state].get(symbol)
            while step is None and state:
                state = shorter[state]
                step = following[state].get(symbol)
            state = step or 0
            if longest[state]:
                yield end - longest[state], end


# Letters and digits in a row, or any other character.
_PIECE = re.compile(r"([^\W_]+)|[\W_]")
_AFTER_WORD = "-"


def _pieces(text: str) -> tuple[list[str], list[int]]:
    """Return words and what is between them as symbols, and where each begins.

    A character that follows a word immediately is another symbol than elsewhere: what begins with
    the character alone is not found there.
    """
    pieces: list[str] = []
    starts: list[int] = []
    after_word = False
    for match in _PIECE.finditer(text):
        is_word = match.lastindex is not None
        pieces.append(_AFTER_WORD + match[0] if after_word and not is_word else match[0])
        starts.append(match.start())
        after_word = is_word
    return pieces, starts


class _Literals:
    """Words, found as a whole, and parts of words."""

    def __init__(self, words: Sequence[str], parts: Sequence[str]) -> None:
        self._words = _Automaton(_pieces(each)[0] for each in words) if words else None
        self._parts = _Automaton(parts) if parts else None

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where they stand in a text; both are folded."""
        if self._parts is not None:
            yield from self._parts.found_in(text)
        if self._words is None:
            return
        pieces, starts = _pieces(text)
        starts.append(len(text))
        for start, end in self._words.found_in(pieces):
            # What ends with no letter ends before none either.
            before_word = end < len(pieces) and pieces[end][0].isalnum()
            if not before_word or pieces[end - 1][-1].isalnum():
                yield starts[start], starts[end]


class Matcher:
    """A list of filters, ready to be applied."""

    def __init__(self, filters: Sequence[WordFilter]) -> None:
        """Compile filters that were checked when they were set."""
        self._patterns: dict[str, list[re2._Regexp[str]]] = {action: [] for action in FilterAction}
        self._literals: dict[str, _Literals] = {}
        for action in FilterAction:
            literals: dict[str, list[str]] = {FilterKind.WORD: [], FilterKind.PART: []}
            for each in filters:
                if each.action != action:
                    continue
                if each.kind == FilterKind.PATTERN:
                    self._patterns[action].append(compiled(each.pattern))
                elif wanted := folded(each.pattern)[0]:
                    literals[each.kind].append(wanted)
            if any(literals.values()):
                self._literals[action] = _Literals(
                    literals[FilterKind.WORD], literals[FilterKind.PART]
                )

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
        stretches = islice(self._found_by_patterns(text, action), MAX_STRETCHES + 1)
        for number, stretch in enumerate(stretches):
            yield stretch if number < MAX_STRETCHES else (0, len(text))
        literals = self._literals.get(action)
        if literals is None:
            return
        plain, places = folded(text)
        for start, end in literals.found_in(plain):
            # With the marks that belong to its last letter.
            last = places[end] if end < len(places) else len(text)
            yield places[start], max(last, places[end - 1] + 1)

    def _found_by_patterns(self, text: str, action: FilterAction) -> Iterator[tuple[int, int]]:
        for pattern in self._patterns[action]:
            for match in pattern.finditer(text):
                if match.end() > match.start():
                    yield match.start(), match.end()
