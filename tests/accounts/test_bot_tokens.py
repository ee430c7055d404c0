"""What bots' tokens look like, and what is refused without looking one up."""

import re

import pytest

from accounts import bot_tokens


def test_a_token_is_recognised_by_its_shape_and_hashed_the_same_again():
    token, hash_ = bot_tokens.new()
    assert re.fullmatch(r"hbt_[0-9A-Za-z]{49}", token)
    assert bot_tokens.hashed(token) == hash_
    assert len(hash_) == 32


def test_no_two_tokens_are_alike():
    assert len({bot_tokens.new()[0] for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "",
        lambda token: "hbt_",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "\n",
        lambda token: token.upper(),
        lambda token: token.replace("hbt_", "ghp_"),
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:10] + ("A" if token[10] != "A" else "B") + token[11:],
        lambda token: token[:10] + "\N{CYRILLIC SMALL LETTER A}" + token[11:],
        lambda token: token * 20_000,
    ],
)
def test_a_token_that_was_cut_off_or_mistyped_is_none(spoil):
    token, _ = bot_tokens.new()
    with pytest.raises(bot_tokens.NotABotToken):
        bot_tokens.hashed(spoil(token))
