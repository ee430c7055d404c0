"""Sealing: what the server has to read again, kept so that a copy of the database does not tell it.

AES-256-GCM (NIST SP 800-38D) with a random nonce each time. What is sealed is bound to a context,
such as whose it is, so that it cannot be moved from one row to another.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12  # NIST SP 800-38D §5.2.1.1; random, so one key serves 2^32 sealings (§8.3)
TAG_BYTES = 16


class SealBroken(Exception):
    """What was sealed is damaged, or was sealed under another key or for another context."""


class Sealer:
    """Seals and opens with one key, made by `accounts.tokens.derive_key` for one purpose."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a sealing key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, *, context: bytes) -> bytes:
        """Return what only `open` with the same key and context reads: nonce, ciphertext, tag."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """Return what was sealed; raises `SealBroken`."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise SealBroken("too short to be sealed")
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag as error:
            raise SealBroken("not sealed with this key for this context") from error
