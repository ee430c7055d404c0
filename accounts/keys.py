"""The keys that sign access tokens: one signs, and those before it verify until nothing needs them.

A key is derived from the server's secret and a salt, and only the salt is stored: who has a copy of
the database has no keys, and who once saw the secret does not have those that were made since.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

_SALT_BYTES = 32


class NoSigningKey(Exception):
    """There is no key to sign with: none was loaded."""


class OtherSecret(Exception):
    """The key was made under another secret than this server's."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; `number` counts them in the order in which they were made."""

    id: str
    number: int
    secret: bytes = field(repr=False)
    signs_from: datetime
    verifies_until: datetime | None  # None: nothing has taken its place yet

    def verifies(self, now: datetime) -> bool:
        """Whether a token that it has signed may still be good."""
        return self.verifies_until is None or now < self.verifies_until


class KeyMaker:
    """Makes keys, and makes them again from what is stored of them."""

    def __init__(self, root: bytes) -> None:
        """Derive from a key that comes of the server's secret."""
        self._root = root

    def new_salt(self) -> bytes:
        """Return the salt of a new key."""
        return secrets.token_bytes(_SALT_BYTES)

    def id_of(self, salt: bytes) -> str:
        """Return the id of a salt's key, which tells the key from any other and nothing about it.

        It is what tokens name (`kid`, RFC 7515 §4.1.4).
        """
        return hashlib.sha256(b"id" + self._secret(salt)).hexdigest()[:16]

    def key(
        self,
        id_: str,
        number: int,
        salt: bytes,
        *,
        signs_from: datetime,
        verifies_until: datetime | None,
    ) -> SigningKey:
        """Return the key that was stored so; raises `OtherSecret` if it cannot be made here."""
        if self.id_of(salt) != id_:
            raise OtherSecret(id_)
        return SigningKey(id_, number, self._secret(salt), signs_from, verifies_until)

    def _secret(self, salt: bytes) -> bytes:
        return hmac.digest(self._root, salt, "sha256")


class KeyRing:
    """The keys that a node knows at present."""

    def __init__(self) -> None:
        self._keys: dict[str, SigningKey] = {}

    def replace(self, keys: Iterable[SigningKey]) -> None:
        """Know these keys, and no others."""
        self._keys = {key.id: key for key in keys}

    def signing(self, now: datetime) -> SigningKey:
        """Return the newest key that signs already; raises `NoSigningKey`."""
        usable = [key for key in self._keys.values() if key.signs_from <= now and key.verifies(now)]
        if not usable:
            raise NoSigningKey
        return max(usable, key=lambda key: key.number)

    def verifying(self, id_: str, now: datetime) -> SigningKey | None:
        """Return the key of this id if what it has signed may still be good."""
        key = self._keys.get(id_)
        return key if key is not None and key.verifies(now) else None

    def ids(self, now: datetime) -> set[str]:
        """Return the ids of the keys whose tokens may still be good."""
        return {key.id for key in self._keys.values() if key.verifies(now)}
