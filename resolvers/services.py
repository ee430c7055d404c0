"""What use-cases work with; constructed once, in `server/app.py`."""

from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.passwords import Passwords
from accounts.tokens import AccessTokens, RefreshTokens
from models.database import Database
from realtime.cursor import Cursors
from realtime.node import Node
from resolvers.rates import Rates
from resolvers.sending import Sending


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords, tokens, cursors, and the key under which sent content is remembered."""

    passwords: Passwords
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    content_key: bytes


@dataclass(frozen=True, slots=True)
class Services:
    """The database, this node's real-time side, the way in for messages, credentials, limits."""

    db: Database
    node: Node
    sending: Sending
    credentials: Credentials
    rates: Rates


def utc_now() -> datetime:
    """Return the present moment; use-cases take it once and pass it down."""
    return datetime.now(UTC)
