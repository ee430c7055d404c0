"""An authenticator in software: it makes passkeys and signs, and lies where a test wants it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

UP, UV, BE, BS, AT = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 6  # WebAuthn §6.1, flags


def encoded(raw: bytes) -> str:
    """Return bytes as WebAuthn's JSON has them."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """Return the bytes of a text in WebAuthn's JSON."""
    return base64.urlsafe_b64decode(text + "===")


@dataclass
class Passkey:
    """One credential with its private key."""

    user_handle: bytes
    domain: str
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    sign_count: int = 0

    @property
    def public_key(self) -> bytes:
        """The COSE key (RFC 9053 §7.1.1), for ES256."""
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})


@dataclass
class Authenticator:
    """Answers options as a browser at `origin` would, and holds the passkeys it made.

    `counts` says whether its counter goes up; those of synchronised passkeys stay at zero.
    """

    origin: str
    counts: bool = True
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: str, **lies: Any) -> str:
        """Return a `RegistrationResponseJSON` for creation options."""
        asked = json.loads(options)
        passkey = Passkey(decoded(asked["user"]["id"]), asked["rp"]["id"])
        if "id" in lies:
            passkey.id = lies["id"]
        self.passkeys.append(passkey)
        credential = (
            bytes(16)
            + len(passkey.id).to_bytes(2, "big")
            + passkey.id
            + lies.get("public_key", passkey.public_key)
        )
        data = self._data(passkey, AT, lies) + credential
        client_data = self._client_data("webauthn.create", asked["challenge"], lies)
        attestation = {"fmt": "none", "attStmt": {}, "authData": data, **lies.get("attested", {})}
        response = {
            "clientDataJSON": encoded(client_data),
            "attestationObject": encoded(cbor2.dumps(attestation)),
            "transports": lies.get("transports", ["internal", "hybrid"]),
        }
        return self._credential(passkey, response)

    def get(self, options: str, passkey: Passkey | None = None, **lies: Any) -> str:
        """Return an `AuthenticationResponseJSON` for request options."""
        asked = json.loads(options)
        allowed = [decoded(each["id"]) for each in asked.get("allowCredentials", [])]
        if passkey is None:
            passkey = next(each for each in self.passkeys if not allowed or each.id in allowed)
        if self.counts:
            passkey.sign_count += 1
        data = self._data(passkey, 0, lies)
        client_data = self._client_data("webauthn.get", asked["challenge"], lies)
        signed = data + hashlib.sha256(client_data).digest()
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(
                lies.get("signature") or passkey.key.sign(signed, ec.ECDSA(hashes.SHA256()))
            ),
            "userHandle": encoded(lies.get("user_handle", passkey.user_handle)),
        }
        return self._credential(passkey, response)

    def _data(self, passkey: Passkey, more: int, lies: dict[str, Any]) -> bytes:
        domain = lies.get("domain", passkey.domain)
        flags = lies.get("flags", UP | UV) | more
        count = lies.get("sign_count", passkey.sign_count)
        return (
            hashlib.sha256(domain.encode()).digest()
            + bytes([flags])
            + int(count).to_bytes(4, "big")
        )

    def _client_data(self, type_: str, challenge: str, lies: dict[str, Any]) -> bytes:
        told = {
            "type": lies.get("type", type_),
            "challenge": lies.get("challenge", challenge),
            "origin": lies.get("origin", self.origin),
            "crossOrigin": lies.get("cross_origin", False),
        }
        return json.dumps(told).encode()

    def _credential(self, passkey: Passkey, response: dict[str, Any]) -> str:
        return json.dumps(
            {
                "id": encoded(passkey.id),
                "rawId": encoded(passkey.id),
                "type": "public-key",
                "response": response,
                "clientExtensionResults": {},
            }
        )
