"""Signatures, as a receiver checks them."""

import pytest

from outbound.signing import TOLERANCE, is_signed, signature

BODY = b'{"type":"ping"}'
NOW = 1_800_000_000


def test_a_receiver_knows_a_body_by_its_signature():
    assert is_signed(signature(["secret"], BODY, NOW), "secret", BODY, NOW)


def test_while_a_secret_is_replaced_both_are_good():
    header = signature(["new", "old"], BODY, NOW)
    assert is_signed(header, "new", BODY, NOW)
    assert is_signed(header, "old", BODY, NOW)


@pytest.mark.parametrize(
    ("header", "secret", "body", "now"),
    [
        (signature(["secret"], BODY, NOW), "another", BODY, NOW),
        (signature(["secret"], BODY, NOW), "secret", BODY + b" ", NOW),
        (signature(["secret"], BODY, NOW), "secret", BODY, NOW + TOLERANCE + 1),
        (signature(["secret"], BODY, NOW), "secret", BODY, NOW - TOLERANCE - 1),
        (signature(["secret"], BODY, NOW).replace(str(NOW), str(NOW + 9)), "secret", BODY, NOW),
        ("", "secret", BODY, NOW),
        ("v1=00", "secret", BODY, NOW),
        (f"t={NOW}", "secret", BODY, NOW),
        (f"t={NOW},t={NOW},v1=00", "secret", BODY, NOW),
        ("t=\N{ARABIC-INDIC DIGIT ONE},v1=00", "secret", BODY, NOW),
    ],
)
def test_what_is_forged_changed_or_old_is_not_signed(header, secret, body, now):
    assert not is_signed(header, secret, body, now)
