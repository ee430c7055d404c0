"""Proof that a request comes from a page that may read the server's answers, and not from any page.

A browser sends cookies with whatever request any page makes it send, but only pages of the same
origin, or of one that is allowed, can read what the server told them to send besides.
"""

import base64
import hmac
from uuid import UUID


class CsrfTokens:
    """One token for each session, derived from its id: nothing is stored, and none fits another."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, session_id: UUID) -> str:
        """Return a session's token."""
        mac = hmac.digest(self._key, session_id.bytes, "sha256")
        return base64.urlsafe_b64encode(mac).decode().rstrip("=")

    def fits(self, session_id: UUID, text: str | None) -> bool:
        """Whether a text is a session's token."""
        given = (text or "").encode("latin-1", "replace")
        return hmac.compare_digest(self.of(session_id).encode(), given)
