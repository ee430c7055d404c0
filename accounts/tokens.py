"""Access tokens (JWT, minutes) and refresh tokens (opaque, rotating)."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from accounts.keys import KeyRing

ALGORITHM = "HS256"  # pinned: a token that names another one, or none, is refused
ISSUER = "hubbub"
ACCESS_LIFETIME = timedelta(minutes=15)
# A session unused for this long ends by itself.
REFRESH_LIFETIME = timedelta(days=60)
# A client that never got the answer to its refresh may repeat it for this long.
REFRESH_GRACE = timedelta(seconds=10)
# Clocks of several nodes differ a little.
LEEWAY = timedelta(seconds=5)

# Ours have 400 characters. Nobody works through a megabyte to find that it is not one.
MAX_TOKEN = 4096

_KEY_ID = re.compile(r"[0-9a-f]{16}")
_REFRESH_SECRET_BYTES = 32


class InvalidToken(Exception):
    """The token was not made here, was tampered with, or is malformed."""


# What reading a token raises that we did not make. A header of nothing but brackets recurses.
MALFORMED = (
    jwt.InvalidTokenError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class ExpiredToken(InvalidToken):
    """The token was good once."""


class UnknownKey(InvalidToken):
    """The token names a key that is not known here; it may be a new one."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"unknown key {key_id}")
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """Whom an access token speaks for, in which session, and until when."""

    user_id: UUID
    session_id: UUID
    expires_at: datetime


class AccessTokens:
    """Issue access tokens with the newest key of a ring, and check them with any.

    Every token names its key (`kid`, RFC 7515 §4.1.4), so that keys change without signing
    anybody out.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def issue(self, user_id: UUID, session_id: UUID, now: datetime) -> str:
        """Return a token for `ACCESS_LIFETIME` from now."""
        key = self._keys.signing(now)
        return jwt.encode(
            {
                "iss": ISSUER,
                "aud": ISSUER,
                "sub": str(user_id),
                "sid": str(session_id),
                "iat": now,
                "exp": now + ACCESS_LIFETIME,
            },
            key.secret,
            algorithm=ALGORITHM,
            headers={"kid": key.id},
        )

    def read(self, token: str) -> AccessClaims:
        """Return what a token says; raises `ExpiredToken`, `UnknownKey` or `InvalidToken`."""
        if len(token) > MAX_TOKEN:
            raise InvalidToken("too long")
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
                raise InvalidToken("names no key")
            key = self._keys.verifying(key_id, datetime.now(UTC))
            if key is None:
                raise UnknownKey(key_id)
            claims = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=ISSUER,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "sid", "iss", "aud"]},
            )
            return AccessClaims(
                user_id=UUID(claims["sub"]),
                session_id=UUID(claims["sid"]),
                expires_at=_moment(claims["exp"]),
            )
        except jwt.ExpiredSignatureError as error:
            raise ExpiredToken("expired") from error
        except MALFORMED as error:
            raise InvalidToken("not a token of this server") from error


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token taken apart: the session it renews and its secret."""

    session_id: UUID
    secret: bytes

    @property
    def hash(self) -> bytes:
        """What is stored. The secret is 256 random bits, so a fast hash is enough."""
        return hashlib.sha256(self.secret).digest()


class RefreshTokens:
    """Make refresh tokens and take them apart.

    A token carries a MAC, so a spent one is told from a made-up one without keeping all that
    were ever issued: a genuine token that is no longer the current one was stolen or copied, and
    ends its session; a made-up one proves nothing and ends nothing.
    """

    def __init__(self, secret: str) -> None:
        self._key = derive_key(secret, "refresh token")

    def issue(self, session_id: UUID) -> tuple[str, RefreshToken]:
        """Return a new token as text and as what is kept of it."""
        token = RefreshToken(session_id, secrets.token_bytes(_REFRESH_SECRET_BYTES))
        body = session_id.bytes + token.secret
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("="), token

    def read(self, text: str) -> RefreshToken:
        """Take a token apart; raises `InvalidToken` unless it was issued here, spent or not."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError) as error:
            raise InvalidToken("not a refresh token") from error
        body, mac = raw[: 16 + _REFRESH_SECRET_BYTES], raw[16 + _REFRESH_SECRET_BYTES :]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise InvalidToken("not a refresh token of this server")
        return RefreshToken(UUID(bytes=body[:16]), body[16:])

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:16]


def derive_key(secret: str, purpose: str) -> bytes:
    """Return a 256-bit key for one purpose: keys for different things never coincide."""
    return hmac.digest(secret.encode(), f"hubbub/{purpose}".encode(), "sha256")


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
