"""What use-cases work with; constructed once, in `server/app.py`."""

from dataclasses import dataclass
from datetime import UTC, datetime

from accounts.password_rules import PasswordRules
from accounts.passwords import Passwords
from accounts.sealing import Sealer
from accounts.tokens import AccessTokens, RefreshTokens
from models.database import Database
from notify.letters import Letters
from notify.mail import Sender, Transport
from realtime.cursor import Cursors
from realtime.node import Node
from resolvers.rates import Rates
from resolvers.sending import Sending


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords, tokens, cursors, and the key under which sent content is remembered."""

    passwords: Passwords
    password_rules: PasswordRules
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    content_key: bytes


@dataclass(frozen=True, slots=True)
class Post:
    """Mail: what it says, in whose name, how it is sealed while it waits, and what carries it."""

    letters: Letters
    sender: Sender
    sealer: Sealer
    transport: Transport


@dataclass(frozen=True, slots=True)
class Services:
    """The database, this node's real-time side, the way in for messages, credentials, limits.

    And mail.
    """

    db: Database
    node: Node
    sending: Sending
    credentials: Credentials
    rates: Rates
    post: Post


def utc_now() -> datetime:
    """Return the present moment; use-cases take it once and pass it down."""
    return datetime.now(UTC)
