"""Access tokens that are not good, at both doors: refused over HTTP, and closed on a socket."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from websockets.exceptions import ConnectionClosed

from accounts.keys import SigningKey
from tests.parts.running import running

HOUR = timedelta(hours=1)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


class Forger:
    """Makes tokens like those of a server, apart from what is given; it even has the key."""

    def __init__(self, key: SigningKey, good: str) -> None:
        self.key = key
        self.good = good
        self._claims = jwt.decode(good, options={"verify_signature": False})

    def token(self, *, secret=None, algorithm="HS256", kid=..., **claims):
        merged = {
            name: value for name, value in {**self._claims, **claims}.items() if value is not None
        }
        headers = {} if kid is None else {"kid": self.key.id if kid is ... else kid}
        secret = self.key.secret if secret is None else secret
        return jwt.encode(merged, secret, algorithm=algorithm, headers=headers)

    def without_signature(self, algorithm):
        header = {"alg": algorithm, "typ": "JWT", "kid": self.key.id}
        parts = [json.dumps(part).encode() for part in (header, self._claims)]
        encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
        return ".".join([*encoded, ""])


def in_an_hour():
    return int((datetime.now(UTC) + HOUR).timestamp())


ATTACKS = {
    "alg none": lambda f: f.without_signature("none"),
    "alg NoNe": lambda f: f.without_signature("NoNe"),
    "alg none, signed": lambda f: f.token(algorithm="none", secret=""),
    "HS256 announced, not signed": lambda f: f.without_signature("HS256"),
    "HS384": lambda f: f.token(algorithm="HS384"),
    "HS512": lambda f: f.token(algorithm="HS512"),
    "RS256": lambda f: f.token(algorithm="RS256", secret=RSA),
    "PS256": lambda f: f.token(algorithm="PS256", secret=RSA),
    "ES256": lambda f: f.token(algorithm="ES256", secret=CURVE),
    "signed with the key's id": lambda f: f.token(secret=f.key.id.encode()),
    "another key's id": lambda f: f.token(kid="0123456789abcdef"),
    "another key": lambda f: f.token(secret=b"k" * 32),
    "an id that is a path": lambda f: f.token(kid="../../../dev/null"),
    "an id that is SQL": lambda f: f.token(kid="' OR 1=1 --"),
    "no key's id": lambda f: f.token(kid=None),
    "expired": lambda f: f.token(exp=int((datetime.now(UTC) - HOUR).timestamp())),
    "never expires": lambda f: f.token(exp=None),
    "not valid yet": lambda f: f.token(nbf=in_an_hour()),
    "issued tomorrow": lambda f: f.token(iat=in_an_hour()),
    "another audience": lambda f: f.token(aud="somebody else"),
    "no audience": lambda f: f.token(aud=None),
    "another issuer": lambda f: f.token(iss="https://issuer.example"),
    "no session": lambda f: f.token(sid=None),
    "another kind of id": lambda f: f.token(sid=7),
    "a session that is not there": lambda f: f.token(sid="0190a000-0000-7000-8000-000000000000"),
    "truncated": lambda f: f.good[:-10],
    "without its last part": lambda f: f.good.rpartition(".")[0],
    "two tokens": lambda f: f.good + "." + f.good,
    "not text": lambda f: "\x80\xff",
    "a megabyte": lambda f: f.good + "A" * 1_000_000,
    "as much as fits": lambda f: f.good + "A" * 60_000,
}


@pytest.fixture
async def attacked(migrated_sqlite_url):
    """A person, and somebody who has the server's key."""
    async with running(migrated_sqlite_url) as server:
        ana = await server.registered("ana")
        ring = server.program.services.credentials.signing_keys.ring
        yield ana, Forger(ring.signing(datetime.now(UTC)), str(ana.token))


async def test_a_token_that_is_like_ours_in_everything_is_good(attacked):
    ana, forger = attacked
    ana.token = forger.token()
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_a_forged_token_is_refused_over_http_and_on_a_socket(attacked, attack):
    ana, forger = attacked
    token = ATTACKS[attack](forger)
    answer = await ana.post(
        {"query": "{ viewer { email } server { name } }"},
        authorization=f"Bearer {token}".encode("latin-1"),
    )
    if attack == "a megabyte":
        assert answer.status_code == 431  # nobody reads as long a head
    else:
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == {"viewer": None, "server": {"name": "Hubbub"}}
        (error,) = answer.json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert token not in answer.text
    async with ana.socket(init=False) as socket:
        await socket.send(type="connection_init", payload={"authorization": f"Bearer {token}"})
        with pytest.raises(ConnectionClosed):
            await socket.receive()
        code, reason = await socket.closed()
    assert code == 4403, reason
    # The good one is as good as before.
    assert (await ana.ask("{ viewer { user { handle } } }"))["viewer"]["user"]["handle"] == "ana"


@pytest.mark.parametrize("authorization", [7, None, ["Bearer"], {"Bearer": "x"}, "Basic x", ""])
async def test_what_is_no_authorization_at_all_does_not_sign_a_socket_in(attacked, authorization):
    ana, _ = attacked
    async with ana.socket(init=False) as socket:
        await socket.send(type="connection_init", payload={"authorization": authorization})
        if authorization is None:  # as if it had not been given
            assert (await socket.receive())["type"] == "connection_ack"
            await socket.subscribe("q", "{ viewer { email } }")
            assert (await socket.receive())["payload"]["data"] == {"viewer": None}
        else:
            assert (await socket.closed())[0] == 4403
