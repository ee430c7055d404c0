"""Tokens of another issuer, such as a company's OpenID Connect provider, and what they say."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from accounts.issuer_keys import ALGORITHMS, IssuerKeys
from accounts.tokens import MALFORMED, ExpiredToken, InvalidToken

# Other people's clocks; RFC 7519 §4.1.4 allows for "a few minutes".
LEEWAY = timedelta(seconds=30)
MAX_TOKEN = 16 * 1024  # characters
MAX_SUBJECT = 255  # OpenID Connect Core 1.0 §2
# What signs somebody in. Others, such as `logout+jwt`, are signed with the same keys.
TYPES = {"jwt", "at+jwt", "application/at+jwt"}


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims say what; a dot leads into an object, as in `realm_access.roles`."""

    handle: str = "preferred_username"
    name: str = "name"
    email: str = "email"
    roles: str = "roles"


@dataclass(frozen=True, slots=True)
class ExternalClaims:
    """What an issuer says of somebody, and for which of their sign-ins."""

    issuer: str
    subject: str
    sign_in: str
    """What all tokens of one sign-in have in common."""
    issued_at: datetime
    expires_at: datetime
    """Until when the token is accepted: `LEEWAY` later than it says."""
    signed_in_at: datetime | None
    """When they last proved to the issuer who they are, if it says so."""
    handle: str | None
    name: str | None
    email: str | None
    """Their address, if the issuer has verified it."""
    roles: frozenset[str]


class Issuer:
    """Reads one issuer's tokens that are meant for us."""

    def __init__(
        self, keys: IssuerKeys, *, issuer: str, audience: str, names: ClaimNames | None = None
    ) -> None:
        """Accept what `issuer` says to `audience`."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._names = names or ClaimNames()

    def claims_to_have_made(self, token: str) -> bool:
        """Whether a token names the issuer as its own; proves nothing."""
        if len(token) > MAX_TOKEN:
            return False
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except MALFORMED:
            return False
        return claims.get("iss") == self._issuer

    async def read(self, token: str) -> ExternalClaims:
        """Return what a token says.

        Raises `ExpiredToken`, `InvalidToken`, and `IssuerUnavailable` when it cannot be checked.
        """
        try:
            if len(token) > MAX_TOKEN:
                raise InvalidToken("too long")
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS.values() or not isinstance(key_id, str):
                raise InvalidToken("no key of ours to trust")
            if str(header.get("typ", "jwt")).lower() not in TYPES:
                raise InvalidToken("made for something else")
            # Keys are the issuer's as it publishes them; those that a token brings or points to
            # (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
            key = await self._keys.find((key_id, str(algorithm)))
            if key is None:
                raise InvalidToken("unknown key")
            claims = jwt.decode(
                token,
                key,
                algorithms=[str(algorithm)],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
            return self._claims(claims, token)
        except jwt.ExpiredSignatureError as error:
            raise ExpiredToken("expired") from error
        except MALFORMED as error:
            raise InvalidToken("not a token of the issuer's") from error

    def _claims(self, claims: Mapping[str, Any], token: str) -> ExternalClaims:
        subject = claims["sub"]
        if not 0 < len(subject) <= MAX_SUBJECT or "\x00" in subject:
            raise InvalidToken("not a subject")
        subject.encode()  # half a surrogate pair can be said in JSON, and cannot be stored
        # OpenID Connect Back-Channel Logout 1.0 §2.4: what only a logout token has.
        if "events" in claims:
            raise InvalidToken("made for something else")
        signed_in_at = claims.get("auth_time")
        email = _text(claims, self._names.email)
        return ExternalClaims(
            issuer=self._issuer,
            subject=subject,
            sign_in=hashlib.sha256(_sign_in(claims, token).encode()).hexdigest(),
            issued_at=_moment(claims["iat"]),
            expires_at=_moment(claims["exp"]) + LEEWAY,
            signed_in_at=None if signed_in_at is None else _moment(signed_in_at),
            handle=_text(claims, self._names.handle),
            name=_text(claims, self._names.name),
            email=email if claims.get("email_verified") is True else None,
            roles=_words(_found(claims, self._names.roles)),
        )


def _sign_in(claims: Mapping[str, Any], token: str) -> str:
    """Return what names a sign-in: the issuer's own name for it, or the next best thing."""
    for name in ("sid", "auth_time", "jti"):
        value = claims.get(name)
        if isinstance(value, str | int) and value != "" and not isinstance(value, bool):
            return f"{name}:{value}"
    return f"token:{token}"


def _found(claims: Mapping[str, Any], name: str) -> Any:
    # Some name their claims by addresses, dots and all.
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = _found(claims, name)
    return value if isinstance(value, str) and value else None


def _words(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(each for each in value if isinstance(each, str))
    return frozenset()


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(float(timestamp), UTC)
