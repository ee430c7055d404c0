"""Recovery codes: random, readable, and stored so that they cannot be tried out."""

import re

import pytest

from accounts.recovery_codes import ALPHABET, COUNT, RecoveryCodes

CODES = RecoveryCodes(b"k" * 32)


def test_there_are_ten_different_codes_of_fifty_bits():
    codes = CODES.make()
    assert len(set(codes)) == COUNT == 10
    assert all(re.fullmatch(rf"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", code) for code in codes)
    assert len(set(ALPHABET)) == 32
    assert not set(codes) & set(CODES.make())


@pytest.mark.parametrize(
    "typed", ["ab01c-de1fg", "AB01C-DE1FG", "ab01cde1fg", " ab01c – de1fg\n", "abOlc-deIfg"]
)
def test_a_code_is_the_same_however_it_is_typed(typed):
    assert CODES.hash(b"ana", typed) == CODES.hash(b"ana", "ab01c-de1fg")


@pytest.mark.parametrize(
    "typed", ["", "-", "ab01c-de1f", "ab01c-de1fgh", "ab01c-de1f!", "ab01c-de1fü", "a" * 100_000]
)
def test_what_is_no_code_has_no_hash(typed):
    assert CODES.hash(b"ana", typed) is None


def test_the_hash_is_of_one_person_and_one_server():
    mine = CODES.hash(b"ana", "ab01c-de1fg")
    assert mine != CODES.hash(b"ben", "ab01c-de1fg")
    assert mine != RecoveryCodes(b"l" * 32).hash(b"ana", "ab01c-de1fg")
    assert mine is not None
    assert len(mine) == 32
