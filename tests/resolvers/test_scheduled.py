"""Messages for later: sent once, in their order, when their time has come, or said why not."""

import asyncio
from datetime import datetime, timedelta, timezone
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models.errors import Overloaded, RateLimited
from models.messages import messages
from models.scheduled import scheduled_messages
from resolvers import scheduled as use_cases
from resolvers.services import utc_now
from server import worker
from tests.journeys.test_resume import cursor_of
from tests.parts.endings import erased
from tests.parts.roles import administrator

SHOWN = """id kind text pollOptions sendAt state failureCode failure clientMessageId
chatId chat { id } replyTo { text }"""
LISTED = f"{{ viewer {{ scheduledMessages {{ {SHOWN} }} }} }}"
ONE = f"scheduledMessage {{ {SHOWN} }}"
HISTORY = """query($id: ID!) { chat(id: $id) { messages { nodes {
  kind text clientMessageId sender { handle } replyTo { text } poll { options { text } }
} } } }"""
HEARD = """subscription($after: Cursor) { events(after: $after) {
  __typename
  ... on ScheduledMessagesChanged { chatId scheduledMessages { text state } }
  ... on MessageSent { message { text } }
} }"""


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("Talk", ben)


def ahead(**time):
    return (utc_now() + timedelta(**time)).isoformat()


async def schedule(person, chat_id, text="Later", **more):
    given = {"chatId": chat_id, "text": text, "sendAt": ahead(hours=1)}
    given = {**given, "clientMessageId": str(uuid4()), **more}
    return (await person.done("scheduleMessage", ONE, **given))["scheduledMessage"]


async def listed(person):
    return (await person.ask(LISTED))["viewer"]["scheduledMessages"]


async def history(person, chat_id):
    return (await person.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]


async def texts(person, chat_id):
    """Return what people wrote, without what the chat tells of who came and went."""
    found = await history(person, chat_id)
    return [message["text"] for message in found if message["kind"] != "SYSTEM"]


async def time_passes(server, hours=2):
    """Let what is scheduled be so much older."""
    table, by = scheduled_messages, timedelta(hours=hours)
    async with server.program.services.db.writing() as connection:
        for row in (await connection.execute(sa.select(table))).all():
            claimed = row.claimed_until and row.claimed_until - by
            change = {"send_at": row.send_at - by, "due_at": row.due_at - by}
            await connection.execute(
                table.update().where(table.c.id == row.id).values(**change, claimed_until=claimed)
            )


async def work(server):
    await worker.send_scheduled(server.program.services, server.settings)


async def test_a_message_is_sent_when_its_time_has_come_and_not_before(server, talk):
    ana, ben, chat_id = talk
    asked = await ben.send(chat_id, "Question?")
    waits = await schedule(ana, chat_id, "Answer", replyToId=asked["id"])
    assert waits["state"] == "WAITING"
    assert waits["replyTo"] == {"text": "Question?"}
    await work(server)
    assert await texts(ben, chat_id) == ["Question?"]
    assert waits["chatId"] == waits["chat"]["id"] == chat_id
    assert await listed(ana) == [waits]
    assert await listed(ben) == []
    await time_passes(server)
    await work(server)
    _, sent = await history(ben, chat_id)
    assert sent == {
        "kind": "TEXT",
        "text": "Answer",
        "clientMessageId": waits["clientMessageId"],
        "sender": {"handle": "ana"},
        "replyTo": {"text": "Question?"},
        "poll": None,
    }
    assert await listed(ana) == []


async def test_a_poll_waits_as_well(server, talk):
    ana, _, chat_id = talk
    poll = {"question": "Where to?", "options": ["North", "South"], "closesAt": ahead(days=1)}
    waits = await schedule(ana, chat_id, "", poll=poll)
    assert (waits["kind"], waits["pollOptions"]) == ("POLL", ["North", "South"])
    change = {"scheduledMessageId": waits["id"], "text": "Elsewhere?"}
    assert await ana.refused("updateScheduledMessage", "", **change) == "INVALID_INPUT"
    early = {"chatId": chat_id, "clientMessageId": str(uuid4()), "sendAt": ahead(days=2)}
    assert await ana.refused("scheduleMessage", "", **early, poll=poll) == "INVALID_INPUT"
    await time_passes(server)
    await work(server)
    (sent,) = await history(ana, chat_id)
    assert [option["text"] for option in sent["poll"]["options"]] == ["North", "South"]


async def test_what_is_due_is_sent_in_its_order_by_any_number_of_workers(server, talk):
    ana, ben, chat_id = talk
    other = await ana.group("Other")
    for n in (3, 1, 4, 2, 5):
        await schedule(ana, chat_id, f"{n}", sendAt=ahead(minutes=n))
        await schedule(ben, chat_id, f"ben {n}", sendAt=ahead(minutes=n))
        await schedule(ana, other, f"other {n}", sendAt=ahead(minutes=n))
    await time_passes(server)
    await asyncio.gather(*(work(server) for _ in range(4)))
    told = await texts(ana, chat_id)
    assert [text for text in told if "ben" not in text] == ["1", "2", "3", "4", "5"]
    assert [text for text in told if "ben" in text] == [f"ben {n}" for n in range(1, 6)]
    assert await texts(ana, other) == [f"other {n}" for n in range(1, 6)]


async def test_a_worker_that_dies_at_any_point_has_it_sent_once(server, talk, monkeypatch):
    ana, _, chat_id = talk
    await schedule(ana, chat_id, "one")
    await schedule(ana, chat_id, "two", sendAt=ahead(hours=1.5))
    await time_passes(server)
    whole = {name: getattr(use_cases, name) for name in ("_send", "_done")}

    class Killed(BaseException):
        pass

    async def killed(*_):
        raise Killed

    for name, work_of_it in whole.items():
        monkeypatch.setattr(use_cases, name, killed)
        with pytest.raises(Killed):
            await work(server)
        monkeypatch.setattr(use_cases, name, work_of_it)
        await work(server)  # somebody still seems to have it
        assert len(await texts(ana, chat_id)) == (name == "_done")
        await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == ["one", "two"]
    assert await listed(ana) == []


async def test_what_was_sent_by_a_worker_that_died_cannot_be_changed_any_more(
    server, talk, monkeypatch
):
    ana, _, chat_id = talk
    waits = await schedule(ana, chat_id, "one")
    await time_passes(server)
    whole = use_cases._done

    class Killed(BaseException):
        pass

    async def killed(*_):
        raise Killed

    monkeypatch.setattr(use_cases, "_done", killed)
    with pytest.raises(Killed):
        await work(server)
    monkeypatch.setattr(use_cases, "_done", whole)
    change = {"scheduledMessageId": waits["id"]}
    for _ in ("while it is held", "when the worker is given up"):
        assert await ana.refused("updateScheduledMessage", "", **change, text="x") == "CONFLICT"
        assert await ana.refused("cancelScheduledMessage", "", **change) == "CONFLICT"
        await time_passes(server)
    await work(server)
    assert (await texts(ana, chat_id), await listed(ana)) == (["one"], [])


async def test_it_is_changed_cancelled_and_sent_at_once(server, talk):
    ana, ben, chat_id = talk
    first, second, third = [await schedule(ana, chat_id, text) for text in ("a", "b", "c")]
    change = {"scheduledMessageId": first["id"], "text": "A", "sendAt": ahead(hours=10)}
    changed = (await ana.done("updateScheduledMessage", ONE, **change))["scheduledMessage"]
    assert changed["text"] == "A"
    cancel = {"scheduledMessageId": second["id"]}
    assert (await ana.done("cancelScheduledMessage", "cancelledId", **cancel))["cancelledId"]
    now = {"scheduledMessageId": third["id"]}
    payload = await ana.done("sendScheduledMessageNow", "message { text seq }", **now)
    assert payload["message"] == {"text": "c", "seq": 1}
    for mutation, given in (
        ("cancelScheduledMessage", cancel),
        ("sendScheduledMessageNow", now),
        ("updateScheduledMessage", now),
    ):
        assert await ana.refused(mutation, "", **given) == "NOT_FOUND"
        others = {"scheduledMessageId": first["id"]}
        assert await ben.refused(mutation, "", **others) == "NOT_FOUND"
    await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == ["c"]
    assert [each["text"] for each in await listed(ana)] == ["A"]


async def test_sending_it_at_once_and_a_worker_at_the_same_time_send_it_once(server, talk):
    ana, _, chat_id = talk
    waits = [await schedule(ana, chat_id, f"{n}") for n in range(6)]
    await time_passes(server)
    await asyncio.gather(
        work(server),
        *(ana.do("sendScheduledMessageNow", "", scheduledMessageId=each["id"]) for each in waits),
        work(server),
    )
    await work(server)
    assert sorted(await texts(ana, chat_id)) == [f"{n}" for n in range(6)]


async def test_the_devices_of_a_person_hear_of_every_change_and_nobody_else(server, talk):
    ana, ben, chat_id = talk
    after, bens = await cursor_of(ana), await cursor_of(ben)
    waits = await schedule(ana, chat_id, "one")
    await ana.done("updateScheduledMessage", "", scheduledMessageId=waits["id"], text="two")
    await time_passes(server)
    await work(server)
    async with ana.socket() as socket, ben.socket() as theirs:
        await socket.subscribe("events", HEARD, after=after)
        told = [await socket.next() for _ in range(4)]
        assert [event["__typename"] for event in told] == [
            "ScheduledMessagesChanged",
            "ScheduledMessagesChanged",
            "MessageSent",
            "ScheduledMessagesChanged",
        ]
        # What is told is how it is by now.
        assert told[0] == told[1] == told[3]
        assert (told[0]["chatId"], told[0]["scheduledMessages"]) == (chat_id, [])
        await theirs.subscribe("events", HEARD, after=bens)
        assert (await theirs.next())["__typename"] == "MessageSent"


async def test_what_cannot_be_sent_says_why_and_can_be_given_another_time(server, talk):
    ana, ben, chat_id = talk
    asked = await ana.send(chat_id, "Question?")
    waits = await schedule(ben, chat_id, "Answer", replyToId=asked["id"])
    last = await schedule(ben, chat_id, "Farewell", sendAt=ahead(hours=1.5))
    await ben.done("leaveChat", "", chatId=chat_id)
    after = await cursor_of(ben)
    await time_passes(server)
    await work(server)
    failed = await listed(ben)
    assert [(each["state"], each["failureCode"]) for each in failed] == [
        ("FAILED", "NOT_FOUND")
    ] * 2
    assert "chat" in failed[0]["failure"]
    assert (failed[0]["chatId"], failed[0]["chat"]) == (chat_id, None)
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        event = await socket.next()
        assert [each["state"] for each in event["scheduledMessages"]] == ["FAILED"] * 2
    now = {"scheduledMessageId": waits["id"]}
    assert await ben.refused("sendScheduledMessageNow", "", **now) == "NOT_FOUND"
    assert [each["state"] for each in await listed(ben)] == ["FAILED"] * 2
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    # What it answers is from before their time now.
    await ben.done("updateScheduledMessage", "", **now, sendAt=ahead(hours=1))
    await ben.done(
        "updateScheduledMessage", "", scheduledMessageId=last["id"], sendAt=ahead(hours=1)
    )
    await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == ["Question?", "Farewell"]
    assert [(each["text"], each["state"]) for each in await listed(ben)] == [("Answer", "FAILED")]


@pytest.mark.parametrize("refusal", [Overloaded(), RateLimited(retry_after=60), TimeoutError()])
async def test_what_the_server_cannot_send_just_now_waits_and_so_does_what_follows(
    server, talk, monkeypatch, refusal
):
    ana, _, chat_id = talk
    await schedule(ana, chat_id, "one")
    await schedule(ana, chat_id, "two", sendAt=ahead(hours=1.5))
    await time_passes(server)
    send = use_cases._send

    async def busy(*_, **__):
        raise refusal

    monkeypatch.setattr(use_cases, "_send", busy)
    await work(server)
    monkeypatch.setattr(use_cases, "_send", send)
    await work(server)
    assert await texts(ana, chat_id) == []
    assert [each["state"] for each in await listed(ana)] == ["WAITING"] * 2
    await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == ["one", "two"]


async def test_nothing_is_sent_in_the_name_of_whom_an_administrator_keeps_out(server, talk):
    ana, ben, chat_id = talk
    root = await administrator(server)
    await schedule(ben, chat_id, "Later")
    await root.done("adminSuspendUser", "__typename", userId=ben.user_id, reason="Spam")
    await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == []
    async with server.program.services.db.reading() as connection:
        (row,) = (await connection.execute(sa.select(scheduled_messages))).all()
    assert row.state == "failed"


async def test_a_retry_schedules_nothing_twice_and_another_message_is_a_conflict(server, talk):
    ana, _, chat_id = talk
    given = {"clientMessageId": str(uuid4()), "sendAt": ahead(hours=1)}
    first = await schedule(ana, chat_id, "Later", **given)
    assert await schedule(ana, chat_id, "Later", **given) == first
    other = {"chatId": chat_id, "text": "Other", **given}
    assert await ana.refused("scheduleMessage", "", **other) == "CONFLICT"
    sent = await ana.send(chat_id, "Now")
    used = {**other, "clientMessageId": sent["clientMessageId"]}
    assert await ana.refused("scheduleMessage", "", **used) == "CONFLICT"
    assert await listed(ana) == [first]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"sendAt": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", ["sendAt"]),
        ({"sendAt": "2999-01-01T00:00:00Z"}, "INVALID_INPUT", ["sendAt"]),
        ({"sendAt": "2999-01-01T00:00:00"}, "INVALID_INPUT", ["sendAt"]),
        ({"text": " "}, "INVALID_INPUT", ["text"]),
        ({"text": "x" * 10_001}, "TOO_LONG", ["text"]),
    ],
)
async def test_what_cannot_be_scheduled_is_refused(server, talk, change, code, path):
    ana, _, chat_id = talk
    given = {"chatId": chat_id, "text": "x", "sendAt": ahead(hours=1)}
    given = {**given, "clientMessageId": str(uuid4()), **change}
    payload = await ana.do("scheduleMessage", "", **given)
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [(code, path)]
    waits = await schedule(ana, chat_id)
    update = {"scheduledMessageId": waits["id"], **change}
    assert await ana.refused("updateScheduledMessage", "", **update) == code
    assert await listed(ana) == [waits]


async def test_a_moment_is_the_same_in_every_time_zone(talk):
    ana, _, chat_id = talk
    moment = (utc_now() + timedelta(days=100)).replace(microsecond=0)
    for hours in (-9, 0, 1, 2):
        there = moment.astimezone(timezone(timedelta(hours=hours)))
        waits = await schedule(ana, chat_id, sendAt=there.isoformat())
        assert datetime.fromisoformat(waits["sendAt"]) == moment
        assert waits["sendAt"].startswith(moment.strftime("%Y-%m-%dT%H:%M:%S"))


async def test_only_so_many_wait(talk, monkeypatch):
    ana, _, chat_id = talk
    monkeypatch.setattr(use_cases, "MAX_SCHEDULED", 2)
    waits = [await schedule(ana, chat_id) for _ in range(2)]
    given = {"chatId": chat_id, "text": "x", "clientMessageId": str(uuid4())}
    given["sendAt"] = ahead(hours=1)
    assert await ana.refused("scheduleMessage", "", **given) == "CONFLICT"
    await ana.done("cancelScheduledMessage", "", scheduledMessageId=waits[0]["id"])
    await ana.done("scheduleMessage", "", **given)


async def test_what_waits_goes_with_the_account(server, talk):
    ana, ben, chat_id = talk
    await schedule(ben, chat_id, "Later")
    await erased(server, ben)
    await time_passes(server)
    await work(server)
    assert await texts(ana, chat_id) == []
    async with server.program.services.db.reading() as connection:
        assert (await connection.execute(sa.select(scheduled_messages))).all() == []
        stored = (await connection.execute(sa.select(messages.c.kind))).scalars().all()
        assert stored == ["system"]  # that they left
