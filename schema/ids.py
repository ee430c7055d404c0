"""Global ids: opaque to clients, typed and checked for us.

An id is the base64url form of a kind byte and the key. It says nothing that its holder does not
know already, and knowing one opens nothing: every look-up asks who is asking.
"""

import base64
import binascii
from collections.abc import Collection, Sequence
from enum import Enum
from uuid import UUID

from models.errors import InvalidInput
from models.messages import MessageKey


class Kind(Enum):
    """What an id names."""

    USER = b"u"
    CHAT = b"c"
    MESSAGE = b"m"
    MEMBERSHIP = b"p"
    SESSION = b"s"
    PASSKEY = b"k"
    GUEST_LINK = b"g"
    BOT_TOKEN = b"t"
    INVITATION = b"i"
    REPORT = b"r"
    AUDIT_ENTRY = b"a"
    EXPORT = b"x"
    JOIN_LINK = b"j"
    JOIN_REQUEST = b"q"
    FOLDER = b"f"
    SCHEDULED_MESSAGE = b"l"
    THREAD = b"h"
    WEBHOOK = b"w"
    INCOMING_WEBHOOK = b"W"


class InvalidId(InvalidInput):
    """The text is not an id of the kind asked for."""

    code = "INVALID_ID"

    def __init__(self, path: Sequence[str]) -> None:
        super().__init__("This is not an id of the kind expected here.", path=path)


_SEQ_BYTES = 6  # 2⁴⁸ messages in a chat


def encode(kind: Kind, key: UUID) -> str:
    """Return the id of a thing known by a key."""
    return base64.urlsafe_b64encode(kind.value + key.bytes).decode().rstrip("=")


def encode_message(key: MessageKey) -> str:
    """Return the id of a message."""
    return _encode_numbered(Kind.MESSAGE, key)


def encode_thread(root: MessageKey) -> str:
    """Return the id of the thread that a message started, or may start."""
    return _encode_numbered(Kind.THREAD, root)


def _encode_numbered(kind: Kind, key: MessageKey) -> str:
    chat_id, seq = key
    body = kind.value + chat_id.bytes + seq.to_bytes(_SEQ_BYTES, "big")
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def decode(kind: Kind, text: str, *, path: str = "id") -> UUID:
    """Return the key of an id; raises `InvalidId` pointing to `path`."""
    body = _body(text, path)
    if body[:1] != kind.value or len(body) != 17:
        raise InvalidId([path])
    return UUID(bytes=body[1:])


def decode_message(text: str, *, path: str = "id") -> MessageKey:
    """Return the key of a message's id; raises `InvalidId` pointing to `path`."""
    return _decode_numbered({Kind.MESSAGE}, text, path)


def decode_thread(text: str, *, path: str = "id") -> MessageKey:
    """Return the root of a thread; raises `InvalidId` pointing to `path`.

    A message's id stands for the thread that it starts: before a reply nobody knows another.
    """
    return _decode_numbered({Kind.THREAD, Kind.MESSAGE}, text, path)


def _decode_numbered(kinds: Collection[Kind], text: str, path: str) -> MessageKey:
    body = _body(text, path)
    if len(body) != 17 + _SEQ_BYTES or body[:1] not in {kind.value for kind in kinds}:
        raise InvalidId([path])
    return UUID(bytes=body[1:17]), int.from_bytes(body[17:], "big")


def kind_of(text: str, *, path: str = "id") -> Kind:
    """Return what an id names; raises `InvalidId`."""
    try:
        return Kind(_body(text, path)[:1])
    except ValueError as error:
        raise InvalidId([path]) from error


def _body(text: str, path: str) -> bytes:
    try:
        body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise InvalidId([path]) from error
    # One thing has one id: padding, and characters that decoding skips, are refused.
    if base64.urlsafe_b64encode(body).decode().rstrip("=") != text:
        raise InvalidId([path])
    return body
