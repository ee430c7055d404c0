"""Common passwords: which are refused, and which look alike and are not."""

import pytest

from accounts.common_passwords import common_passwords, is_common, is_told_by

WORDS = ["ana_ruiz", "Ana Ruiz", "ana.ruiz@example.org", "ana.ruiz", "Hubbub", "jo"]


def test_the_list_is_long_folded_and_of_passwords_that_are_long_enough():
    listed = common_passwords()
    assert 20_000 < len(listed) < 100_000
    assert all(len(password) >= 8 and password == password.casefold() for password in listed)


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PassWord",
        "12345678",
        "iloveyou",
        "1qaz2wsx3edc",
        "\N{FULLWIDTH LATIN SMALL LETTER P}assword",
    ],
)
def test_a_common_password_is_known_however_it_is_written(password):
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "password of mine", "", "xpassword", "ñandú veloz", "password\n"],
)
def test_only_the_whole_password_counts(password):
    assert not is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        "ana_ruiz",
        "ANA_RUIZ",
        "Ana Ruiz 2026!",
        "anaruiz1",
        "ana.ruiz@example.org",
        "hubbub123",
        "!!Hubbub!!",
        "1990ana.ruiz",
    ],
)
def test_what_anybody_knows_of_a_person_is_told_by_it(password):
    assert is_told_by(password, WORDS)


@pytest.mark.parametrize(
    "password", ["", "12345", "ana", "ana ruiz rides", "hubbub of voices", "jo123456", "!!"]
)
def test_what_merely_holds_a_known_word_is_not(password):
    assert not is_told_by(password, WORDS)
