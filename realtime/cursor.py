"""Cursors: a subscriber's place in the log, opaque to clients and signed.

A cursor says either "everything that was visible at `start`" or, inside a batch that was read
between `start` and `end`, "that, and the batch up to the event `last_id`". A batch between two
positions never changes, so who was cut off in the middle of one goes on exactly there.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from models.errors import InvalidInput

_MAC_BYTES = 12
_SEPARATOR = "|"


class InvalidCursor(InvalidInput):
    """The text is no cursor of this server, or of another subscription."""

    code = "INVALID_CURSOR"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log `epoch`; `last_id` is 0 unless it lies inside a batch."""

    epoch: str
    start: str
    end: str = ""
    last_id: int = 0


class Cursors:
    """Turn cursors into the text that clients keep, and back.

    The text is bound to the chats that a subscription was limited to: what such a one has seen says
    nothing about the others.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, cursor: Cursor, scope: str = "") -> str:
        """Return a cursor's text, for a subscription of that scope."""
        parts = (cursor.epoch, cursor.start, cursor.end, str(cursor.last_id), scope)
        body = _SEPARATOR.join(parts).encode()
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def decode(self, text: str, scope: str = "") -> Cursor:
        """Return the cursor of a text; raises `InvalidCursor`.

        A cursor of an unlimited subscription serves a limited one too, but not the reverse.
        """
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as error:
            raise _invalid("This is not a cursor of this server.") from error
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise _invalid("This is not a cursor of this server.")
        epoch, start, end, last_id, of_scope = body.decode().split(_SEPARATOR)
        if of_scope not in ("", scope):
            raise _invalid("This cursor belongs to a subscription with other chatIds.")
        return Cursor(epoch, start, end, int(last_id))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def scope_of(chat_ids: Collection[UUID] | None) -> str:
    """Return what binds a cursor to a set of chats; empty for all of them."""
    if chat_ids is None:
        return ""
    joined = "".join(sorted(chat_id.hex for chat_id in set(chat_ids)))
    return hashlib.sha256(joined.encode()).hexdigest()[:16]


def _invalid(message: str) -> InvalidCursor:
    return InvalidCursor(message, path=["after"])
