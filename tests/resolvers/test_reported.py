"""Reports of messages and chats: what is kept of them, and what administrators do about it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models import messages as stored_messages
from models import reports as stored
from models.audit import Act, audit_log
from resolvers import evidence, reports
from server import worker
from tests.parts.roles import administrator, guest, guest_link
from tests.resolvers.test_bans import LOG

REPORTS = """{ admin { reports { nodes { id kind reason text action messageId
  subject { handle } reporter { handle }
  evidence { kind title memberCount chatId messages { id seq text editedAt sender { handle } } }
} } } }"""
HISTORY = """query($id: ID!) { chat(id: $id) { memberCount
  messages { nodes { seq text deletedAt } } } }"""


@pytest.fixture
async def group(server):
    root = await administrator(server)
    ana, bob = await server.registered("ana"), await server.registered("bob")
    return server, root, ana, bob, await ana.group("Picnic", bob)


async def reported(root):
    return (await root.ask(REPORTS))["admin"]["reports"]["nodes"]


async def test_what_was_said_is_kept_though_it_is_deleted(group):
    _server, root, ana, bob, chat_id = group
    ids = [(await bob.send(chat_id, f"message {number}"))["id"] for number in range(1, 9)]
    await ana.done("reportMessage", "", messageId=ids[4], reason="HARASSMENT", text="Look")
    await bob.done("editMessage", "", messageId=ids[4], text="harmless")
    await bob.done("deleteMessage", "", messageId=ids[4])
    (report,) = await reported(root)
    assert (report["kind"], report["reason"], report["text"]) == ("MESSAGE", "HARASSMENT", "Look")
    assert (report["subject"], report["reporter"]) == ({"handle": "bob"}, {"handle": "ana"})
    assert (report["messageId"], report["action"]) == (ids[4], None)
    kept = report["evidence"]
    assert (kept["kind"], kept["title"], kept["memberCount"]) == ("GROUP", "Picnic", 2)
    assert kept["chatId"] == chat_id
    around = range(5 - evidence.BEFORE, 5 + evidence.AFTER + 1)
    assert [(each["seq"], each["text"]) for each in kept["messages"]] == [
        (seq, f"message {seq}") for seq in around
    ]
    assert {each["sender"]["handle"] for each in kept["messages"]} == {"bob"}


async def test_nothing_is_kept_that_the_reporter_may_not_read(group):
    server, root, ana, bob, chat_id = group
    await bob.send(chat_id, "before")
    cleo = await server.registered("cleo")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cleo.user_id])
    deleted = await bob.send(chat_id, "deleted")
    await bob.done("deleteMessage", "", messageId=deleted["id"])
    message = await bob.send(chat_id, "x" * 5000)
    last = await bob.send(chat_id, "y" * 5000)
    async with server.program.services.db.writing() as connection:
        table = stored_messages.messages
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(
            table.update().where(table.c.seq == last["seq"]).values(expires_at=past)
        )
    await cleo.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    (report,) = await reported(root)
    assert [each["text"] for each in report["evidence"]["messages"]] == ["x" * 5000]
    expired = {"messageId": last["id"], "reason": "SPAM"}
    assert await cleo.refused("reportMessage", "", **expired) == "NOT_FOUND"
    gone = {"messageId": deleted["id"], "reason": "SPAM"}
    assert await cleo.refused("reportMessage", "", **gone) == "NOT_FOUND"


async def test_of_messages_around_the_reported_one_the_beginning_is_kept(group):
    _server, root, ana, bob, chat_id = group
    await bob.send(chat_id, "x" * 5000)
    message = await bob.send(chat_id, "y" * 5000)
    await ana.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    (report,) = await reported(root)
    lengths = [len(each["text"]) for each in report["evidence"]["messages"]]
    assert lengths == [evidence.MAX_AROUND, 5000]


async def test_a_chat_is_reported_with_who_answers_for_it(group):
    server, root, ana, bob, chat_id = group
    cleo = await server.registered("cleo")
    payload = await cleo.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bob.user_id])
    await bob.done("reportChat", "", chatId=chat_id, reason="ILLEGAL")
    await bob.done("reportChat", "", chatId=payload["chat"]["id"], reason="SPAM")
    latest, first = await reported(root)
    assert (first["kind"], first["subject"], first["messageId"]) == (
        "CHAT",
        {"handle": "ana"},
        None,
    )
    assert first["evidence"]["messages"] == []
    assert latest["subject"] == {"handle": "cleo"}
    given = {"chatId": chat_id, "reason": "SPAM"}
    assert await ana.refused("reportChat", "", **given) == "INVALID_INPUT"
    assert await cleo.refused("reportChat", "", **given) == "NOT_FOUND"


async def test_who_comes_as_a_guest_may_report_too(group):
    server, root, ana, bob, chat_id = group
    _, token = await guest_link(ana, chat_id)
    visitor = await guest(server, token)
    message = await bob.send(chat_id, "Buy!")
    await visitor.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    (report,) = await reported(root)
    assert report["reporter"]["handle"] == visitor.handle


async def acts(server):
    async with server.program.services.db.reading() as connection:
        found = await connection.execute(sa.select(audit_log.c.act).order_by(audit_log.c.id))
        return found.scalars().all()


async def test_an_administrator_deletes_what_was_reported_and_is_not_named(group):
    server, root, ana, bob, chat_id = group
    message = await bob.send(chat_id, "Buy!")
    await ana.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    (report,) = await reported(root)
    async with ana.listening() as socket:
        payload = await root.done(
            "adminResolveReport",
            "report { action resolvedAt evidence { messages { text } } }",
            reportId=report["id"],
            action="DELETE_MESSAGE",
        )
        event = await socket.next()
        assert (event["__typename"], event["messageSeq"], event["actor"]) == (
            "MessageDeleted",
            1,
            None,
        )
    assert payload["report"]["action"] == "DELETE_MESSAGE"
    assert payload["report"]["evidence"]["messages"] == [{"text": "Buy!"}]
    (shown,) = (await ana.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]
    assert (shown["text"], shown["deletedAt"] is None) == ("", False)
    assert (await acts(server))[-2:] == [Act.MESSAGE_DELETED_BY_ADMINISTRATOR, Act.REPORT_RESOLVED]


async def test_an_administrator_deletes_what_is_deleted_already(group):
    _server, root, ana, bob, chat_id = group
    message = await bob.send(chat_id, "Buy!")
    await ana.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    await bob.done("deleteMessage", "", messageId=message["id"])
    (report,) = await reported(root)
    given = {"reportId": report["id"], "action": "DELETE_MESSAGE"}
    await root.done("adminResolveReport", "report { id }", **given)


async def test_an_administrator_takes_somebody_out_of_a_chat_and_an_owner_has_an_heir(group):
    server, root, ana, bob, chat_id = group
    await bob.done("reportChat", "", chatId=chat_id, reason="ILLEGAL")
    (report,) = await reported(root)
    given = {"reportId": report["id"], "action": "REMOVE_FROM_CHAT"}
    await root.done("adminResolveReport", "report { id }", **given)
    assert (await ana.ask(HISTORY, id=chat_id))["chat"] is None
    query = "query($id: ID!) { chat(id: $id) { memberCount viewerMembership { role } } }"
    assert (await bob.ask(query, id=chat_id))["chat"] == {
        "memberCount": 1,
        "viewerMembership": {"role": "OWNER"},
    }
    assert Act.MEMBER_REMOVED_BY_ADMINISTRATOR in await acts(server)
    entries = (await bob.ask(LOG, id=chat_id))["chat"]["auditLog"]["nodes"]
    removed, passed_on = entries
    assert (removed["act"], removed["actor"], removed["subject"]) == (
        "MEMBER_REMOVED",
        None,
        {"handle": "ana"},
    )
    assert (passed_on["act"], passed_on["subject"]) == ("OWNERSHIP_TRANSFERRED", {"handle": "bob"})
    assert await root.refused("adminResolveReport", "", **given) == "NOT_FOUND"


async def test_an_action_that_does_not_fit_closes_nothing(group):
    _server, root, ana, bob, _chat_id = group
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bob.user_id])
    message = await bob.send(payload["chat"]["id"], "Buy!")
    await ana.done("reportUser", "", userId=bob.user_id, reason="SPAM")
    await ana.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    of_message, of_user = await reported(root)
    for report, action in (
        (of_user, "DELETE_MESSAGE"),
        (of_user, "REMOVE_FROM_CHAT"),
        (of_message, "REMOVE_FROM_CHAT"),
    ):
        given = {"reportId": report["id"], "action": action}
        (error,) = (await root.do("adminResolveReport", "", **given))["errors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["action"])
    assert {each["action"] for each in await reported(root)} == {None}


async def test_a_closed_report_goes_with_what_was_kept_after_half_a_year(group):
    server, root, ana, bob, chat_id = group
    for text in ("one", "two", "three"):
        message = await bob.send(chat_id, text)
        await ana.done("reportMessage", "", messageId=message["id"], reason="SPAM")
    third, second, _first = await reported(root)
    for report in (second, third):
        await root.done("adminResolveReport", "", reportId=report["id"])
    services = server.program.services
    table = stored.reports
    async with services.db.writing() as connection:
        long_ago = datetime.now(UTC) - reports.KEPT_FOR
        await connection.execute(
            table.update().where(table.c.message_seq == 2).values(resolved_at=long_ago)
        )
        # One that is open is kept, however old.
        await connection.execute(
            table.update().where(table.c.message_seq == 1).values(created_at=long_ago)
        )
    await worker.prune_reports(services, server.settings)
    left = [report["evidence"]["messages"][-1]["seq"] for report in await reported(root)]
    assert len(left) == 2
    assert {report["messageId"] for report in await reported(root)} == {
        third["messageId"],
        _first["messageId"],
    }


async def test_nobody_reports_their_own_message_or_one_that_is_not_theirs_to_read(group):
    server, root, ana, bob, chat_id = group
    message = await bob.send(chat_id, "mine")
    eve = await server.registered("eve")
    given = {"messageId": message["id"], "reason": "SPAM"}
    assert await bob.refused("reportMessage", "", **given) == "INVALID_INPUT"
    assert await eve.refused("reportMessage", "", **given) == "NOT_FOUND"
    too_long = {**given, "text": "x" * 1001}
    assert await ana.refused("reportMessage", "", **too_long) == "TOO_LONG"
    assert await ana.refused("reportMessage", "", messageId="x", reason="SPAM") == "INVALID_ID"
    assert await reported(root) == []


async def test_administrators_see_the_answers_of_a_poll_that_was_reported(group):
    _, root, ana, bob, chat_id = group
    poll = {"question": "Who?", "options": ["something vile about ana", "no"]}
    given = {"chatId": chat_id, "clientMessageId": str(uuid4())}
    payload = await bob.done("sendMessage", "message { id }", **given, poll=poll)
    message_id = payload["message"]["id"]
    await bob.send(chat_id, "Well?")
    await ana.done("reportMessage", "", messageId=message_id, reason="HARASSMENT")
    await bob.done("deleteMessage", "", messageId=message_id)
    shown = await root.ask(
        "{ admin { reports { nodes { evidence { messages { poll { question options { text } } } } "
        "} } } }"
    )
    (report,) = shown["admin"]["reports"]["nodes"]
    asked = {"question": "Who?", "options": [{"text": text} for text in poll["options"]]}
    assert report["evidence"]["messages"] == [{"poll": asked}, {"poll": None}]
