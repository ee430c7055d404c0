"""Access and refresh tokens: what is good, and every way not to be."""

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from accounts.keys import KeyRing, SigningKey
from accounts.tokens import (
    ACCESS_LIFETIME,
    AccessTokens,
    ExpiredToken,
    InvalidToken,
    RefreshTokens,
    UnknownKey,
    derive_key,
)

SECRET = "a secret that is long enough to be one"
USER, SESSION = uuid4(), uuid4()
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
KEY = SigningKey(
    "00000000000000a1", 1, b"a key of two hundred and fifty-six bits"[:32], LONG_AGO, None
)
EARLIER = SigningKey(
    "00000000000000a0", 0, b"the key before it, as long as it is"[:32], LONG_AGO, None
)


def holding(*keys):
    ring = KeyRing()
    ring.replace(keys)
    return AccessTokens(ring)


@pytest.fixture
def tokens():
    return holding(EARLIER, KEY)


def forged(tokens, *, key=None, algorithm="HS256", headers=None, **claims):
    """Return a token like ours, apart from what is given."""
    good = jwt.decode(
        tokens.issue(USER, SESSION, datetime.now(UTC)), options={"verify_signature": False}
    )
    claims = {name: value for name, value in {**good, **claims}.items() if value is not None}
    key = KEY.secret if key is None else key
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": KEY.id, **(headers or {})})


def test_a_token_says_for_whom_it_was_issued_and_until_when(tokens):
    now = datetime.now(UTC).replace(microsecond=0)
    claims = tokens.read(tokens.issue(USER, SESSION, now))
    assert (claims.user_id, claims.session_id) == (USER, SESSION)
    assert claims.expires_at == now + ACCESS_LIFETIME


def test_a_token_that_is_like_ours_in_everything_is_read(tokens):
    assert tokens.read(forged(tokens)).user_id == USER


@pytest.mark.parametrize(
    "change",
    [
        {"key": b"another key that is long enough too"},
        {"algorithm": "none", "key": ""},
        {"algorithm": "HS384"},
        {"algorithm": "HS512"},
        {"headers": {"kid": "0000000000000000"}},  # a key that there is not
        {"headers": {"kid": EARLIER.id}},  # another key than the one that signed
        {"headers": {"kid": "../../etc/passwd"}},
        {"headers": {"kid": ""}},
        {"iss": "somebody else"},
        {"iss": None},
        {"aud": "somewhere else"},
        {"aud": None},
        {"sub": None},
        {"sub": "not a uuid"},
        {"sid": None},
        {"sid": 7},
        {"exp": None},
        {"iat": None},
        {"iat": int((datetime.now(UTC) + timedelta(hours=1)).timestamp())},
        {"nbf": int((datetime.now(UTC) + timedelta(hours=1)).timestamp())},
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_that_is_not_ours_in_one_thing_is_refused(tokens, change):
    with pytest.raises(InvalidToken):
        tokens.read(forged(tokens, **change))


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "a.b.c", "ü", "." * 5000, "eyJhbGciOiJIUzI1NiJ9.e30."),
        base64.urlsafe_b64encode(b"[" * 30_000).decode() + ".e30.x",
    ],
)
def test_what_is_no_token_at_all_is_refused(tokens, text):
    with pytest.raises(InvalidToken):
        tokens.read(text)


def test_an_old_token_has_expired(tokens):
    with pytest.raises(ExpiredToken):
        tokens.read(tokens.issue(USER, SESSION, datetime.now(UTC) - timedelta(hours=1)))


@pytest.mark.parametrize("kid", [7, None, ["00000000000000a1"], {"a": 1}, "absent"])
def test_a_token_that_names_no_key_in_words_is_refused(tokens, kid):
    header, claims, _ = tokens.issue(USER, SESSION, datetime.now(UTC)).split(".")
    named = {"alg": "HS256", "typ": "JWT"} | ({} if kid == "absent" else {"kid": kid})
    header = base64.urlsafe_b64encode(json.dumps(named).encode()).decode().rstrip("=")
    mac = hmac.digest(KEY.secret, f"{header}.{claims}".encode(), "sha256")
    signature = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    with pytest.raises(InvalidToken):
        tokens.read(f"{header}.{claims}.{signature}")


def test_a_key_that_is_not_known_is_told_from_a_token_that_is_not_good(tokens):
    token = tokens.issue(USER, SESSION, datetime.now(UTC))
    with pytest.raises(UnknownKey) as unknown:
        holding(EARLIER).read(token)
    assert unknown.value.key_id == KEY.id


def test_a_token_of_another_server_is_refused(tokens):
    other = replace(KEY, secret=b"another server's key, as long as it is"[:32])
    with pytest.raises(InvalidToken):
        holding(other).read(tokens.issue(USER, SESSION, datetime.now(UTC)))


def test_no_time_is_spent_on_a_token_of_a_megabyte(tokens):
    good = tokens.issue(USER, SESSION, datetime.now(UTC))
    with pytest.raises(InvalidToken):
        tokens.read(good + "A" * 1_000_000)


def test_a_refresh_token_is_taken_apart_again():
    text, token = RefreshTokens(SECRET).issue(SESSION)
    assert RefreshTokens(SECRET).read(text) == token
    assert token.session_id == SESSION


@pytest.mark.parametrize("position", range(0, 86, 7))
def test_a_refresh_token_with_one_other_character_is_refused(position):
    tokens = RefreshTokens(SECRET)
    text, _ = tokens.issue(SESSION)
    other = "A" if text[position] != "A" else "B"
    with pytest.raises(InvalidToken):
        tokens.read(text[:position] + other + text[position + 1 :])


@pytest.mark.parametrize("text", ["", "x", "ü" * 20, "A" * 86, "A" * 10_000])
def test_what_is_no_refresh_token_is_refused(text):
    with pytest.raises(InvalidToken):
        RefreshTokens(SECRET).read(text)


def test_keys_for_different_purposes_differ():
    assert derive_key(SECRET, "a") != derive_key(SECRET, "b")
