"""Finding words: folding, whole words, masks, and patterns that would be slow elsewhere."""

import threading

import pytest

from models.errors import InvalidInput
from models.word_filters import WordFilter
from resolvers.matching import MASK, MAX_PROGRAM, Matcher, checked_pattern, compiled, folded


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
    ],
)
def test_a_word_is_found_whole_whatever_its_case_and_accents(pattern, text, expected):
    assert masked(text, pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("bad", "badly abad", "•••ly a•••"),
        ("aa", "aaa", "••a"),
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
