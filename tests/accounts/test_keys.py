"""Signing keys: which one signs, which verify, and that each comes of secret and salt alone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from accounts.keys import KeyMaker, KeyRing, NoSigningKey, OtherSecret, SigningKey
from accounts.tokens import AccessTokens, UnknownKey

NOW = datetime.now(UTC)
SECOND = timedelta(seconds=1)
ROOT = b"what comes of the server's secret"


def key(number, *, signs_from=NOW - SECOND, verifies_until=None):
    return SigningKey(
        f"{number:016x}", number, number.to_bytes(32, "big"), signs_from, verifies_until
    )


def ring(*keys):
    made = KeyRing()
    made.replace(keys)
    return made


@pytest.mark.parametrize(
    ("keys", "signing"),
    [
        ([key(1)], 1),
        ([key(2), key(1)], 2),
        ([key(1), key(2, signs_from=NOW + SECOND)], 1),
        ([key(1, verifies_until=NOW + SECOND), key(2, signs_from=NOW)], 2),
        ([key(1), key(2, verifies_until=NOW)], 1),
    ],
)
def test_the_newest_key_that_may_sign_does(keys, signing):
    assert ring(*keys).signing(NOW).number == signing


@pytest.mark.parametrize(
    "keys", [[], [key(1, signs_from=NOW + SECOND)], [key(1, verifies_until=NOW)]]
)
def test_without_a_key_that_may_sign_nothing_is_signed(keys):
    with pytest.raises(NoSigningKey):
        ring(*keys).signing(NOW)


def test_a_key_verifies_before_it_signs_and_until_it_ends():
    keys = ring(key(1, verifies_until=NOW), key(2), key(3, signs_from=NOW + SECOND))
    assert keys.ids(NOW) == {key(2).id, key(3).id}
    assert keys.verifying(key(1).id, NOW) is None
    assert keys.verifying(key(3).id, NOW).number == 3
    assert keys.verifying("ffffffffffffffff", NOW) is None


def test_a_token_is_good_while_its_key_is_in_the_ring_whichever_signs_now():
    keys = ring(key(1))
    tokens = AccessTokens(keys)
    old = tokens.issue(uuid4(), uuid4(), NOW)
    keys.replace([key(1), key(2)])
    new = tokens.issue(uuid4(), uuid4(), NOW)
    tokens.read(old)
    tokens.read(new)
    keys.replace([key(2)])
    tokens.read(new)
    with pytest.raises(UnknownKey):
        tokens.read(old)


def test_a_key_is_made_again_from_what_is_stored_of_it():
    salt = KeyMaker(ROOT).new_salt()
    made, again = (
        maker.key(maker.id_of(salt), 1, salt, signs_from=NOW, verifies_until=None)
        for maker in (KeyMaker(ROOT), KeyMaker(ROOT))
    )
    assert made == again
    assert made.secret not in (ROOT, salt)
    assert len(made.secret) == 32


def test_keys_of_two_salts_differ_and_so_do_their_ids():
    maker = KeyMaker(ROOT)
    assert maker.id_of(maker.new_salt()) != maker.id_of(maker.new_salt())


def test_a_key_of_another_secret_is_not_mistaken_for_one_of_ours():
    salt = KeyMaker(ROOT).new_salt()
    id_ = KeyMaker(ROOT).id_of(salt)
    with pytest.raises(OtherSecret):
        KeyMaker(ROOT + b"!").key(id_, 1, salt, signs_from=NOW, verifies_until=None)
