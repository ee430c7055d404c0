"""Passkeys against a software authenticator: what is good, and every way not to be."""

import json
from dataclasses import replace

import cbor2
import pytest

from accounts.passkeys import (
    MAX_CREDENTIAL,
    PasskeyCloned,
    PasskeyRefused,
    Passkeys,
    Site,
    Used,
    named,
)
from tests.parts.authenticator import BE, BS, UP, UV, Authenticator, encoded

SITE = Site("chat.example.org", "Hubbub", ("https://chat.example.org", "https://web.example.org"))
PASSKEYS = Passkeys(SITE)
CHALLENGE = b"c" * 32
ANA = b"ana's id"
OTHER_CHALLENGE = encoded(b"d" * 32)


@pytest.fixture
def authenticator():
    return Authenticator("https://chat.example.org")


def creation_options(challenge=CHALLENGE, known=()):
    return PASSKEYS.creation_options(
        challenge, user_id=ANA, handle="ana", display_name="Ana Ruiz", known=known
    )


def registered(authenticator, **lies):
    return PASSKEYS.registered(authenticator.create(creation_options(), **lies), CHALLENGE)


def used(authenticator, known, passkey=None, **lies):
    credential = authenticator.get(PASSKEYS.request_options(CHALLENGE), passkey, **lies)
    return PASSKEYS.used(
        credential,
        CHALLENGE,
        user_id=ANA,
        public_key=known.public_key,
        sign_count=known.sign_count,
    )


def test_the_options_ask_for_a_passkey_that_is_good_by_itself():
    options = json.loads(creation_options(known=[(b"old", ["usb"])]))
    assert options["rp"] == {"id": "chat.example.org", "name": "Hubbub"}
    assert options["user"] == {"id": encoded(ANA), "name": "ana", "displayName": "Ana Ruiz"}
    assert options["challenge"] == encoded(CHALLENGE)
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert options["excludeCredentials"] == [
        {"id": encoded(b"old"), "type": "public-key", "transports": ["usb"]}
    ]
    asked = json.loads(PASSKEYS.request_options(CHALLENGE, known=[(b"old", [])]))
    assert asked["rpId"] == "chat.example.org"
    assert asked["userVerification"] == "required"
    assert asked["allowCredentials"] == [{"id": encoded(b"old"), "type": "public-key"}]


def test_options_for_whoever_it_is_name_no_passkey():
    assert json.loads(PASSKEYS.request_options(CHALLENGE))["allowCredentials"] == []


def test_a_passkey_is_registered_and_used(authenticator):
    known = registered(authenticator)
    (passkey,) = authenticator.passkeys
    assert known.credential_id == passkey.id
    assert known.public_key == passkey.public_key
    assert known.transports == ("internal", "hybrid")
    assert not known.backed_up
    for count in (1, 2):
        use = used(authenticator, known)
        assert use == Used(sign_count=count, backed_up=False)
        known = replace(known, sign_count=use.sign_count)


def test_a_synchronised_passkey_counts_nothing_and_is_good_again_and_again():
    phone = Authenticator("https://chat.example.org", counts=False)
    known = registered(phone, flags=UP | UV | BE | BS)
    assert known.backed_up
    for _ in range(2):
        assert used(phone, known, flags=UP | UV | BE | BS) == Used(sign_count=0, backed_up=True)


def test_pages_of_another_allowed_origin_may_use_it(authenticator):
    known = registered(authenticator, origin="https://web.example.org")
    assert used(authenticator, known, origin="https://web.example.org")


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://chat.example.org.evil.test"},
        {"origin": "http://chat.example.org"},
        {"origin": "https://chat.example.org:444"},
        {"origin": ["https://chat.example.org"]},
        {"origin": None},
        {"challenge": OTHER_CHALLENGE},
        {"challenge": ""},
        {"challenge": None},
        {"challenge": "!"},
        {"domain": "evil.test"},
        {"domain": "example.org"},
        {"flags": UP},
        {"flags": UV},
        {"flags": UP | UV | BS},
        {"type": "webauthn.nonsense"},
        {"cross_origin": True},
    ],
)
def test_an_answer_that_is_wrong_in_one_thing_is_refused(authenticator, lie):
    known = registered(authenticator)
    with pytest.raises(PasskeyRefused):
        registered(Authenticator("https://chat.example.org"), **lie)
    with pytest.raises(PasskeyRefused) as refused:
        used(authenticator, known, **lie)
    assert not isinstance(refused.value, PasskeyCloned)


def test_an_answer_to_one_question_does_not_answer_the_other(authenticator):
    known = registered(authenticator)
    with pytest.raises(PasskeyRefused):
        registered(authenticator, type="webauthn.get")
    with pytest.raises(PasskeyRefused):
        used(authenticator, known, type="webauthn.create")


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_a_counter_that_has_not_gone_up_shows_a_clone(authenticator, count):
    known = replace(registered(authenticator), sign_count=5)
    with pytest.raises(PasskeyCloned):
        used(authenticator, known, sign_count=count)
    assert used(authenticator, known, sign_count=6).sign_count == 6


def test_nobody_without_the_key_makes_a_passkey_look_cloned(authenticator):
    known = replace(registered(authenticator), sign_count=5)
    for signature in (b"", b"x" * 64, b"x" * 70):
        with pytest.raises(PasskeyRefused) as refused:
            used(authenticator, known, sign_count=1, signature=signature or b"0")
        assert not isinstance(refused.value, PasskeyCloned)


def test_a_signature_of_another_passkey_is_refused(authenticator):
    known = registered(authenticator)
    registered(authenticator)
    with pytest.raises(PasskeyRefused):
        used(authenticator, known, authenticator.passkeys[1])


def test_an_authenticator_that_means_another_account_is_refused(authenticator):
    known = registered(authenticator)
    with pytest.raises(PasskeyRefused):
        used(authenticator, known, user_handle=b"ben's id")


@pytest.mark.parametrize(
    "lie",
    [
        {"attested": {"fmt": "tpm"}},
        {"attested": {"fmt": "android-safetynet", "attStmt": {"ver": "1", "response": b"x"}}},
        {"attested": {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x"}}},
        {"attested": {"fmt": 7}},
        {"attested": {"fmt": None}},
        {"attested": {"fmt": [[]]}},
        {"attested": {"authData": b""}},
        {"attested": {"authData": "x"}},
        {"attested": {"attStmt": {"sig": b"x"}}},
        {"public_key": b""},
        {"public_key": b"\xa0"},
        {"public_key": b"\x04"},
        {"public_key": b"\x01"},
        {"public_key": bytes.fromhex("a5010203262001215800")},
        {"public_key": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32})},
        {"public_key": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: [], -3: {}})},
        {"public_key": cbor2.dumps({1: 3, 3: -257, -1: b"\xff" * 1200, -2: b"\1\0\1"})},
        {"id": b""},
        {"id": b"x" * 1024},
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(authenticator, lie):
    with pytest.raises(PasskeyRefused):
        registered(authenticator, **lie)


@pytest.mark.parametrize("transports", [None, 7, "usb", {"usb": 1}, ["pigeon"], [None, {}]])
def test_ways_to_an_authenticator_that_nobody_knows_are_left_out(authenticator, transports):
    assert registered(authenticator, transports=transports).transports == ()


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "null", "7", "[]", "{}", '{"id": 7}', '{"id": "x", "rawId": "y"}'),
        "[" * MAX_CREDENTIAL,
        '{"a":' * 3000,
        "x" * (MAX_CREDENTIAL + 1),
        json.dumps({"id": "x", "rawId": "x", "type": "public-key", "response": {}}),
        json.dumps(
            {
                "id": "é",
                "rawId": "é",
                "type": "public-key",
                "response": {
                    "clientDataJSON": "é",
                    "attestationObject": "é",
                    "authenticatorData": "é",
                    "signature": "é",
                    "userHandle": "é",
                },
            }
        ),
    ],
)
def test_what_no_authenticator_says_is_refused(text):
    with pytest.raises(PasskeyRefused):
        PASSKEYS.registered(text, CHALLENGE)
    with pytest.raises(PasskeyRefused):
        PASSKEYS.used(text, CHALLENGE, user_id=ANA, public_key=b"", sign_count=0)
    with pytest.raises(PasskeyRefused):
        named(text)


def test_deep_nesting_in_the_binary_parts_is_refused(authenticator):
    answer = json.loads(authenticator.create(creation_options()))
    for deep in (b"\x81" * 10_000, b"\xa1\x01" * 5_000, b"[" * 10_000):
        for part in ("attestationObject", "clientDataJSON"):
            response = {**answer["response"], part: encoded(deep)}
            with pytest.raises(PasskeyRefused):
                PASSKEYS.registered(json.dumps({**answer, "response": response}), CHALLENGE)


def test_an_answer_tells_which_passkey_it_is_of(authenticator):
    registered(authenticator)
    answer = authenticator.get(PASSKEYS.request_options(CHALLENGE))
    assert named(answer) == authenticator.passkeys[0].id
