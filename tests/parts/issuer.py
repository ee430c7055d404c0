"""A small issuer of tokens, as an organisation has one: discovery, keys, and whatever can go wrong.

It answers on a real port. What it signs, tests decide claim by claim.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

AUDIENCE = "hubbub"

_MAKE: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
_PUBLISH: dict[str, Callable[..., Any]] = {
    "RS256": RSAAlgorithm.to_jwk,
    "ES256": ECAlgorithm.to_jwk,
    "EdDSA": OKPAlgorithm.to_jwk,
}


class Key:
    """One signing key with its name."""

    def __init__(self, algorithm: str, key_id: str, private: Any = None) -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.private = private or _MAKE[algorithm]()

    def published(self, **more: Any) -> dict[str, Any]:
        """Return the key as a set of keys has it."""
        jwk = json.loads(_PUBLISH[self.algorithm](self.private.public_key()))
        return {**jwk, "kid": self.key_id, "alg": self.algorithm, "use": "sig", **more}


class Issuer:
    """Answers at `url`; what it publishes and how it behaves can be changed at any time."""

    def __init__(self) -> None:
        self.url = ""
        self.keys = [Key("RS256", "rsa"), Key("ES256", "ec")]
        self.jwks: Any = None  # in place of the keys' own set
        self.discovery: dict[str, Any] = {}  # in place of what the document says
        self.misbehave: Callable[[Request], Awaitable[Response]] | None = None
        self.asked: list[str] = []

    @property
    def down(self) -> bool:
        """Whether it answers everything with an error."""
        return self.misbehave is _unavailable

    @down.setter
    def down(self, value: bool) -> None:
        self.misbehave = _unavailable if value else None

    def sign(
        self,
        subject: str = "ana-1",
        *,
        key: Key | None = None,
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Return a token for Hubbub; a claim that is None is left out."""
        key = key or self.keys[0]
        now = datetime.now(UTC)
        all_claims = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "sid": f"sign-in of {subject}",
            **claims,
        }
        return jwt.encode(
            {name: value for name, value in all_claims.items() if value is not None},
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.key_id, **(headers or {})},
        )

    def rotate(self) -> Key:
        """Sign with a new key from now on, and publish no other."""
        self.keys = [Key("ES256", uuid4().hex)]
        return self.keys[0]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        self.asked.append(scope["path"])
        request = Request(scope, receive)
        respond = self.misbehave or self._answer
        await (await respond(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return JSONResponse(
                {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.discovery}
            )
        if request.url.path == "/keys":
            return JSONResponse(self.jwks or {"keys": [key.published() for key in self.keys]})
        return Response(status_code=404)


async def _unavailable(_: Request) -> Response:
    return Response(status_code=503)


@contextlib.asynccontextmanager
async def running_issuer() -> AsyncIterator[Issuer]:
    """Answer on a free port until the block ends."""
    issuer = Issuer()
    config = uvicorn.Config(
        issuer, host="127.0.0.1", port=0, log_config=None, lifespan="off", ws="none"
    )
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0)
    issuer.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield issuer
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer with an RSA and an EC key."""
    async with running_issuer() as started:
        yield started
