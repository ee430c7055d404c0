"""Which handles are handles, and which are nobody's."""

import pytest

from accounts.handles import is_handle, is_reserved


@pytest.mark.parametrize("handle", ["ana", "a_1", "a" * 32, "x__y", "z99"])
def test_three_to_32_letters_digits_and_underscores_are_a_handle(handle):
    assert is_handle(handle)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "an",
        "a" * 33,
        "1ana",
        "_ana",
        "Ana",
        "ana b",
        "ana-b",
        "\u0430na",
        "anä",
        "\uff41na",
        "ana\n",
        "an\u0430",
        "ana\u200b",
        "ana\u0301",
        "ana\0",
    ],
)
def test_anything_else_is_none(text):
    assert not is_handle(text)


@pytest.mark.parametrize(
    "handle",
    ["admin", "adm1n", "4dmin", "admin_", "ad_min", "supp0rt", "he1p", "a11", "everyone", "hubbub"],
)
def test_what_would_speak_for_the_server_is_reserved_however_disguised(handle):
    assert is_reserved(handle)


@pytest.mark.parametrize("handle", ["ana", "ali", "sam", "adminka", "mall", "you2", "bern", "ben1"])
def test_ordinary_handles_are_not(handle):
    assert not is_reserved(handle)
