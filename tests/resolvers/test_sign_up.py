"""Who may register: everybody, who is invited, or nobody."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from models import sign_up as stored
from models.sign_up import SignUpPolicy
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.roles import administrator, code
from tests.parts.running import running

POLICY = "{ server { signUpPolicy } }"
NEW = {"password": PASSWORD, "displayName": "Somebody"}


async def invitation(root, **given):
    payload = await root.done("adminCreateInvitation", "invitation { id } token", **given)
    return payload["invitation"]["id"], payload["token"]


@pytest.fixture
async def by_invitation(server):
    root = await administrator(server)
    await root.done("adminSetSignUpPolicy", "policy", policy="INVITATION")
    return server, root


async def test_an_administrator_decides_who_may_register_whatever_the_settings_say(server):
    root = await administrator(server)
    assert (await server.person().ask(POLICY))["server"] == {"signUpPolicy": "OPEN"}
    payload = await root.done("adminSetSignUpPolicy", "policy", policy="CLOSED")
    assert payload["policy"] == "CLOSED"
    assert (await server.person().ask(POLICY))["server"] == {"signUpPolicy": "CLOSED"}
    refused = await server.person().refused("register", SIGNED_IN, handle="ana", **NEW)
    assert refused == "SIGN_UP_CLOSED"
    refused = await server.person().refused(
        "register", SIGNED_IN, handle="ana", invitation="x", **NEW
    )
    assert refused == "SIGN_UP_CLOSED"
    await root.done("adminSetSignUpPolicy", "policy", policy="OPEN")
    await server.registered("ana")


@pytest.mark.parametrize("policy", list(SignUpPolicy))
async def test_the_settings_say_who_may_register_at_first(migrated_sqlite_url, policy):
    async with running(migrated_sqlite_url, sign_up=policy) as server:
        told = (await server.person().ask(POLICY))["server"]["signUpPolicy"]
        assert told == policy.name
        errors = (await server.person().do("register", SIGNED_IN, handle="ana", **NEW))["errors"]
        codes = [error["code"] for error in errors]
        assert (
            codes
            == {
                SignUpPolicy.OPEN: [],
                SignUpPolicy.INVITATION: ["INVITATION_REQUIRED"],
                SignUpPolicy.CLOSED: ["SIGN_UP_CLOSED"],
            }[policy]
        )


async def test_an_invitation_lets_in_as_many_as_it_says(by_invitation):
    server, root = by_invitation
    refused = await server.person().refused("register", SIGNED_IN, handle="ana", **NEW)
    assert refused == "INVITATION_REQUIRED"
    _, token = await invitation(root, uses=2)
    payloads = await asyncio.gather(
        *(
            server.person().do("register", SIGNED_IN, handle=f"ana_{n}", invitation=token, **NEW)
            for n in range(4)
        )
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["INVITATION_REQUIRED"] * 2
    data = await root.ask("{ admin { invitations { uses } } }")
    assert data["admin"]["invitations"] == []


async def test_an_invitation_is_not_used_up_by_who_cannot_register(by_invitation):
    server, root = by_invitation
    _, token = await invitation(root)
    for change in ({"handle": "x"}, {"handle": "root"}, {"handle": "ana", "password": "short"}):
        await server.person().refused(
            "register", SIGNED_IN, **{**NEW, **change, "invitation": token}
        )
    await server.person().done("register", SIGNED_IN, handle="ana", invitation=token, **NEW)


async def test_an_invitation_for_an_address_is_good_for_that_alone(by_invitation):
    server, root = by_invitation
    _, token = await invitation(root, email="ana@example.org")
    for email in (None, "bob@example.org"):
        refused = await server.person().refused(
            "register", SIGNED_IN, handle="ana", invitation=token, email=email, **NEW
        )
        assert refused == "INVITATION_REQUIRED"
    await server.person().done(
        "register", SIGNED_IN, handle="ana", invitation=token, email="Ana@example.org", **NEW
    )


@pytest.mark.parametrize("how", ["revoked", "expired", "made up"])
async def test_an_invitation_that_is_no_good_any_more_lets_nobody_in(by_invitation, how):
    server, root = by_invitation
    id_, token = await invitation(root)
    if how == "revoked":
        await root.done("adminRevokeInvitation", "", invitationId=id_)
        assert await root.refused("adminRevokeInvitation", "", invitationId=id_) == "NOT_FOUND"
    elif how == "expired":
        async with server.program.services.db.writing() as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await connection.execute(stored.invitations.update().values(expires_at=past))
    else:
        token = token[:-1] + "\x00"
    refused = await server.person().refused(
        "register", SIGNED_IN, handle="ana", invitation=token, **NEW
    )
    assert refused == "INVITATION_REQUIRED"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"uses": 0}, ["uses"]),
        ({"uses": 10_001}, ["uses"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2999-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2027-01-01T00:00:00"}, ["expiresAt"]),
        ({"email": "nobody"}, ["email"]),
    ],
)
async def test_an_invitation_that_cannot_be_is_refused(sqlite_server, given, path):
    root = await administrator(sqlite_server)
    (error,) = (await root.do("adminCreateInvitation", "token", **given))["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", path)
    assert (await root.ask("{ admin { invitations { id } } }"))["admin"]["invitations"] == []


async def test_a_policy_that_does_not_exist_changes_nothing(sqlite_server):
    root = await administrator(sqlite_server)
    mutation = (
        "mutation($input: AdminSetSignUpPolicyInput!) "
        "{ adminSetSignUpPolicy(input: $input) { policy } }"
    )
    assert await code(root, mutation, input={"policy": "ANYBODY"}) == "BAD_REQUEST"
    assert (await root.ask(POLICY))["server"] == {"signUpPolicy": "OPEN"}
