"""The command line of administrators: who they are, invitations, the audit log."""

import re

from tests.parts.hubbub import run_hubbub
from tests.parts.people import PASSWORD, SIGNED_IN
from tests.parts.roles import administrator, guest, guest_link
from tests.parts.running import running
from tests.server.test_commands import failed


async def test_administrators_are_listed(migrated_database_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_database_url}
    assert "hubbub admin create" in run_hubbub("admin", "list", **given).stdout
    async with running(migrated_database_url) as server:
        root = await administrator(server)
        other = await administrator(server, "second")
        await server.registered("ana")
        assert run_hubbub("admin", "list", **given).stdout == "root    Root\nsecond  Second\n"
        await root.done("adminSuspendUser", "", userId=other.user_id, reason="left")
        assert run_hubbub("admin", "list", **given).stdout == "root  Root\n"


async def test_an_invitation_is_made_and_good(migrated_database_url, tmp_path):
    given = {"directory": tmp_path, "HUBBUB_DATABASE_URL": migrated_database_url}
    said = run_hubbub("admin", "invite", "--uses", "2", **given).stdout
    assert "Sign-up is open now" in said
    async with running(migrated_database_url) as server:
        root = await administrator(server)
        await root.done("adminSetSignUpPolicy", "", policy="INVITATION")
        said = run_hubbub("admin", "invite", "--email", "ana@example.org", **given).stdout
        assert "Good for 1 until" in said
        assert "for ana@example.org" in said
        token = re.search(r"^\S{40,}$", said, re.MULTILINE).group()
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
    given = {
        "directory": tmp_path,
        "HUBBUB_DATABASE_URL": migrated_database_url,
        "COLUMNS": "160",
    }
    assert run_hubbub("audit", **given).stdout.strip() == "Nothing is in the audit log."
    async with running(migrated_database_url) as server:
        root, ana = await administrator(server), await server.registered("ana")
        bob = await server.registered("bob")
        _, token = await guest_link(ana, await ana.group("Picnic"))
        await guest(server, token)
        await ana.done("reportUser", "", userId=bob.user_id, reason="SPAM", text="a secret")
        await root.done("adminSuspendUser", "", userId=bob.user_id, reason="a secret")
        printed = run_hubbub("audit", **given).stdout
        rows = [line.split("  ") for line in printed.splitlines() if re.match(r"\s*20\d\d-", line)]
        told = [next(cell.strip() for cell in row[2:] if cell.strip()) for row in rows]
        assert told[0] == "administrator created"
        assert told[-1] == "user suspended"
        assert "a secret" not in printed
        assert token not in printed
        of_bob = run_hubbub("audit", "--person", "Bob", **given).stdout
        assert "user reported" in of_bob
        assert "guest joined" not in of_bob
        newest = run_hubbub("audit", "--last", "1", **given).stdout
        assert "user suspended" in newest
        assert "user reported" not in newest
    assert "Nobody here is called eve" in failed("audit", "--person", "eve", **given)
