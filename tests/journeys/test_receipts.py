"""Receipts: how far people have got, told live and after an absence; the latest wins."""

import asyncio

import pytest

from tests.journeys.test_resume import cursor_of
from tests.parts.people import until_subscribed

HEARD = """
subscription Events($after: Cursor, $chatIds: [ID!]) {
  events(after: $after, chatIds: $chatIds) {
    __typename cursor seq chat { id }
    ... on ReceiptsAdvanced { user { handle } deliveredSeq readSeq }
    ... on MessageSent { message { seq } }
  }
}
"""
POINTERS = """
query ($id: ID!) { chat(id: $id) {
  viewerMembership { deliveredSeq readSeq unreadCount }
  members { nodes { user { handle } deliveredSeq readSeq unreadCount } }
} }
"""


@pytest.fixture
async def talk(server):
    """Ana and Ben in a group with three messages of Ana's."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    for n in range(3):
        await ana.send(chat_id, f"message {n}")
    return ana, ben, chat_id


async def mark(person, what, chat_id, seq):
    return await person.done(f"mark{what}", "chat { id }", chatId=chat_id, seq=seq)


async def pointers(person, chat_id):
    """Return everybody's delivered and read pointer, as somebody sees them."""
    chat = (await person.ask(POINTERS, id=chat_id))["chat"]
    return {
        node["user"]["handle"]: (node["deliveredSeq"], node["readSeq"])
        for node in chat["members"]["nodes"]
    }


async def receipt(socket):
    """Return the next receipt as (who, delivered, read)."""
    event = await socket.next()
    assert event["__typename"] == "ReceiptsAdvanced", event
    assert event["seq"] is None
    return event["user"]["handle"], event["deliveredSeq"], event["readSeq"]


async def test_everybody_in_a_small_chat_hears_how_far_others_got(talk):
    ana, ben, chat_id = talk
    async with ana.socket() as hers, ben.socket() as his:
        await hers.subscribe("events", HEARD)
        await his.subscribe("events", HEARD)
        await until_subscribed(ana.url, 2)
        await mark(ben, "Delivered", chat_id, 3)
        assert await receipt(hers) == await receipt(his) == ("ben", 3, 0)
        await mark(ben, "Read", chat_id, 2)
        assert await receipt(hers) == await receipt(his) == ("ben", 3, 2)
    assert await pointers(ana, chat_id) == {"ana": (3, 3), "ben": (3, 2)}


async def test_pointers_never_go_back_and_never_beyond_the_last_message(talk):
    ana, ben, chat_id = talk
    await mark(ben, "Read", chat_id, 2)
    await mark(ben, "Delivered", chat_id, 1)
    await mark(ben, "Read", chat_id, 1)
    assert (await pointers(ana, chat_id))["ben"] == (2, 2)
    await mark(ben, "Delivered", chat_id, 1_000_000)
    assert (await pointers(ana, chat_id))["ben"] == (3, 2)


async def test_a_pointer_that_stays_where_it_is_is_no_news(talk):
    ana, ben, chat_id = talk
    await mark(ben, "Read", chat_id, 2)
    after = await cursor_of(ana)
    await mark(ben, "Read", chat_id, 2)
    await mark(ben, "Delivered", chat_id, 1)
    await mark(ben, "Read", chat_id, 3)
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        assert await receipt(socket) == ("ben", 3, 3)


async def test_who_comes_back_hears_the_latest_of_each_once(server, talk):
    ana, ben, chat_id = talk
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    after = await cursor_of(ana)
    for seq in (1, 2, 3):
        await mark(ben, "Read", chat_id, seq)
    message = await ana.send(chat_id, "one more")
    await mark(cyd, "Delivered", chat_id, message["seq"])
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        sent = await socket.next()
        # After three that were there, and one that says that Cyd was added.
        assert (sent["__typename"], sent["message"]["seq"]) == ("MessageSent", 5)
        told = [await receipt(socket), await receipt(socket)]
        assert sorted(told) == [("ben", 3, 3), ("cyd", 5, 3)]
        await mark(ben, "Read", chat_id, 4)
        assert await receipt(socket) == ("ben", 4, 4)


async def test_who_is_cut_off_before_the_receipts_gets_them_when_they_resume(talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ana)
    await ana.send(chat_id, "one more")
    await mark(ben, "Read", chat_id, 4)
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        sent = await socket.next()
        assert sent["__typename"] == "MessageSent"
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=sent["cursor"])
        event = await socket.next()
        assert (event["__typename"], event["readSeq"]) == ("ReceiptsAdvanced", 4)
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=event["cursor"])
        await ana.send(chat_id, "and another")
        assert (await socket.next())["__typename"] == "MessageSent"


async def test_in_a_large_chat_everybody_hears_only_of_their_own(talk, monkeypatch):
    ana, ben, chat_id = talk
    for module in ("models.receipts", "realtime.events", "schema.members"):
        monkeypatch.setattr(f"{module}.SHOWN_UP_TO", 1)
    after = await cursor_of(ana)
    async with ana.socket() as socket:
        await socket.subscribe("live", HEARD)
        await until_subscribed(ana.url, 1)
        await mark(ben, "Read", chat_id, 2)
        await ana.send(chat_id, "one more")
        assert (await socket.next("live"))["__typename"] == "MessageSent"
        await mark(ben, "Read", chat_id, 3)
        await ana.send(chat_id, "and another")
        assert (await socket.next("live"))["__typename"] == "MessageSent"
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        kinds = [(await socket.next())["__typename"] for _ in range(2)]
        await ana.send(chat_id, "live")
        kinds.append((await socket.next())["__typename"])
        assert kinds == ["MessageSent"] * 3
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        kinds = [(await socket.next())["__typename"] for _ in range(4)]
        assert kinds == [*["MessageSent"] * 3, "ReceiptsAdvanced"]
    assert (await pointers(ana, chat_id))["ben"] == (None, None)
    own = (await ben.ask(POINTERS, id=chat_id))["chat"]["viewerMembership"]
    assert own == {"deliveredSeq": 3, "readSeq": 3, "unreadCount": 3}


async def test_marks_of_many_at_once_are_told_and_add_up(talk):
    ana, ben, chat_id = talk
    after = await cursor_of(ana)
    for n in range(20):
        await ana.send(chat_id, str(n))
    await asyncio.gather(
        *(mark(ben, ["Read", "Delivered"][n % 2], chat_id, n + 3) for n in range(20))
    )
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        for _ in range(20):
            assert (await socket.next())["__typename"] == "MessageSent"
        assert await receipt(socket) == ("ben", 22, 21)


@pytest.mark.parametrize("what", ["Read", "Delivered"])
async def test_marks_that_make_no_sense_are_refused(sqlite_server, what):
    ana, eve = await sqlite_server.registered("ana"), await sqlite_server.registered("eve")
    chat_id = await ana.group("Talk")
    assert await eve.refused(f"mark{what}", "", chatId=chat_id, seq=1) == "NOT_FOUND"
    assert await ana.refused(f"mark{what}", "", chatId=chat_id, seq=-1) == "INVALID_INPUT"
