"""From another issuer's token to the session that it stands for."""

import hashlib
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

import httpx

from accounts.issuer import ClaimNames, Issuer
from accounts.issuer_keys import FETCH_TIMEOUT, FRESH, IssuerKeys, IssuerUnavailable
from accounts.tokens import AccessClaims, ExpiredToken
from models.client import Client
from models.errors import Overloaded
from resolvers import external
from resolvers.services import Services, utc_now
from server.settings import Settings

REMEMBERED = 10_000  # tokens


@dataclass(frozen=True, slots=True)
class _Remembered:
    claims: AccessClaims
    until: float  # by the monotonic clock


class ExternalTokens:
    """Checks an issuer's tokens, each once in a while: for as long as its keys count as fresh.

    Whether the session still lives is asked by whoever asks that of our own tokens' sessions.
    """

    def __init__(self, services: Services, issuer: Issuer, admin_role: str | None) -> None:
        self._services = services
        self._issuer = issuer
        self._admin_role = admin_role
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()

    def are_meant(self, token: str) -> bool:
        """Whether a token says that it is the issuer's."""
        return self._issuer.claims_to_have_made(token)

    async def read(self, token: str, client: Client) -> AccessClaims:
        """Return whom a token speaks for, in which session, and until when.

        Raises `InvalidToken`, `ExpiredToken`, `Unauthenticated` and `Overloaded`.
        """
        hashed = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._remembered.get(hashed)
        if known is not None and monotonic() < known.until:
            if known.claims.expires_at <= utc_now():
                raise ExpiredToken("expired")
            return known.claims
        try:
            said = await self._issuer.read(token)
        except IssuerUnavailable as error:
            raise Overloaded from error
        session = await external.session_of(
            self._services, said, admin_role=self._admin_role, client=client
        )
        claims = AccessClaims(session.user_id, session.id, said.expires_at)
        self._remembered[hashed] = _Remembered(claims, monotonic() + FRESH)
        self._remembered.move_to_end(hashed)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return claims


@asynccontextmanager
async def open_external(services: Services, settings: Settings) -> AsyncIterator[ExternalTokens]:
    """Yield what checks the tokens of the settings' issuer."""
    # What an environment sets for other programs, a proxy or credentials in .netrc, is not for us.
    async with httpx.AsyncClient(
        trust_env=False, verify=ssl.create_default_context(), timeout=FETCH_TIMEOUT
    ) as http:
        keys = IssuerKeys(http, settings.oidc_issuer, settings.oidc_jwks_url or None)
        issuer = Issuer(
            keys,
            issuer=settings.oidc_issuer,
            audience=settings.oidc_audience,
            names=ClaimNames(handle=settings.oidc_handle_claim, roles=settings.oidc_roles_claim),
        )
        try:
            yield ExternalTokens(services, issuer, settings.oidc_admin_role or None)
        finally:
            await keys.close()
