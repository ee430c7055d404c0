"""What use-cases work with; constructed once, in `server/app.py`."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from accounts.links import SignedLinks
from accounts.passkeys import Passkeys
from accounts.password_rules import PasswordRules
from accounts.passwords import Passwords
from accounts.recovery_codes import RecoveryCodes
from accounts.sealing import Sealer
from accounts.tokens import AccessTokens, RefreshTokens
from models.database import Database
from models.sign_up import SignUpPolicy
from models.terms import Terms
from notify.letters import Letters
from notify.mail import Sender, Transport
from realtime.cursor import Cursors
from realtime.node import Node
from resolvers.filter_cache import FilterCache
from resolvers.going_out import GoingOut
from resolvers.inboxes import Inboxes
from resolvers.rates import Rates
from resolvers.sending import Sending
from resolvers.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords, keys, tokens, second factors, cursors, and the key for what was sent."""

    passwords: Passwords
    signing_keys: SigningKeys
    password_rules: PasswordRules
    access_tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    content_key: bytes
    totp_secrets: Sealer
    recovery_codes: RecoveryCodes
    passkeys: Passkeys
    export_links: SignedLinks


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the operator decided about accounts."""

    passwords: bool = True
    issuer: str | None = None  # of tokens that are accepted beside our own
    deletion_wait: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class ChatRules:
    """What the operator decided about chats."""

    max_group_members: int = 10_000
    max_channel_members: int = 200_000


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

    And mail, and the word filters at hand.
    Mail, and the way out to strangers' servers.
    """

    db: Database
    node: Node
    sending: Sending
    credentials: Credentials
    rates: Rates
    sign_up: SignUpPolicy  # unless an administrator has decided otherwise
    post: Post
    inboxes: Inboxes
    outbound: GoingOut
    rules: AccountRules = AccountRules()
    word_filters: FilterCache = field(default_factory=FilterCache)
    chat_rules: ChatRules = ChatRules()
    terms: Terms = field(default_factory=Terms)  # by which messages are found
    retention: timedelta | None = None  # how long what is said is kept; for good if None


def utc_now() -> datetime:
    """Return the present moment; use-cases take it once and pass it down."""
    return datetime.now(UTC)
