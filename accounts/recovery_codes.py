"""Recovery codes: ten ways back in, each good once, for who has lost the second factor."""

import hmac
import secrets

COUNT = 10
# Crockford's base 32: nothing in it looks like something else.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_HALF = 5  # xxxxx-xxxxx: ten characters of five bits each
_LOOKALIKES = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, "–": None})


class RecoveryCodes:
    """Makes codes, and what is stored of them.

    The codes are random, so what a slow hash does for passwords is not needed. But 50 bits are few
    enough to be tried out by who has copied the database, so the hash is keyed: the key is not in
    there. Whose a code is goes into it as well, so that equal codes do not look equal.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self) -> list[str]:
        """Return fresh codes, all different, as people get to see them once."""
        codes: set[str] = set()
        while len(codes) < COUNT:
            codes.add(f"{_random()}-{_random()}")
        return sorted(codes)

    def hash(self, owner: bytes, code: str) -> bytes | None:
        """Return what is stored of a code, however it is typed; None for what is none."""
        plain = _plain(code)
        return hmac.digest(self._key, owner + plain.encode(), "sha256") if plain else None


def _random() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(_HALF))


def _plain(code: str) -> str | None:
    if len(code) > 8 * _HALF:
        return None
    plain = "".join(code.lower().split()).translate(_LOOKALIKES)
    return plain if len(plain) == 2 * _HALF and set(plain) <= set(ALPHABET) else None
