"""The command line of administrators: who they are, invitations, the audit log."""

import asyncio
import re

import pytest

from tests.parts.hubbub import run_hubbub
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.roles import administrator, guest, guest_link
from tests.parts.running import running
from tests.server.test_commands import failed

pytestmark = pytest.mark.timeout(180)  # every command starts Python anew


async def said(*arguments, **given):
    """Run a command, beside a server in this very loop perhaps, and return what it printed."""
    return (await asyncio.to_thread(run_hubbub, *arguments, **given)).stdout


async def test_administrators_are_listed(migrated_database_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_database_url}
    assert "hubbub admin create" in await said("admin", "list", **given)
    async with running(migrated_database_url) as server:
        root = await administrator(server)
        other = await administrator(server, "second")
        await server.registered("ana")
        assert await said("admin", "list", **given) == "root    Root\nsecond  Second\n"
        await root.done("adminSuspendUser", "", userId=other.user_id, reason="left")
        assert await said("admin", "list", **given) == "root  Root\n"


async def test_an_invitation_is_made_and_good(migrated_database_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_database_url}
    printed = await said("admin", "invite", "--uses", "2", **given)
    assert "Sign-up is open now" in printed
    async with running(migrated_database_url) as server:
        root = await administrator(server)
        await root.done("adminSetSignUpPolicy", "", policy="INVITATION")
        printed = await said("admin", "invite", "--email", "ana@example.org", **given)
        assert "Good for 1 until" in printed
        assert "for ana@example.org" in printed
        (token,) = re.findall(r"^\S{40,}$", printed, re.MULTILINE)
        await server.person().done(
            "register",
            SIGNED_IN,
            handle="ana",
            password=PASSWORD,
            displayName="Ana",
            email="ana@example.org",
            invitation=token,
        )


def test_an_invitation_that_cannot_be_is_a_sentence(migrated_sqlite_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_sqlite_url}
    assert "1 to 10000" in failed("admin", "invite", "--uses", "0", **given)
    assert "not an e-mail" in failed("admin", "invite", "--email", "nobody", **given)


async def test_the_audit_log_is_printed_the_newest_last(migrated_database_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_database_url}
    async with running(migrated_database_url) as server:
        root, ana = await administrator(server), await server.registered("ana")
        bob = await server.registered("bob")
        _, token = await guest_link(ana, await ana.group("Picnic"))
        await guest(server, token)
        await ana.done("reportUser", "", userId=bob.user_id, reason="SPAM", text="a secret")
        await root.done("adminSuspendUser", "", userId=bob.user_id, reason="a secret")
    printed = await said("audit", **given)
    rows = re.findall(r"^ *20[\d-]+ [\d:]+ +(\S+) +(\w+( \w+)*)", printed, re.MULTILINE)
    told = [(who, what) for who, what, _ in rows]
    assert told[0] == ("–", "administrator created")
    assert told[-1] == ("root", "user suspended")
    assert "a secret" not in printed
    assert token not in printed
    of_bob = await said("audit", "--person", "Bob", "--last", "2", **given)
    assert "user suspended" in of_bob
    assert "user reported" in of_bob
    assert len(re.findall("20..-", of_bob)) == 2
    assert "Nobody here is called eve" in failed("audit", "--person", "eve", **given)
