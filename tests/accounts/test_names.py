"""Which display names would pass for others."""

import pytest

from accounts.names import claims_office, mixes_scripts


@pytest.mark.parametrize(
    "name",
    [
        "Ana",
        "Zoë Łukasz-O’Brien",
        "Анна Smith",
        "Иван (Ivan)",
        "Jean-Люк",
        "Anna❤Иван",
        "\u0410\u043d\u043d\u04302000",
        "Μαρία",
        "山田タロウ",
        "ヒロ本Bob",
        "김철수",
        "محمد",
        "Արմեն",
        "अनु",
    ],
)
def test_names_people_have_are_welcome_in_every_script(name):
    assert not mixes_scripts(name)


@pytest.mark.parametrize(
    "name",
    [
        "\u0410nna",  # Cyrillic A
        "Ann\u0430",
        "\u0391lice",  # Greek Alpha
        "Cher \u0410dmin",
        "\u0430\u0301na",  # an accent does not part a word
        "A\u200bн",  # nor does what has no width
        "\u13aana",  # Cherokee
        "\u0561na",  # Armenian
    ],
)
def test_a_word_of_scripts_that_look_alike_is_refused(name):
    assert mixes_scripts(name)


@pytest.mark.parametrize(
    "name",
    [
        "Admin",
        "ADM1N",
        "Ádmin",
        "\U0001d400\U0001d41d\U0001d426\U0001d422\U0001d427",
        "a d m i n",
        "\u0405upport",  # Cyrillic S
        "Hubbub",
        "\u041dubbub",  # Cyrillic N, which looks like H
        "Support Team",
        "deIeted account",
    ],
)
def test_to_claim_an_office_is_refused_however_it_is_written(name):
    assert claims_office(name)


@pytest.mark.parametrize("name", ["Ana", "Ana from support", "Administrata", "Sue Port", "😀", ""])
def test_other_names_claim_nothing(name):
    assert not claims_office(name)
