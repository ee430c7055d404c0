"""Secrets of incoming webhooks: long-lived, and recognisable where they are pasted by mistake."""

import secrets

from accounts.tickets import hashed

# Scanners of public repositories find secrets by such a prefix.
PREFIX = "hbw_"
_LENGTH = len(PREFIX) + 43  # 256 bits


def new() -> tuple[str, bytes]:
    """Return a fresh secret, and the hash that is kept of it."""
    text = PREFIX + secrets.token_urlsafe(32)
    return text, hashed(text)


def read(text: str) -> bytes | None:
    """Return the hash of a secret; None, without any look-up, for what cannot be one."""
    if len(text) != _LENGTH or not text.startswith(PREFIX):
        return None
    return hashed(text)
