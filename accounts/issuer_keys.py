"""The keys that an issuer of tokens publishes (RFC 7517), fetched when they are needed.

    keys younger than FRESH                used as they are
    an older set, or a key not among them  the issuer is asked, once every ASK_EVERY at most
    the issuer does not answer             the last set serves on, until it is older than STALE

Whoever sends tokens chooses the names of keys in them, so a name that is not known is no reason to
ask more often.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt
import structlog

log = structlog.get_logger(__name__)

# What a key may be for, by its type and curve. Nothing symmetric: what is published is no secret.
ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
FRESH = 300.0  # seconds; for as long a key is trusted that the issuer has withdrawn
STALE = 12 * 3600.0
ASK_EVERY = 10.0
FETCH_TIMEOUT = 5.0
# Who has a key already waits no longer than this for a newer set.
PATIENCE_WITH_KEY = 1.0
MAX_DOCUMENT = 256 * 1024  # bytes; real ones have a few thousand
MAX_KEYS = 100
RSA_BITS = range(2048, 8192 + 1)

KeyName = tuple[str, str]  # key id and algorithm


class IssuerUnavailable(Exception):
    """The issuer's keys are not known, or for too long have not been confirmed."""


class _Unusable(Exception):
    """What the issuer answered is not what it should be; the message says how."""


def trustworthy(url: str) -> bool:
    """Whether an address may be asked: by https, or on this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _loopback(host))


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class IssuerKeys:
    """One issuer's keys by their names."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        issuer: str,
        jwks_url: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to ask `jwks_url`, or where the issuer's discovery document says."""
        self._http = http
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._clock = clock
        self._keys: Mapping[KeyName, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, name: KeyName) -> jwt.PyJWK | None:
        """Return a key, None when the issuer has none of this name.

        Raises `IssuerUnavailable`.
        """
        known = self._keys.get(name) if self._age() < STALE else None
        if known is None or self._age() >= FRESH:
            await self._ask(PATIENCE_WITH_KEY if known else FETCH_TIMEOUT + 1)
        if self._age() >= STALE:
            raise IssuerUnavailable("the issuer's keys are not known")
        return self._keys.get(name)

    async def close(self) -> None:
        """Stop asking."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _age(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock() - self._fetched_at

    async def _ask(self, patience: float) -> None:
        """Wait for the issuer's answer; all who wait at once wait for the same one."""
        if self._fetching is None:
            if self._asked_at is not None and self._clock() - self._asked_at < ASK_EVERY:
                return
            self._asked_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch(), name="issuer keys")
        await asyncio.wait({self._fetching}, timeout=patience)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                self._keys = _usable(await self._get(self._jwks_url or await self._discover()))
            self._fetched_at = self._clock()
        except (_Unusable, httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            log.warning("issuer_keys_unread", issuer=self._issuer, reason=reason)
        finally:
            self._fetching = None

    async def _discover(self) -> str:
        document = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        # OpenID Connect Discovery 1.0 §4.3: anybody could otherwise speak for somebody else.
        if document.get("issuer") != self._issuer:
            raise _Unusable("the discovery document is another issuer's")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not trustworthy(url):
            raise _Unusable("the discovery document names no address of keys that may be asked")
        return url

    async def _get(self, url: str) -> Mapping[str, Any]:
        """Return a JSON object; its body is let go of as soon as it is too long."""
        body = bytearray()
        # Nothing is unpacked: few bytes could become very many.
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with self._http.stream("GET", url, headers=headers, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise _Unusable(f"{url} answered {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise _Unusable(f"{url} answered in an encoding that was not asked for")
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_DOCUMENT:
                    raise _Unusable(f"{url} answered with more than {MAX_DOCUMENT} bytes")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _Unusable(f"{url} did not answer with JSON") from error
        if not isinstance(document, dict):
            raise _Unusable(f"{url} did not answer with an object")
        return document


def _usable(document: Mapping[str, Any]) -> Mapping[KeyName, jwt.PyJWK]:
    """Return the keys of a set that tokens may be signed with; the others are passed over."""
    published = document.get("keys")
    if not isinstance(published, list):
        raise _Unusable("the issuer's keys are no set of keys")
    if len(published) > MAX_KEYS:
        raise _Unusable(f"the issuer has more than {MAX_KEYS} keys")
    keys = {}
    for each in published:
        key = _key(each) if isinstance(each, dict) else None
        if key is not None and isinstance(key.key_id, str):
            keys[key.key_id, str(key.algorithm_name)] = key
    return keys


def _key(published: dict[str, Any]) -> jwt.PyJWK | None:
    kind, curve = published.get("kty"), published.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    algorithm = ALGORITHMS.get((kind, curve))
    if algorithm is None or published.get("alg", algorithm) != algorithm:
        return None
    # A private key that is published is anybody's; one for encryption signs nothing.
    if "d" in published or published.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK(published, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError):
        return None
    if kind == "RSA" and key.key.key_size not in RSA_BITS:
        return None
    return key
