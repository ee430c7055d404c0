"""Passwords that whoever guesses tries first: known common ones, and what is known of the person.

NIST SP 800-63B-4 §3.1.1.2 asks for a comparison of the whole password with such a list, and for no
other rule about what a password is made of.
"""

import gzip
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# Where the list comes from, and under which licences: common_passwords.LICENSES.txt, beside it.
LIST = Path(__file__).with_name("common_passwords.txt.gz")
# A name this short stands at the beginning of too much that nobody would guess.
MIN_WORD = 3  # characters


@cache
def common_passwords() -> frozenset[str]:
    """Return the list: passwords of at least 8 characters, folded."""
    with gzip.open(LIST, "rt", encoding="utf-8") as lines:
        return frozenset(line.rstrip("\n") for line in lines)


def is_common(password: str) -> bool:
    """Whether a password is on the list, however it is capitalised."""
    return _folded(password) in common_passwords()


def is_told_by(password: str, words: Iterable[str]) -> bool:
    """Whether a password is one of these words, but for digits and marks around it.

    The words are what anybody can know: a person's handle, name and address, the service's name.
    """
    core = _core(password)
    return len(core) >= MIN_WORD and any(core == _core(word) for word in words)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _core(text: str) -> str:
    """Return a text's letters and digits from its first letter to its last one."""
    folded = _folded(text)
    at = [index for index, character in enumerate(folded) if character.isalpha()]
    within = folded[at[0] : at[-1] + 1] if at else ""
    return "".join(character for character in within if character.isalnum())
