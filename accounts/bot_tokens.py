"""Bots' tokens: long-lived, opaque, and recognisable wherever they are pasted by mistake."""

import hashlib
import re
import secrets
import string
import zlib

# Scanners of public repositories find secrets by such a prefix.
PREFIX = "hbt_"

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET = 43  # characters of 62 kinds: 256 bits
_CHECKSUM = 6  # characters, for 32 bits
_SHAPE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET + _CHECKSUM}}}")


class NotABotToken(Exception):
    """The text is no token: it was cut off, mistyped or made up."""


def new() -> tuple[str, bytes]:
    """Return a fresh token, and the hash that is kept of it."""
    body = PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(_SECRET))
    token = body + _checksum(body)
    return token, _hash(token)


def hashed(token: str) -> bytes:
    """Return the hash of a token; raises `NotABotToken` without any look-up if it cannot be one."""
    if not _SHAPE.fullmatch(token):
        raise NotABotToken("not a bot's token")
    body, checksum = token[:-_CHECKSUM], token[-_CHECKSUM:]
    if _checksum(body) != checksum:
        raise NotABotToken("the checksum is wrong")
    return _hash(token)


def _hash(token: str) -> bytes:
    # The secret is 256 random bits, so a fast hash is enough.
    return hashlib.sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
