"""People whom another issuer vouches for: the whole way from their token to what they may do."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from accounts.issuer import LEEWAY
from models.audit import audit_log
from models.external_identities import external_identities
from models.sessions import sessions
from models.users import users
from resolvers.accounts import create_administrator
from server.settings import Settings
from tests.parts.authenticator import Authenticator
from tests.parts.factors import ORIGIN, ask, register_passkey
from tests.parts.issuer import AUDIENCE, Key
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.running import running

ME = "{ viewer { user { id handle displayName } email session { id } } }"


@pytest.fixture
async def trusting(migrated_database_url, issuer):
    """A server that accepts the issuer's tokens; on both databases."""
    async with running(
        migrated_database_url,
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_admin_role="hubbub-admin",
    ) as started:
        yield started


def bearing(server, token):
    person = server.person()
    person.token = token
    return person


async def me(server, token):
    return (await bearing(server, token).ask(ME))["viewer"]


async def refusal(server, token):
    answer = await bearing(server, token).run("{ viewer { email } }")
    assert answer["data"] == {"viewer": None}
    (error,) = answer["errors"]
    return error["extensions"]["code"]


async def rows(server, *columns):
    async with server.program.services.db.reading() as connection:
        return (await connection.execute(sa.select(*columns))).all()


def minutes(number):
    return datetime.now(UTC) + timedelta(minutes=number)


async def test_somebody_unknown_becomes_a_person_with_their_first_token(trusting, issuer):
    token = issuer.sign(
        "ana-1",
        preferred_username="Ana.Ruiz",
        name="Ana Ruiz",
        email="ana@example.org",
        email_verified=True,
    )
    seen = await me(trusting, token)
    assert seen["user"]["handle"] == "ana_ruiz"
    assert seen["user"]["displayName"] == "Ana Ruiz"
    assert seen["email"] == "ana@example.org"
    assert await me(trusting, token) == seen
    ((issuer_url, subject),) = await rows(
        trusting, external_identities.c.issuer, external_identities.c.subject
    )
    assert (issuer_url, subject) == (issuer.url, "ana-1")
    acts = {row.act for row in await rows(trusting, audit_log.c.act)}
    assert acts == {"external_person_created", "logged_in"}


async def test_their_session_says_where_it_came_from(trusting, issuer):
    ana = bearing(trusting, issuer.sign())
    await ana.post({"query": ME}, **{"user-agent": "A client of Ana's"})
    ((address, user_agent),) = await rows(trusting, sessions.c.address, sessions.c.user_agent)
    assert (address, user_agent) == ("127.0.0.0/24", "A client of Ana's")


async def test_they_chat_with_everybody_else(trusting, issuer):
    ana = bearing(trusting, issuer.sign("ana-1", preferred_username="ana"))
    ana.user_id = (await ana.ask(ME))["viewer"]["user"]["id"]
    bob = await trusting.registered("bob")
    chat_id = await bob.group("Mixed", ana)
    async with ana.listening() as socket:
        await bob.send(chat_id, "hello")
        assert (await socket.next())["message"]["text"] == "hello"
        await ana.send(chat_id, "hello yourself")


async def test_many_first_tokens_at_once_make_one_person_and_one_session(trusting, issuer):
    tokens = [issuer.sign("ana-1", preferred_username="ana", jti=str(n)) for n in range(8)]
    seen = await asyncio.gather(*(me(trusting, token) for token in tokens))
    assert len({each["user"]["id"] for each in seen}) == 1
    assert len({each["session"]["id"] for each in seen}) == 1
    assert len(await rows(trusting, users.c.id)) == 1


async def test_many_newcomers_at_once_who_want_one_handle_each_get_one(trusting, issuer):
    tokens = [issuer.sign(f"ana-{n}", preferred_username="ana") for n in range(5)]
    seen = await asyncio.gather(*(me(trusting, token) for token in tokens))
    handles = {each["user"]["handle"] for each in seen}
    assert len(handles) == 5
    assert all(handle.startswith("ana") for handle in handles)


@pytest.mark.parametrize(
    ("claims", "handle"),
    [
        ({"preferred_username": "Åsa Öberg"}, "asa_oberg"),
        ({"preferred_username": "jo"}, "user_jo"),
        ({"preferred_username": "007"}, "user_007"),
        ({"preferred_username": "ana@example.org"}, "ana"),
        ({"preferred_username": "x" * 50}, "x" * 32),
        ({"preferred_username": "アナ"}, "user_2"),
        ({"preferred_username": "\x00\ud800"}, "user_2"),
        ({"preferred_username": 7}, "user_2"),
        ({"email": "bo.li@example.org", "email_verified": True}, "bo_li"),
        ({}, "user_2"),
    ],
)
async def test_a_handle_is_made_of_what_the_issuer_says(
    migrated_sqlite_url, issuer, claims, handle
):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE
    ) as server:
        assert (await me(server, issuer.sign(**claims)))["user"]["handle"] == handle


@pytest.mark.parametrize("name", ["", " ", "A\nB", "A\x00B", "A\N{RIGHT-TO-LEFT OVERRIDE}B", 7])
async def test_a_name_that_nobody_could_register_is_not_taken_over(
    migrated_sqlite_url, issuer, name
):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE
    ) as server:
        seen = await me(server, issuer.sign(preferred_username="ana", name=name))
        assert seen["user"]["displayName"] == "ana"


async def test_the_same_address_or_handle_takes_over_nobodys_account(trusting, issuer):
    ana = trusting.person()
    await ana.register("ana", email="ana@example.org")
    thief = await me(
        trusting,
        issuer.sign(
            "thief", preferred_username="ana", email="ana@example.org", email_verified=True
        ),
    )
    assert thief["user"]["id"] != ana.user_id
    assert thief["user"]["handle"] == "ana_2"
    assert (await ana.ask(ME))["viewer"]["user"]["id"] == ana.user_id


async def test_another_name_at_the_issuer_later_renames_nobody(trusting, issuer):
    first = await me(trusting, issuer.sign(preferred_username="ana", name="Ana"))
    later = await me(
        trusting, issuer.sign(preferred_username="root", name="Root", iat=minutes(0), sid="2")
    )
    assert later["user"] == first["user"]


async def test_the_same_name_at_another_issuer_is_somebody_else(trusting, issuer):
    ana = await me(trusting, issuer.sign("ana-1"))
    async with running(
        str(trusting.settings.database_url),
        oidc_issuer=f"{issuer.url}/",
        oidc_audience=AUDIENCE,
        oidc_jwks_url=f"{issuer.url}/keys",
    ) as other:
        seen = await me(other, issuer.sign("ana-1", iss=f"{issuer.url}/"))
    assert seen["user"]["id"] != ana["user"]["id"]


# --- sessions -------------------------------------------------------------------------------------


async def test_a_sign_in_at_the_issuer_is_a_session_that_newer_tokens_prolong(trusting, issuer):
    first = bearing(trusting, issuer.sign(sid="laptop", exp=minutes(2)))
    session = (await first.ask("{ viewer { session { id expiresAt deviceName } } }"))["viewer"][
        "session"
    ]
    assert session["deviceName"] == "Signed in at 127.0.0.1"
    second = bearing(trusting, issuer.sign(sid="laptop", exp=minutes(4)))
    prolonged = (await second.ask("{ viewer { session { id expiresAt } } }"))["viewer"]["session"]
    assert prolonged["id"] == session["id"]
    assert prolonged["expiresAt"] > session["expiresAt"]
    phone = bearing(trusting, issuer.sign(sid="phone"))
    listed = (await phone.ask("{ viewer { sessions { id } } }"))["viewer"]["sessions"]
    assert len(listed) == 2


async def test_a_session_that_has_run_out_goes_on_with_a_newer_token(trusting, issuer):
    before = await me(trusting, issuer.sign(sid="laptop", exp=minutes(1)))
    async with trusting.program.services.db.writing() as connection:
        await connection.execute(sessions.update().values(expires_at=minutes(-1)))
    after = await me(trusting, issuer.sign(sid="laptop", exp=minutes(5)))
    assert after["session"] == before["session"]


async def test_logging_out_here_ends_the_sign_in_for_all_its_tokens(trusting, issuer):
    token = issuer.sign(sid="laptop")
    ana = bearing(trusting, token)
    async with ana.listening() as socket:
        await bearing(trusting, issuer.sign(sid="laptop", jti="2")).ask(
            "mutation { logOut { errors { code } } }"
        )
        assert (await socket.closed())[0] == 4403
    assert await refusal(trusting, token) == "UNAUTHENTICATED"
    assert await refusal(trusting, issuer.sign(sid="laptop", exp=minutes(9))) == "UNAUTHENTICATED"
    assert await me(trusting, issuer.sign(sid="another sign-in"))


async def test_an_external_session_has_no_refresh_token(trusting, issuer):
    ana = bearing(trusting, issuer.sign())
    await ana.ask(ME)
    made = trusting.program.services.credentials.refresh_tokens
    (session_id,) = (row.id for row in await rows(trusting, sessions.c.id))
    text, _ = made.issue(session_id)  # as somebody might who knew the server's secret and no more
    code = await trusting.person().refused("refreshSession", "accessToken", refreshToken=text)
    assert code == "UNAUTHENTICATED"


async def test_a_socket_ends_with_its_token(trusting, issuer):
    soon = datetime.now(UTC) + timedelta(seconds=3) - LEEWAY
    ana = bearing(trusting, issuer.sign(exp=soon))
    async with ana.socket() as socket:
        assert (await socket.closed())[0] == 4403


@pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
async def test_whoever_may_not_sign_in_is_refused_with_old_and_new_tokens(trusting, issuer, column):
    token = issuer.sign()
    await me(trusting, token)
    async with trusting.program.services.db.writing() as connection:
        await connection.execute(users.update().values({column: datetime.now(UTC)}))
    assert await refusal(trusting, issuer.sign(sid="new")) == "UNAUTHENTICATED"
    assert await refusal(trusting, issuer.sign(exp=minutes(9))) == "UNAUTHENTICATED"


# --- roles ----------------------------------------------------------------------------------------


async def is_admin(server):
    ((value,),) = await rows(server, users.c.is_admin)
    return value


async def test_the_role_makes_an_administrator_and_its_loss_unmakes_one(trusting, issuer):
    old = issuer.sign(roles=["hubbub-admin"], iat=minutes(-2), sid="1")
    await me(trusting, old)
    assert await is_admin(trusting)
    await me(trusting, issuer.sign(roles=["staff"], iat=minutes(-1), sid="2"))
    assert not await is_admin(trusting)
    # A token from before is good for a while, and gives nothing back.
    older = issuer.sign(roles=["hubbub-admin"], iat=minutes(-2), sid="3")
    await me(trusting, older)
    assert not await is_admin(trusting)
    acts = [row.act for row in await rows(trusting, audit_log.c.act)]
    assert acts.count("administrator_by_issuer") == 1
    assert acts.count("no_administrator_by_issuer") == 1


async def test_without_a_role_in_the_settings_no_token_makes_an_administrator(
    migrated_sqlite_url, issuer
):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE
    ) as server:
        await me(server, issuer.sign(roles=["hubbub-admin", "", "admin"]))
        assert not await is_admin(server)


# --- what is refused ------------------------------------------------------------------------------


async def test_a_token_that_is_not_good_signs_nobody_in_and_stores_nothing(trusting, issuer):
    stranger = Key("RS256", "rsa")
    for token in (
        issuer.sign(aud="another program"),
        issuer.sign(exp=minutes(-5)),
        issuer.sign(iss="https://elsewhere.example.org"),
        issuer.sign(key=stranger),
        issuer.sign(headers={"kid": "unknown"}),
        issuer.sign(sub=None),
        issuer.sign(sub="\ud800"),
    ):
        assert await refusal(trusting, token) == "UNAUTHENTICATED"
    assert await rows(trusting, users.c.id) == []
    assert await rows(trusting, sessions.c.id) == []


async def test_our_own_tokens_are_good_beside_the_issuers(trusting, issuer):
    ana = await trusting.registered("ana")
    assert (await ana.ask(ME))["viewer"]["user"]["handle"] == "ana"
    await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token)


async def test_a_server_that_trusts_nobody_else_refuses_an_issuers_token(sqlite_server, issuer):
    assert await refusal(sqlite_server, issuer.sign()) == "UNAUTHENTICATED"
    assert issuer.asked == []


async def test_while_the_issuer_cannot_be_asked_its_people_are_told_to_come_back(trusting, issuer):
    issuer.down = True
    assert await refusal(trusting, issuer.sign()) == "OVERLOADED"
    ana = await trusting.registered("ana")  # nobody else is kept out
    assert (await ana.ask(ME))["viewer"]["user"]["handle"] == "ana"


# --- settings -------------------------------------------------------------------------------------


async def test_without_passwords_the_issuer_is_the_only_way_in(migrated_sqlite_url, issuer):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE, passwords=False
    ) as server:
        person = server.person()
        register = {"handle": "ana", "password": "correct horse", "displayName": "Ana"}
        assert await person.refused("register", "session { id }", **register) == "FORBIDDEN"
        log_in = {"handle": "ana", "password": "correct horse"}
        assert await person.refused("logIn", "session { id }", **log_in) == "FORBIDDEN"
        assert await rows(server, users.c.id) == []
        assert (await me(server, issuer.sign(preferred_username="ana")))["user"]["handle"] == "ana"


async def test_a_passkey_is_no_way_around_the_issuer_and_confirms_all_the_same(
    migrated_sqlite_url, issuer
):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE, passwords=False
    ) as server:
        ana = bearing(server, issuer.sign(auth_time=int(minutes(0).timestamp())))
        passkey = Authenticator(ORIGIN)
        assert (await register_passkey(ana, passkey))["errors"] == []
        # Whom the issuer has let go must not come back by themselves.
        nobody = server.person()
        begun = await ask(nobody, "beginPasskeyLogIn", "challengeId options")
        assert [error["code"] for error in begun["errors"]] == ["FORBIDDEN"]
        answer = {"challengeId": "x", "credential": "{}"}
        assert await nobody.refused("finishPasskeyLogIn", "accessToken", **answer) == "FORBIDDEN"
        asked = await ask(ana, "beginPasskeyConfirmation", "challengeId options")
        proof = {"challengeId": asked["challengeId"], "credential": passkey.get(asked["options"])}
        await ana.done("confirmIdentity", "confirmedUntil", passkey=proof)


async def test_whom_an_issuer_vouches_for_logs_in_there_though_others_may_by_passkey(
    trusting, issuer
):
    ana = bearing(trusting, issuer.sign(auth_time=int(minutes(0).timestamp())))
    bob = await trusting.registered("bob")
    answers = []
    for person in (ana, bob):
        passkey = Authenticator(ORIGIN)
        assert (await register_passkey(person, passkey))["errors"] == []
        nobody = trusting.person()
        asked = await ask(nobody, "beginPasskeyLogIn", "challengeId options")
        proof = {"challengeId": asked["challengeId"], "credential": passkey.get(asked["options"])}
        payload = await nobody.do("finishPasskeyLogIn", "accessToken", **proof)
        answers.append((payload["accessToken"] is None, [e["code"] for e in payload["errors"]]))
    assert answers == [(True, ["FORBIDDEN"]), (False, [])]


async def test_without_passwords_none_is_set_or_changed_or_taken_as_proof(
    migrated_sqlite_url, issuer
):
    async with running(
        migrated_sqlite_url, oidc_issuer=issuer.url, oidc_audience=AUDIENCE, passwords=False
    ) as server:
        await create_administrator(
            server.program.services,
            handle="root",
            password=PASSWORD,
            display_name="Root",
            email="root@example.org",
        )
        ana = bearing(server, issuer.sign())
        new = "another good one"
        for mutation, given in {
            "changePassword": {"currentPassword": PASSWORD, "newPassword": new},
            "requestPasswordReset": {"handle": "root"},
            "resetPassword": {"token": "x", "newPassword": new},
            "confirmIdentity": {"password": PASSWORD},
        }.items():
            assert await ana.refused(mutation, "__typename", **given) == "FORBIDDEN", mutation
        # What is no password is looked at as ever.
        assert await ana.refused("confirmIdentity", "__typename", totpCode="12345") == "BAD_FACTOR"


async def test_clients_are_told_whether_there_are_passwords_and_which_issuer(
    migrated_sqlite_url, sqlite_server, issuer
):
    asked = "{ server { passwordsEnabled issuer } }"
    told = (await sqlite_server.person().ask(asked))["server"]
    assert told == {"passwordsEnabled": True, "issuer": None}
    for passwords in (True, False):
        async with running(
            migrated_sqlite_url,
            oidc_issuer=issuer.url,
            oidc_audience=AUDIENCE,
            passwords=passwords,
        ) as server:
            told = (await server.person().ask(asked))["server"]
            assert told == {"passwordsEnabled": passwords, "issuer": issuer.url}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"oidc_issuer": "http://id.example.org", "oidc_audience": "x"}, "https://"),
        ({"oidc_issuer": "https://id.example.org"}, "set together"),
        ({"oidc_audience": "hubbub"}, "set together"),
        ({"passwords": "off"}, "no way in"),
        (
            {
                "oidc_issuer": "https://id.example.org",
                "oidc_audience": "x",
                "oidc_jwks_url": "ftp://id.example.org/keys",
            },
            "https://",
        ),
    ],
)
def test_settings_that_would_open_or_close_every_door_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Settings(_env_file=None, secret_key="s" * 32, **given)
