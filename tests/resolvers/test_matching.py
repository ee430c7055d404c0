"""Finding words: folding, whole words, masks, and lists that would be slow elsewhere."""

import sys
import threading

import pytest

from models.errors import InvalidInput
from models.word_filters import WordFilter
from resolvers import matching
from resolvers.matching import (
    MASK,
    MAX_EXPANDED,
    MAX_PROGRAM,
    MAX_STRETCHES,
    Matcher,
    checked_pattern,
    compiled,
    folded,
)

SENTENCE = "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}"


def masked(text, *patterns, kind="word"):
    return Matcher([WordFilter(each, kind, "mask") for each in patterns]).masked(text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("bad", "a bad one", "a ••• one"),
        ("bad", "BAD, Bad! bad.", "•••, •••! •••."),
        ("bad", "badly abad bad_", "badly abad •••_"),
        ("bad apple", "a bad apple", "a •••••••••"),
        ("käse", "Kase KÄSE ka\u0308se", "•••• •••• •••••"),
        ("strasse", "Straße STRASSE", "•••••• •••••••"),
        ("bad", "\uff22\uff21\uff24 b\u200bad", "••• ••••"),
        ("ёж", "ЕЖ Ёж ежи", "•• •• ежи"),
        ("🍉", "one 🍉!", "one •!"),
        ("🍉", "🍉 a🍉 🍉a 🍉🍉", "• a🍉 🍉a ••"),
        ("!a!", "!a! b!a! !a!b", "••• b!a! !a!b"),
        ("a-b", "a-b-c xa-b a-bx a-b", "•••-c xa-b a-bx •••"),
        ("a b a", "a b a b a", "•••••••••"),
        (SENTENCE, f"one {SENTENCE}.", "one •."),
    ],
)
def test_a_word_is_found_whole_whatever_its_case_and_accents(pattern, text, expected):
    assert masked(text, pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("bad", "badly abad", "•••ly a•••"),
        ("aa", "aaa", "•••"),
        ("s", "ß", "•"),
        ("\ufb01n", "\ufb01nal", "••al"),
    ],
)
def test_a_part_is_found_within_words(pattern, text, expected):
    assert masked(text, pattern, kind="part") == expected


def test_what_overlaps_is_masked_once_and_no_text_grows():
    text = "abcdef abc"
    assert masked(text, "abcd", "cdef", "bc", kind="part") == "•••••• a•••"[:7] + "a••"
    for pattern in ("a", "abc", "c d"):
        assert len(masked(text, pattern, kind="part")) == len(text)


def test_a_folded_text_knows_of_which_character_each_of_its_own_is():
    text = "Straße ka\u0308se"
    plain, places = folded(text)
    assert plain == "strasse kase"
    assert [text[place] for place in places] == list("Straßße kase")


def test_a_pattern_is_found_whatever_its_case():
    assert masked("Call 555-1234 NOW", r"\d{3}-\d{4}", "now", kind="pattern") == "Call •••••••• •••"


def test_a_filter_that_refuses_is_not_one_that_masks():
    matcher = Matcher([WordFilter("one", "word", "refuse"), WordFilter("two", "word", "mask")])
    assert (matcher.refuses("one"), matcher.refuses("two")) == (True, False)
    assert (matcher.masked("one"), matcher.masked("two")) == ("one", MASK * 3)


SLOW_ELSEWHERE = [r"(a+)+$", r"(a|aa)+$", r"(x+x+)+y", r"(.*a){10}", r"^(\w+\s?)*$|b", r"(a|a)*b"]


@pytest.mark.parametrize("pattern", SLOW_ELSEWHERE)
def test_patterns_that_take_others_for_ever_are_found_or_refused(pattern):
    """A thread, so that a test that hangs is one that fails; ten thousand characters each."""
    texts = ["a" * 9_999 + "!", "x" * 10_000, "ab" * 5_000, "aя" * 5_000]
    done: list[int | str] = []

    def look():
        try:
            checked_pattern(pattern, path=["pattern"])
        except InvalidInput:
            done.append("refused")
            return
        matcher = Matcher([WordFilter(pattern, "pattern", "mask")])
        done.extend(len(matcher.masked(text)) for text in texts)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert done in (["refused"], [10_000] * 4)


def test_a_pattern_may_become_so_large():
    expression = compiled(r"\bbad(ly)?\b")
    assert expression.programsize <= MAX_PROGRAM
    with pytest.raises(InvalidInput, match="too much"):
        checked_pattern(r"[\s\S]{1,100}b", path=["pattern"])


def steps(do):
    """Return how many lines of `resolvers/matching.py` run while something is done."""
    count = 0

    def line(_frame, event, _arg):
        nonlocal count
        count += event == "line"
        return line

    def call(frame, _event, _arg):
        return line if frame.f_code.co_filename == matching.__file__ else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        do()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("kind", ["word", "part"])
@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (lambda n: "a" * n, "a" * 2_000),
        (lambda n: "a" * (n // 2) + "b" + "a" * (n // 2), "a" * 2_000),
        (lambda n: "a " * n + "b", "a " * 1_000),
        (lambda n: "!" * n, "a" + "!" * 2_000),
        (lambda n: "!a" * n, "a!" * 1_000),
        (lambda n: SENTENCE * n, SENTENCE * 2_000),
    ],
)
@pytest.mark.parametrize("action", ["refuse", "mask"])
def test_long_lists_take_no_more_steps_than_short_ones(kind, wanted, text, action):
    """However alike the words are, and however often they are nearly found."""

    def taken(length):
        matcher = Matcher([WordFilter(wanted(n), kind, action) for n in range(1, length + 1)])
        return steps(lambda: (matcher.refuses(text), matcher.masked(text)))

    folded(text)  # what the letters stand for is looked up once
    assert taken(100) <= 40 * len(text)


def test_no_text_becomes_much_longer_by_being_folded():
    longest = max(len(folded(chr(code))[0]) for code in range(sys.maxunicode + 1))
    assert longest == MAX_EXPANDED


def test_where_patterns_mask_more_than_a_text_has_left_all_of_it_is_masked():
    text = "ax" * MAX_STRETCHES
    assert masked(text, "a", kind="pattern") == f"{MASK}x" * MAX_STRETCHES
    assert masked(text + "a!", "a", kind="pattern") == MASK * (len(text) + 2)
    assert masked(text + "a!", "a", kind="part") == f"{MASK}x" * MAX_STRETCHES + f"{MASK}!"
