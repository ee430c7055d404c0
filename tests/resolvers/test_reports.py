"""Reports: anybody tells, administrators alone read."""

import pytest

from resolvers.rates import Rate
from tests.parts.roles import administrator, code, guest, guest_link
from tests.parts.running import running

REPORTS = """
query($resolved: Boolean, $first: Int, $after: String) {
  admin { reports(resolved: $resolved, first: $first, after: $after) {
    nodes { id reason text note resolvedAt reporter { handle } subject { handle } }
    pageInfo { hasNextPage endCursor }
  } }
}
"""


async def test_a_report_is_read_and_closed_by_an_administrator(server):
    root, ana = await administrator(server), await server.registered("ana")
    bob = await server.registered("bob")
    _, token = await guest_link(ana, await ana.group("Picnic"))
    gast = await guest(server, token)
    await ana.done("reportUser", "", userId=bob.user_id, reason="SPAM", text="Buy!")
    await gast.done("reportUser", "", userId=ana.user_id, reason="OTHER")
    page = (await root.ask(REPORTS, first=1))["admin"]["reports"]
    (latest,) = page["nodes"]
    assert (latest["reporter"]["handle"], latest["text"]) == (gast.handle, None)
    rest = (await root.ask(REPORTS, after=page["pageInfo"]["endCursor"]))["admin"]["reports"]
    (first,) = rest["nodes"]
    assert (first["reason"], first["text"], first["subject"]) == ("SPAM", "Buy!", {"handle": "bob"})
    payload = await root.done(
        "adminResolveReport", "report { note resolvedAt }", reportId=first["id"], note="warned"
    )
    assert payload["report"]["note"] == "warned"
    assert payload["report"]["resolvedAt"] is not None
    for resolved, expected in ((True, ["SPAM"]), (False, ["OTHER"])):
        nodes = (await root.ask(REPORTS, resolved=resolved))["admin"]["reports"]["nodes"]
        assert [node["reason"] for node in nodes] == expected
    assert await root.refused("adminResolveReport", "", reportId=first["id"]) == "NOT_FOUND"


async def test_a_report_does_not_tell_whether_somebody_is_there_whom_one_may_not_see(server):
    ana, hider = await server.registered("ana"), await server.registered("hider")
    _, token = await guest_link(ana, await ana.group("Picnic"))
    gast = await guest(server, token)
    await hider.done("updateSettings", "", hides=True)
    for person in (ana, gast):
        given = {"userId": hider.user_id, "reason": "OTHER"}
        assert await person.refused("reportUser", "", **given) == "NOT_FOUND"
    await hider.group("Now they have met", ana)
    await ana.done("reportUser", "", userId=hider.user_id, reason="OTHER")


@pytest.mark.parametrize(
    ("change", "refusal", "path"),
    [
        ({"userId": "x"}, "INVALID_ID", ["userId"]),
        ({"userId": "dQAAAAAAAAAAAAAAAAAAAAA"}, "NOT_FOUND", ["userId"]),
        ({"userId": "$self"}, "INVALID_INPUT", ["userId"]),
        ({"text": "x" * 1001}, "TOO_LONG", ["text"]),
        ({"text": "a\x00"}, "INVALID_INPUT", ["text"]),
    ],
)
async def test_a_report_that_cannot_be_is_refused(sqlite_server, change, refusal, path):
    root, ana = await administrator(sqlite_server), await sqlite_server.registered("ana")
    if change.get("userId") == "$self":
        change = {"userId": ana.user_id}
    given = {"userId": root.user_id, "reason": "SPAM", **change}
    (error,) = (await ana.do("reportUser", "", **given))["errors"]
    assert (error["code"], error["path"]) == (refusal, path)
    assert (await root.ask(REPORTS))["admin"]["reports"]["nodes"] == []


async def test_nobody_floods_the_administrators(migrated_sqlite_url):
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        root, ana = await administrator(server), await server.registered("ana")
        allowed = Rate.REPORT.items[0].amount
        for _ in range(allowed):
            await ana.done("reportUser", "", userId=root.user_id, reason="SPAM")
        refused = await ana.refused("reportUser", "", userId=root.user_id, reason="SPAM")
        assert refused == "RATE_LIMITED"


async def test_who_is_not_signed_in_reports_nobody(sqlite_server):
    root = await administrator(sqlite_server)
    mutation = "mutation($i: ReportUserInput!) { reportUser(input: $i) { errors { code } } }"
    given = {"userId": root.user_id, "reason": "SPAM"}
    assert await code(sqlite_server.person(), mutation, i=given) == "UNAUTHENTICATED"
