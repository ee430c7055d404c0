"""Tokens of another issuer: what is good, every way not to be, and an issuer that misbehaves."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.responses import RedirectResponse, Response, StreamingResponse

from accounts import issuer_keys
from accounts.issuer import LEEWAY, ClaimNames, Issuer
from accounts.issuer_keys import ASK_EVERY, FRESH, STALE, IssuerKeys, IssuerUnavailable
from accounts.tokens import ExpiredToken, InvalidToken
from tests.parts.issuer import AUDIENCE, Key, running_issuer


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def http():
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def keys(issuer, http, clock):
    keys = IssuerKeys(http, issuer.url, clock=clock)
    yield keys
    await keys.close()


@pytest.fixture
def reader(issuer, keys):
    return Issuer(keys, issuer=issuer.url, audience=AUDIENCE)


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def claims_of(issuer, **more):
    now = int(datetime.now(UTC).timestamp())
    good = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ana-1", "iat": now, "exp": now + 300}
    return good | more


async def test_a_token_says_who_signed_in_and_until_when(issuer, reader):
    now = datetime.now(UTC).replace(microsecond=0)
    read = await reader.read(
        issuer.sign(
            "ana-1",
            iat=now,
            exp=now + timedelta(minutes=5),
            auth_time=int(now.timestamp()) - 60,
            preferred_username="ana",
            name="Ana Ruiz",
            email="ana@example.org",
            email_verified=True,
            roles=["admin", "staff"],
        )
    )
    assert (read.issuer, read.subject) == (issuer.url, "ana-1")
    assert (read.issued_at, read.expires_at) == (now, now + timedelta(minutes=5) + LEEWAY)
    assert read.signed_in_at == now - timedelta(minutes=1)
    assert (read.handle, read.name, read.email) == ("ana", "Ana Ruiz", "ana@example.org")
    assert read.roles == {"admin", "staff"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_kind_of_key_signs(issuer, reader, algorithm):
    issuer.keys = [Key(algorithm, "one")]
    assert (await reader.read(issuer.sign())).subject == "ana-1"


async def test_a_token_may_be_for_several_of_whom_we_are_one(issuer, reader):
    await reader.read(issuer.sign(aud=["somebody", AUDIENCE]))


@pytest.mark.parametrize("verified", [False, "true", 1, None])
async def test_an_address_that_the_issuer_has_not_verified_is_not_taken(issuer, reader, verified):
    read = await reader.read(issuer.sign(email="ana@example.org", email_verified=verified))
    assert read.email is None


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("roles", {"roles": "admin staff"}),
        ("realm_access.roles", {"realm_access": {"roles": ["admin", "staff", 7]}}),
        ("https://example.org/roles", {"https://example.org/roles": ["admin", "staff"]}),
    ],
)
async def test_roles_are_found_where_the_issuer_puts_them(issuer, keys, name, claims):
    reader = Issuer(keys, issuer=issuer.url, audience=AUDIENCE, names=ClaimNames(roles=name))
    assert (await reader.read(issuer.sign(**claims))).roles == {"admin", "staff"}


async def test_roles_of_an_odd_form_are_none(issuer, keys):
    names = ClaimNames(roles="realm_access.roles")
    reader = Issuer(keys, issuer=issuer.url, audience=AUDIENCE, names=names)
    for odd in (7, {"roles": {"admin": True}}, ["admin"], None):
        assert (await reader.read(issuer.sign(realm_access=odd))).roles == set()


async def test_all_tokens_of_a_sign_in_name_the_same_one(issuer, reader):
    async def sign_in(**claims):
        return (await reader.read(issuer.sign(**claims))).sign_in

    assert await sign_in(sid="a", jti="1") == await sign_in(sid="a", jti="2")
    assert await sign_in(sid="a") != await sign_in(sid="b")
    assert await sign_in(sid=None, auth_time=9, jti="1") == await sign_in(
        sid=None, auth_time=9, jti="2"
    )
    assert await sign_in(sid=None, jti="1") != await sign_in(sid=None, jti="2")
    one, other = issuer.sign(sid=None, nonce="1"), issuer.sign(sid=None, nonce="2")
    assert (await reader.read(one)).sign_in != (await reader.read(other)).sign_in


# --- what is not good -----------------------------------------------------------------------------


def soon(**delta):
    return int((datetime.now(UTC) + timedelta(**delta)).timestamp())


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"aud": "another program"},
        {"aud": ["another", "program"]},
        {"aud": None},
        {"aud": 7},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"iat": None},
        {"iat": soon(minutes=5)},
        {"nbf": soon(minutes=5)},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\x00b"},
        {"auth_time": "yesterday"},
        {"auth_time": 1e300},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(issuer, reader, claims):
    with pytest.raises(InvalidToken):
        await reader.read(issuer.sign(**claims))


async def test_an_expired_token_is_said_to_be(issuer, reader):
    with pytest.raises(ExpiredToken):
        await reader.read(issuer.sign(exp=soon(minutes=-5)))


async def test_clocks_may_differ_a_little(issuer, reader):
    await reader.read(issuer.sign(exp=soon(seconds=-10)))
    await reader.read(issuer.sign(nbf=soon(seconds=10), iat=soon(seconds=10)))


async def test_a_token_without_signature_is_refused(issuer, reader):
    for algorithm in ("none", "None", "NONE", ""):
        header = part({"alg": algorithm, "typ": "JWT", "kid": "rsa"})
        with pytest.raises(InvalidToken):
            await reader.read(f"{header}.{part(claims_of(issuer))}.")


async def test_a_public_key_is_no_secret_to_sign_with(issuer, reader):
    public = issuer.keys[0].private.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(issuer.keys[0].published()).encode()
    for secret in (pem, pem.strip(), der, jwk):
        for algorithm, digest in (("HS256", "sha256"), ("HS512", "sha512")):
            head = part({"alg": algorithm, "typ": "JWT", "kid": "rsa"})
            signed = f"{head}.{part(claims_of(issuer))}"
            mac = hmac.new(secret, signed.encode(), getattr(hashlib, digest)).digest()
            with pytest.raises(InvalidToken):
                await reader.read(f"{signed}.{part(mac)}")


async def test_a_key_signs_with_its_own_algorithm_only(issuer, reader):
    for headers in ({"kid": "ec"}, {"alg": "ES256"}, {"alg": "RS512"}, {"alg": "PS256"}):
        token = issuer.sign()
        head, body, signature = token.split(".")
        header = json.loads(base64.urlsafe_b64decode(head + "=="))
        with pytest.raises(InvalidToken):
            await reader.read(f"{part(header | headers)}.{body}.{signature}")


async def test_a_token_that_was_changed_is_refused(issuer, reader):
    head, _, signature = issuer.sign().split(".")
    with pytest.raises(InvalidToken):
        await reader.read(f"{head}.{part(claims_of(issuer, sub='root'))}.{signature}")


async def test_a_key_of_another_issuer_signs_nothing_here(issuer, reader):
    async with running_issuer() as other:
        with pytest.raises(InvalidToken):
            await reader.read(issuer.sign(key=other.keys[0]))
        stranger = Key("RS256", "of-another")
        other.keys = [stranger]
        with pytest.raises(InvalidToken):
            await reader.read(issuer.sign(key=stranger))
        assert other.asked == []


async def test_keys_that_a_token_brings_or_points_to_are_not_looked_at(issuer, reader):
    async with running_issuer() as thief:
        mine = thief.keys[0]
        mine.key_id = "rsa"
        for headers in (
            {"jku": f"{thief.url}/keys"},
            {"x5u": f"{thief.url}/keys"},
            {"jwk": mine.published()},
            {"x5c": ["MIIB"]},
            {"kid": f"{thief.url}/keys"},
            {"kid": "../../../../dev/null"},
        ):
            with pytest.raises(InvalidToken):
                await reader.read(issuer.sign(key=mine, headers=headers))
        assert thief.asked == []


@pytest.mark.parametrize(
    "headers",
    [{"kid": None}, {"typ": "logout+jwt"}, {"typ": "dpop+jwt"}, {"crit": ["exp"], "exp": 1}],
)
async def test_a_token_of_another_kind_is_refused(issuer, reader, headers):
    head, body, _ = issuer.sign().split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "==")) | headers
    key = issuer.keys[0]
    signed = f"{part({k: v for k, v in header.items() if v is not None})}.{body}"
    from jwt.algorithms import RSAAlgorithm

    again = RSAAlgorithm(RSAAlgorithm.SHA256).sign(signed.encode(), key.private)
    with pytest.raises(InvalidToken):
        await reader.read(f"{signed}.{part(again)}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "[" * 20_000,
        part(b"[" * 9_000) + ".e30.",
        "\x00",
        "é.é.é",
        "e30.e30.",
    ],
)
async def test_garbage_is_refused(issuer, reader, text):
    assert reader.claims_to_have_made(text) is False
    with pytest.raises(InvalidToken):
        await reader.read(text)


async def test_a_token_says_whose_it_claims_to_be(issuer, reader):
    assert reader.claims_to_have_made(issuer.sign())
    assert not reader.claims_to_have_made(issuer.sign(iss="hubbub"))
    assert not reader.claims_to_have_made(issuer.sign(padding="x" * 20_000))


# --- the issuer's keys ----------------------------------------------------------------------------


async def test_keys_are_fetched_once_and_again_when_they_are_old(issuer, reader, clock):
    for _ in range(3):
        await reader.read(issuer.sign())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    clock.now += FRESH
    await reader.read(issuer.sign())
    assert issuer.asked.count("/keys") == 2


async def test_many_first_tokens_at_once_ask_once(issuer, reader):
    await asyncio.gather(*(reader.read(issuer.sign()) for _ in range(20)))
    assert issuer.asked.count("/keys") == 1


async def test_a_new_key_is_fetched_when_it_is_first_seen(issuer, reader, clock):
    old = issuer.keys[0]
    await reader.read(issuer.sign())
    issuer.rotate()
    clock.now += ASK_EVERY
    await reader.read(issuer.sign())
    with pytest.raises(InvalidToken):  # the one withdrawn
        await reader.read(issuer.sign(key=old))


async def test_a_withdrawn_key_is_trusted_no_longer_than_a_set_is_fresh(issuer, reader, clock):
    old = issuer.keys[0]
    await reader.read(issuer.sign())
    issuer.rotate()
    clock.now += FRESH
    with pytest.raises(InvalidToken):
        await reader.read(issuer.sign(key=old))


async def test_a_flood_of_unknown_keys_is_no_flood_of_questions(issuer, reader, clock):
    await reader.read(issuer.sign())
    asked = len(issuer.asked)
    for second in range(30):
        clock.now += 1
        tokens = [issuer.sign(headers={"kid": f"made up {second} {number}"}) for number in range(5)]
        answers = await asyncio.gather(*map(reader.read, tokens), return_exceptions=True)
        assert {type(answer) for answer in answers} == {InvalidToken}
        await reader.read(issuer.sign())  # who has a good one is served all the while
    assert issuer.asked.count("/keys") <= 1 + 30 / ASK_EVERY
    assert len(issuer.asked) > asked


async def test_while_the_issuer_is_down_its_last_keys_serve_for_a_while(issuer, reader, clock):
    await reader.read(issuer.sign())
    issuer.down = True
    clock.now += STALE - 1
    await reader.read(issuer.sign())
    clock.now += 1
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    issuer.down = False
    clock.now += ASK_EVERY
    await reader.read(issuer.sign())


async def test_an_issuer_that_was_never_reached_is_said_to_be_away(issuer, reader, clock):
    issuer.down = True
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await reader.read(issuer.sign())
    assert len(issuer.asked) == 1
    issuer.down = False
    clock.now += ASK_EVERY
    await reader.read(issuer.sign())


async def test_an_issuer_that_does_not_answer_holds_up_nobody_for_long(
    issuer, reader, clock, monkeypatch
):
    await reader.read(issuer.sign())
    asked = asyncio.Event()
    released = asyncio.Event()

    async def silent(_):
        asked.set()
        await released.wait()
        return Response(status_code=503)

    monkeypatch.setattr(issuer_keys, "PATIENCE_WITH_KEY", 0.01)
    issuer.misbehave = silent
    clock.now += FRESH
    assert (await reader.read(issuer.sign())).subject == "ana-1"
    await asked.wait()
    released.set()


async def test_an_issuer_that_never_finishes_is_given_up_on(issuer, reader, monkeypatch):
    monkeypatch.setattr(issuer_keys, "FETCH_TIMEOUT", 0.1)
    released = asyncio.Event()

    async def silent(_):
        await released.wait()
        return Response(status_code=503)

    issuer.misbehave = silent
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    released.set()


async def endless(request):
    async def spaces():
        while not await request.is_disconnected():
            yield b" " * 65536

    return StreamingResponse(spaces(), media_type="application/json")


async def unpacking_to_much(_):
    import gzip

    return Response(gzip.compress(b" " * 10_000_000), headers={"content-encoding": "gzip"})


async def not_json(_):
    return Response("<html>")


async def deep(_):
    return Response("[" * 100_000)


async def a_list(_):
    return Response("[]")


@pytest.mark.parametrize("answer", [endless, unpacking_to_much, not_json, deep, a_list])
async def test_a_discovery_document_that_is_none_is_not_believed(issuer, reader, answer):
    issuer.misbehave = answer
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())


@pytest.mark.parametrize("answer", [endless, unpacking_to_much, not_json, deep, a_list])
async def test_a_set_of_keys_that_is_none_is_not_believed(issuer, http, clock, answer):
    keys = IssuerKeys(http, issuer.url, f"{issuer.url}/keys", clock=clock)
    reader = Issuer(keys, issuer=issuer.url, audience=AUDIENCE)
    issuer.misbehave = answer
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    issuer.misbehave = None
    clock.now += ASK_EVERY
    await reader.read(issuer.sign())
    assert "/.well-known/openid-configuration" not in issuer.asked
    await keys.close()


@pytest.mark.parametrize("another", ["https://elsewhere.example.org", "{url}/", None, 7])
async def test_another_issuers_discovery_document_is_not_believed(issuer, reader, another):
    named = another.format(url=issuer.url) if isinstance(another, str) else another
    issuer.discovery = {"issuer": named}
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    assert "/keys" not in issuer.asked


async def test_a_set_of_keys_that_is_too_long_is_not_read_to_its_end(issuer, reader):
    good = [key.published() for key in issuer.keys]
    issuer.jwks = {"keys": good, "padding": " " * issuer_keys.MAX_DOCUMENT}
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())


async def test_no_redirect_is_followed(issuer, reader):
    async with running_issuer() as elsewhere:
        elsewhere.discovery = {"issuer": issuer.url}
        elsewhere.keys = issuer.keys

        async def away(request):
            return RedirectResponse(f"{elsewhere.url}{request.url.path}")

        issuer.misbehave = away
        with pytest.raises(IssuerUnavailable):
            await reader.read(issuer.sign())
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "http://keys.example.org/keys",
        "ftp://example.org/keys",
        "https://user:password@example.org/keys",
        "//example.org/keys",
        "https://[",
        "",
        7,
    ],
)
async def test_keys_are_fetched_by_https_alone_except_on_this_machine(issuer, reader, address):
    issuer.discovery = {"jwks_uri": address}
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    assert issuer.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://id.example.org/realm", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://[::1]:8080/", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("http://10.0.0.1", False),
        ("https://", False),
        ("https://example.org:port", False),
    ],
)
def test_which_addresses_may_be_asked(url, trusted):
    assert issuer_keys.trustworthy(url) is trusted


async def test_ten_thousand_keys_are_too_many(issuer, reader):
    good = issuer.keys[0].published()
    issuer.jwks = {"keys": [good, *({"kty": "EC", "kid": str(n)} for n in range(10_000))]}
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())
    issuer.jwks = {"keys": [good, *({} for _ in range(issuer_keys.MAX_KEYS))]}
    with pytest.raises(IssuerUnavailable):
        await reader.read(issuer.sign())


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": []},
        {"kty": None},
        {"kid": 7},
        {"n": "!!"},
        {"n": None},
        {"d": "AQAB"},
    ],
)
async def test_a_key_that_is_odd_is_passed_over_and_the_others_serve(issuer, reader, change):
    odd, good = Key("RS256", "odd"), Key("ES256", "good")
    issuer.jwks = {"keys": ["?", None, odd.published(**change), good.published()]}
    with pytest.raises(InvalidToken):
        await reader.read(issuer.sign(key=odd))
    await reader.read(issuer.sign(key=good))


async def test_an_rsa_key_that_is_too_short_is_passed_over(issuer, reader):
    weak = Key("RS256", "weak", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    issuer.jwks = {"keys": [weak.published()]}
    with pytest.warns(match="below the minimum"):
        token = issuer.sign(key=weak)
    with pytest.raises(InvalidToken):
        await reader.read(token)
