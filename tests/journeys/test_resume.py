"""Subscriptions that resume: what was missed arrives once and in order, then what happens."""

import asyncio
import contextlib
import random
from typing import Any

import pytest

from models import log_state
from models.base import new_key
from models.database import Database
from tests.parts.people import Person, until_subscribed
from tests.parts.running import running

RESUMABLE = """
subscription Events($after: Cursor, $chatIds: [ID!]) {
  events(after: $after, chatIds: $chatIds) {
    __typename cursor seq chat { id }
    ... on MessageSent { message { seq text } }
    ... on MessageEdited { message { seq text } }
    ... on MemberLeft { membership { user { handle } } }
    ... on ResyncRequired { reason }
  }
}
"""


async def cursor_of(person: Person) -> str:
    cursor: str = (await person.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
    return cursor


async def hear(person: Person, after, count, **variables):
    """Subscribe from a cursor and return that many events; then the socket is gone."""
    async with person.socket() as socket:
        await socket.subscribe("events", RESUMABLE, after=after, **variables)
        return [await socket.next() for _ in range(count)]


def texts(events):
    return [event["message"]["text"] for event in events if "message" in event]


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("Talk", ben)


async def test_what_was_missed_arrives_then_what_happens(talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ben)
    for n in range(3):
        await ana.send(chat_id, f"missed {n}")
    async with ben.socket() as socket:
        await socket.subscribe("events", RESUMABLE, after=after)
        assert texts([await socket.next() for _ in range(3)]) == [
            "missed 0",
            "missed 1",
            "missed 2",
        ]
        await ana.send(chat_id, "live")
        assert texts([await socket.next()]) == ["live"]


async def test_a_subscriber_cut_off_after_any_event_goes_on_right_there(talk):
    ana, ben, chat_id = talk
    other_id = await ana.group("Other", ben)
    start = await cursor_of(ben)
    for n in range(6):
        await ana.send([chat_id, other_id][n % 2], str(n))
    whole = await hear(ben, start, 6)
    assert texts(whole) == list("012345")
    for n, event in enumerate(whole[:-1]):
        assert texts(await hear(ben, event["cursor"], 5 - n)) == list("012345")[n + 1 :]


async def test_cursors_of_live_events_resume_too_inside_and_after_a_batch(talk):
    ana, ben, chat_id = talk
    async with ben.listening() as socket:
        await socket.send(id="events", type="complete")
        await socket.subscribe("live", RESUMABLE)
        await until_subscribed(ben.url, 1)
        await asyncio.gather(*(ana.send(chat_id, str(n)) for n in range(12)))
        live = [await socket.next("live") for _ in range(12)]
    await ana.send(chat_id, "last")
    said = [*texts(live), "last"]
    assert [event["message"]["seq"] for event in live] == list(range(1, 13))
    for n, event in enumerate(live):
        assert texts(await hear(ben, event["cursor"], 12 - n)) == said[n + 1 :]


async def test_the_viewers_cursor_belongs_to_the_state_fetched_with_it(talk):
    ana, ben, chat_id = talk
    query = "query($id: ID!) { chat(id: $id) { lastMessage { seq } } viewer { cursor } }"
    await ana.send(chat_id, "first")
    sending = asyncio.create_task(send_on(ana, chat_id))
    for _ in range(8):
        data = await ben.ask(query, id=chat_id)
        known = data["chat"]["lastMessage"]["seq"]
        following = await hear(ben, data["viewer"]["cursor"], 2)
        # The state may be newer than the cursor, never older: applied to it, nothing is missing.
        assert following[0]["message"]["seq"] <= known + 1
        seqs = [event["message"]["seq"] for event in following]
        assert seqs == [seqs[0], seqs[0] + 1]
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def send_on(person, chat_id):
    while True:
        await person.send(chat_id, "and on")


async def test_a_subscriber_cut_off_at_random_hears_everything_once_and_in_order(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chats = [await ana.group(str(n), ben, cyd) for n in range(3)]
    cursor = await cursor_of(cyd)
    rng = random.Random(7)
    total = 60

    async def talk(person):
        for n in range(total // 2):
            await person.send(chats[n % 3], f"{person.handle} {n}")

    talking = asyncio.gather(talk(ana), talk(ben))
    heard: list[Any] = []
    while len(heard) < total:
        async with cyd.socket() as socket:
            await socket.subscribe("events", RESUMABLE, after=cursor)
            for _ in range(min(rng.randint(1, 9), total - len(heard))):
                event = await socket.next()
                heard.append(event)
                cursor = event["cursor"]
    await talking
    assert len({(event["chat"]["id"], event["seq"]) for event in heard}) == total
    for chat_id in chats:
        seqs = [event["seq"] for event in heard if event["chat"]["id"] == chat_id]
        assert seqs == list(range(2, 2 + total // 3))


async def test_what_was_edited_meanwhile_arrives_as_it_is_now(talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ben)
    message = await ana.send(chat_id, "draft")
    await ana.done("editMessage", "message { id }", messageId=message["id"], text="final")
    gone = await ana.send(chat_id, "regretted")
    await ana.done("deleteMessage", "", messageId=gone["id"])
    events = await hear(ben, after, 4)
    assert [event["__typename"] for event in events] == [
        "MessageSent",
        "MessageEdited",
        "MessageSent",
        "MessageDeleted",
    ]
    assert texts(events) == ["final", "final", ""]


async def test_nothing_from_before_joining_or_after_leaving_is_told(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk")
    after = await cursor_of(ben)
    await ana.send(chat_id, "before")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    await ana.send(chat_id, "during")
    await ben.done("leaveChat", "", chatId=chat_id)
    await ana.send(chat_id, "between")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    await ana.send(chat_id, "again")
    events = await hear(ben, after, 7)
    assert [event["__typename"] for event in events] == [
        "MemberJoined",
        "MessageSent",
        "MessageSent",
        "MemberLeft",
        "MemberJoined",
        "MessageSent",
        "MessageSent",
    ]
    # The history tells as well that he was added.
    assert texts(events) == ["", "during", "", "again"]


async def test_a_cursor_of_some_chats_serves_those_and_one_of_all_serves_any(talk):
    ana, ben, chat_id = talk
    other_id = await ana.group("Other", ben)
    start = await cursor_of(ben)
    await ana.send(chat_id, "here")
    await ana.send(other_id, "there")
    (event,) = await hear(ben, start, 1, chatIds=[other_id])
    assert texts([event]) == ["there"]
    await ana.send(other_id, "more")
    assert texts(await hear(ben, event["cursor"], 1, chatIds=[other_id])) == ["more"]
    for scope in ({}, {"chatIds": [chat_id]}):
        assert await refused(ben, event["cursor"], **scope) == "INVALID_CURSOR"


@pytest.mark.parametrize("change", ["", "x", "flip", "cut", "=", "1" * 5000])
async def test_a_cursor_that_is_not_ours_is_refused(sqlite_server, change):
    ana = await sqlite_server.registered("ana")
    good = await cursor_of(ana)
    bad = {"flip": good[:-1] + ("A" if good[-1] != "A" else "B"), "cut": good[:-4]}
    assert await refused(ana, bad.get(change, change)) == "INVALID_CURSOR"


async def refused(person, after, **variables):
    async with person.socket() as socket:
        await socket.subscribe("events", RESUMABLE, after=after, **variables)
        message = await socket.receive()
        assert message["type"] == "error", message
        return message["payload"][0]["extensions"]["code"]


async def test_a_cursor_of_another_log_asks_to_fetch_afresh(migrated_database_url):
    async with running(migrated_database_url) as server:
        ana = await server.registered("ana")
        after = await cursor_of(ana)
    db = Database(migrated_database_url)
    async with db.writing() as connection:
        await connection.execute(log_state.log_state.update().values(epoch=new_key()))
    await db.close()
    async with running(migrated_database_url) as server:
        ana = server.person()
        await ana.log_in("ana")
        (event,) = await hear(ana, after, 1)
        assert (event["__typename"], event["reason"]) == ("ResyncRequired", "LOG_REPLACED")


async def test_a_cursor_from_before_what_was_pruned_asks_to_fetch_afresh(server):
    ana = await server.registered("ana")
    after = await cursor_of(ana)
    chat_id = await ana.group("Talk")
    async with server.program.services.db.writing() as connection:
        await log_state.raise_floor(connection, 10**15)
    (event,) = await hear(ana, after, 1)
    assert (event["__typename"], event["reason"]) == ("ResyncRequired", "EXPIRED")
    assert chat_id


async def test_somebody_idle_gets_a_fresh_cursor_now_and_then(server, monkeypatch):
    monkeypatch.setattr("realtime.hub.IDLE", 0.05)
    ana = await server.registered("ana")
    async with ana.socket() as socket:
        await socket.subscribe("events", RESUMABLE)
        idle = await socket.next()
        assert (idle["__typename"], idle["chat"]) == ("CursorAdvanced", None)
    chat_id = await ana.group("Talk")
    monkeypatch.undo()
    (event,) = await hear(ana, idle["cursor"], 1)
    assert (event["__typename"], event["chat"]["id"]) == ("ChatCreated", chat_id)


async def test_a_cursor_outlives_a_restart_of_the_server(migrated_database_url):
    async with running(migrated_database_url) as server:
        ana = await server.registered("ana")
        after = await cursor_of(ana)
        chat_id = await ana.group("Talk")
        await ana.send(chat_id, "before the restart")
    async with running(migrated_database_url) as server:
        ana = server.person()
        await ana.log_in("ana")
        await ana.send(chat_id, "after it")
        events = await hear(ana, after, 4)
        assert [event["__typename"] for event in events] == [
            "ChatCreated",
            "MessageSent",
            "SessionStarted",
            "MessageSent",
        ]
        assert texts(events) == ["before the restart", "after it"]


async def test_a_page_and_more_that_was_missed_arrives_complete(talk, monkeypatch):
    monkeypatch.setattr("realtime.feed.PAGE", 7)
    ana, ben, chat_id = talk
    other_id = await ana.group("Other", ben)
    after = await cursor_of(ben)
    await asyncio.gather(*(ana.send([chat_id, other_id][n % 2], str(n)) for n in range(40)))
    events = await hear(ben, after, 40)
    for each in (chat_id, other_id):
        seqs = [event["seq"] for event in events if event["chat"]["id"] == each]
        assert seqs == list(range(2, 22))
    middle = await hear(ben, events[16]["cursor"], 23)
    assert middle == events[17:]


async def test_pages_of_two_stays_tell_nothing_of_the_time_between_them(server, monkeypatch):
    monkeypatch.setattr("realtime.feed.PAGE", 3)
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    after = await cursor_of(ben)
    for n in range(7):
        await ana.send(chat_id, f"first stay {n}")
    await ben.done("leaveChat", "", chatId=chat_id)
    for n in range(7):
        await ana.send(chat_id, f"away {n}")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    for n in range(7):
        await ana.send(chat_id, f"second stay {n}")
    events = await hear(ben, after, 17)
    # While he was away: that he left, and seven messages.
    assert [event["seq"] for event in events] == [*range(2, 10), *range(18, 27)]
    assert [text for text in texts(events) if text.startswith("away")] == []


async def herd(person, after, count):
    """Resume on several sockets at once; return the refusals, once all the rest have caught up."""
    refusals, sockets = [], count // 20

    async def hear(socket):
        for n in range(20):
            await socket.subscribe(f"events {n}", RESUMABLE, after=after)
        heard = dict.fromkeys(range(20), 0)
        while heard:
            message = await socket.receive()
            n = int(message["id"].split()[1])
            if message["type"] == "error":
                refusals.append(message["payload"][0]["extensions"]["code"])
                del heard[n]
                continue
            heard[n] += 1
            assert message["payload"]["data"]["events"]["seq"] == heard[n] + 1
            if heard[n] == 10:
                del heard[n]

    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(person.socket()) for _ in range(sockets)]
        await asyncio.gather(*map(hear, opened))
    return refusals


@pytest.mark.parametrize("may_wait", [1000, 3])
async def test_a_herd_that_comes_back_catches_up_or_is_asked_to_come_later(
    migrated_database_url, monkeypatch, may_wait
):
    monkeypatch.setattr("realtime.feed.READING", 2)
    monkeypatch.setattr("realtime.feed.MAY_WAIT", may_wait)
    async with running(migrated_database_url) as server:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        chat_id = await ana.group("Talk", ben)
        after = await cursor_of(ben)
        for n in range(10):
            await ana.send(chat_id, str(n))
        refusals = await herd(ben, after, 100)
        assert set(refusals) <= {"OVERLOADED"}
        assert bool(refusals) == (may_wait == 3)
        assert texts(await hear(ben, after, 10)) == list("0123456789")
