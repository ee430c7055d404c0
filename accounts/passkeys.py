"""Passkeys: WebAuthn credentials that sign for this server, on its own pages and nowhere else.

Every passkey is discoverable and asks its owner for a PIN or a finger, so that each is good for a
log-in by itself: having it is one factor, unlocking it the other. Who made it is of no interest,
so no attestation is asked for.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

CHALLENGE_BYTES = 32  # WebAuthn §13.4.3 asks for 16 at least
PATIENCE = 300_000  # milliseconds for a person to unlock a passkey
MAX_CREDENTIAL = 16_384  # characters of JSON; a browser's answer has about one thousand
MAX_ID = 1023  # bytes; WebAuthn §4, "Credential ID"
MAX_PUBLIC_KEY = 1024  # bytes; RSA with 4096 bits takes 540

# Without attestation a browser leaves nothing else: WebAuthn §5.1.3, step "none". The other formats
# would have certificates of a stranger's making parsed for nothing.
_FORMATS = (AttestationFormat.NONE, AttestationFormat.PACKED)
# What reading a credential raises that is not one: the library parses most, and not all, with care.
_MALFORMED = (
    WebAuthnException,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class PasskeyRefused(Exception):
    """The answer of an authenticator is malformed, for something else, or not signed."""


class PasskeyCloned(PasskeyRefused):
    """Signed, but the passkey's counter has not gone up: there are two of it."""


@dataclass(frozen=True, slots=True)
class Site:
    """Whom passkeys are for: a domain, its name, and the origins whose pages may use them."""

    domain: str
    name: str
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """What is kept of a new passkey."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Used:
    """What has changed about a passkey with its use."""

    sign_count: int
    backed_up: bool


class Passkeys:
    """Asks authenticators, and checks what they answer."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def site(self) -> Site:
        """Whom the passkeys are for."""
        return self._site

    def creation_options(
        self,
        challenge: bytes,
        *,
        user_id: bytes,
        handle: str,
        display_name: str,
        known: Sequence[tuple[bytes, Sequence[str]]],
    ) -> str:
        """Return a `PublicKeyCredentialCreationOptionsJSON`; an authenticator holds one at most."""
        return options_to_json(
            generate_registration_options(
                rp_id=self._site.domain,
                rp_name=self._site.name,
                user_id=user_id,
                user_name=handle,
                user_display_name=display_name,
                challenge=challenge,
                timeout=PATIENCE,
                authenticator_selection=AuthenticatorSelectionCriteria(
                    resident_key=ResidentKeyRequirement.REQUIRED,
                    user_verification=UserVerificationRequirement.REQUIRED,
                ),
                exclude_credentials=_descriptors(known),
            )
        )

    def request_options(
        self, challenge: bytes, *, known: Sequence[tuple[bytes, Sequence[str]]] = ()
    ) -> str:
        """Return a `PublicKeyCredentialRequestOptionsJSON`, for these passkeys or for any."""
        return options_to_json(
            generate_authentication_options(
                rp_id=self._site.domain,
                challenge=challenge,
                timeout=PATIENCE,
                allow_credentials=_descriptors(known),
                user_verification=UserVerificationRequirement.REQUIRED,
            )
        )

    def registered(self, credential: str, challenge: bytes) -> Registered:
        """Return the passkey that a `RegistrationResponseJSON` brings; raises `PasskeyRefused`."""
        given = _json(credential)
        try:
            parsed = parse_registration_credential_json(given)
            form = parse_attestation_object(parsed.response.attestation_object).fmt
            if form not in _FORMATS:
                raise PasskeyRefused("attested although nobody asked")
            _check_frame(parsed.response.client_data_json)
            verified = verify_registration_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._site.domain,
                expected_origin=list(self._site.origins),
                require_user_verification=True,
            )
            # Nothing is signed with it yet, so what is no key would come to light at a log-in.
            decoded_public_key_to_cryptography(
                decode_credential_public_key(verified.credential_public_key)
            )
        except _MALFORMED as error:
            raise PasskeyRefused("not a passkey for this server") from error
        if (
            len(verified.credential_id) > MAX_ID
            or len(verified.credential_public_key) > MAX_PUBLIC_KEY
        ):
            raise PasskeyRefused("larger than any passkey")
        return Registered(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=_transports(given),
            backed_up=verified.credential_backed_up,
        )

    def used(
        self,
        credential: str,
        challenge: bytes,
        *,
        user_id: bytes,
        public_key: bytes,
        sign_count: int,
    ) -> Used:
        """Return how a passkey was used; raises `PasskeyCloned` or else `PasskeyRefused`.

        `credential` is an `AuthenticationResponseJSON`; the rest is what is known of the passkey
        that it names (`named`).
        """
        try:
            parsed = parse_authentication_credential_json(_json(credential))
            _check_frame(parsed.response.client_data_json)
            verified = verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._site.domain,
                expected_origin=list(self._site.origins),
                credential_public_key=public_key,
                # The library would look at the counter before the signature, and then anybody
                # could make a passkey look cloned.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except _MALFORMED as error:
            raise PasskeyRefused("not signed for this server") from error
        # WebAuthn §7.2, step 6: the account that the authenticator means is the passkey's.
        if parsed.response.user_handle not in (None, user_id):
            raise PasskeyRefused("the passkey of another account")
        counted = verified.new_sign_count
        if (counted or sign_count) and counted <= sign_count:  # §7.2, step 22
            raise PasskeyCloned("the counter has not gone up")
        return Used(sign_count=counted, backed_up=verified.credential_backed_up)


def named(credential: str) -> bytes:
    """Return the id of the passkey that an answer says it is of; raises `PasskeyRefused`."""
    try:
        return parse_authentication_credential_json(_json(credential)).raw_id
    except _MALFORMED as error:
        raise PasskeyRefused("not an answer of an authenticator") from error


def _json(credential: str) -> dict[str, Any]:
    if len(credential) > MAX_CREDENTIAL:
        raise PasskeyRefused("longer than any answer of an authenticator")
    try:
        given = json.loads(credential)
    except (ValueError, RecursionError) as error:
        raise PasskeyRefused("not JSON") from error
    if not isinstance(given, dict):
        raise PasskeyRefused("not a JSON object")
    return given


def _check_frame(client_data: bytes) -> None:
    """Refuse what was made inside another site's page, where clicks can be stolen (§13.4.9)."""
    if parse_client_data_json(client_data).cross_origin:
        raise PasskeyRefused("made inside another site's page")


def _transports(given: dict[str, Any]) -> tuple[str, ...]:
    """Return how the authenticator can be reached, as far as we know the ways."""
    told = given["response"].get("transports")
    ways = told if isinstance(told, list) else []
    return tuple(way.value for way in AuthenticatorTransport if way.value in ways)


def _descriptors(
    known: Sequence[tuple[bytes, Sequence[str]]],
) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=credential_id,
            transports=[AuthenticatorTransport(way) for way in transports] or None,
        )
        for credential_id, transports in known
    ]
