"""Secrets for one use: 256 random bits as text, of which only the hash is kept."""

import hashlib
import secrets


def new() -> tuple[str, bytes]:
    """Return a fresh secret to give away, and the hash to keep."""
    text = secrets.token_urlsafe(32)
    return text, hashed(text)


def hashed(text: str) -> bytes:
    """Return what is kept of a secret. There is nothing to guess in it, so a fast hash will do."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
