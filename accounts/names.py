"""Display names that would pass for others: by letters of several scripts, or by what they claim.

People may share a name, and names in different scripts may look the same, so a name proves
nothing: the handle does. What is refused here has no honest use.
"""

import unicodedata

from confusable_homoglyphs import categories, confusables

# Scripts whose letters look like each other's. Others may meet in a word: Japanese takes three.
_ALIKE = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC"})
# Unicode's categories of what stands between words: separators, punctuation, symbols.
_BETWEEN = "ZPS"
# Claims to speak for the server, or to be what is shown in a person's place.
_CLAIMS = (
    "admin",
    "administrator",
    "administrators",
    "deleted account",
    "hubbub",
    "hubbub support",
    "hubbub team",
    "moderator",
    "support",
    "support team",
    "system",
    "system message",
)


def mixes_scripts(name: str) -> bool:
    """Whether a word has letters of several scripts that look alike, such as a
    Cyrillic A in Anna.

    Stricter than the "moderately restrictive" profile of UTS #39 §5.2 in these scripts, which mix
    in no language, and more lenient in all others.
    """
    return any(
        len(_ALIKE.intersection(categories.alias(character) for character in word)) > 1
        for word in _words(unicodedata.normalize("NFKC", name))
    )


def _words(name: str) -> list[str]:
    return "".join(
        " " if unicodedata.category(character)[0] in _BETWEEN else character for character in name
    ).split()


def claims_office(name: str) -> bool:
    """Whether a name says, or looks as if it said, that it speaks for the server."""
    return _plain(name) in _PLAIN_CLAIMS


def _plain(name: str) -> str:
    """Return the letters that a reader sees, without accents, spaces and disguises."""
    decomposed = unicodedata.normalize("NFKD", name)
    seen = "".join(_latin(character) for character in decomposed if character.isalnum())
    return seen.casefold().translate(_DISGUISES)


# As in `accounts/handles.py`; and a capital i is taken for an l.
_DISGUISES = str.maketrans("013457l", "oieasti")


def _latin(character: str) -> str:
    """Return the Latin letter or the digit that a character looks like, or else itself."""
    if character.isascii():
        return character
    alike = (each["c"] for each in confusables.confusables_data.get(character, ()))
    return next((other for other in alike if other.isascii() and other.isalnum()), character)


_PLAIN_CLAIMS = frozenset(_plain(claim) for claim in _CLAIMS)
