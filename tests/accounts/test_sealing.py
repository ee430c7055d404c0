"""Sealing: read again by who has the key and the context, and by nobody else."""

import pytest

from accounts.sealing import KEY_BYTES, SealBroken, Sealer
from accounts.tokens import derive_key

SECRET = "a secret that is long enough to be one"
PLAIN, CONTEXT = b"JBSWY3DPEHPK3PXP", b"ana"


@pytest.fixture
def sealer():
    return Sealer(derive_key(SECRET, "totp"))


def test_what_was_sealed_is_read_again(sealer):
    assert sealer.open(sealer.seal(PLAIN, context=CONTEXT), context=CONTEXT) == PLAIN
    assert sealer.open(sealer.seal(b"", context=b""), context=b"") == b""


def test_what_is_sealed_tells_nothing_and_never_looks_the_same(sealer):
    first, second = (sealer.seal(PLAIN, context=CONTEXT) for _ in range(2))
    assert PLAIN not in first
    assert first != second


@pytest.mark.parametrize("position", range(12 + len(PLAIN) + 16))
def test_one_other_bit_breaks_the_seal(sealer, position):
    damaged = bytearray(sealer.seal(PLAIN, context=CONTEXT))
    damaged[position] ^= 1
    with pytest.raises(SealBroken):
        sealer.open(bytes(damaged), context=CONTEXT)


@pytest.mark.parametrize("length", [0, 1, 12, 27])
def test_what_is_too_short_is_refused(sealer, length):
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(b"", context=CONTEXT)[:length], context=CONTEXT)


def test_what_was_sealed_for_one_person_cannot_be_given_to_another(sealer):
    with pytest.raises(SealBroken):
        sealer.open(sealer.seal(PLAIN, context=b"ana"), context=b"ben")


@pytest.mark.parametrize(("secret", "purpose"), [(SECRET + "!", "totp"), (SECRET, "signing")])
def test_a_key_of_another_server_or_purpose_opens_nothing(sealer, secret, purpose):
    with pytest.raises(SealBroken):
        Sealer(derive_key(secret, purpose)).open(
            sealer.seal(PLAIN, context=CONTEXT), context=CONTEXT
        )


@pytest.mark.parametrize("length", [0, 16, 24, KEY_BYTES + 1])
def test_a_key_has_256_bits(length):
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(bytes(length))
