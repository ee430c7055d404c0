"""Pins: for everybody, few, by who may, and gone with the message."""

import asyncio

import pytest

from resolvers import pins
from resolvers.expiry import expire_due
from tests.journeys.test_resume import cursor_of
from tests.parts.endings import expired

PINNED = """query($id: ID!, $first: Int, $after: String) { chat(id: $id) {
  pinnedMessages(first: $first, after: $after) {
    nodes { pinnedAt pinnedBy { handle } message { text } }
    pageInfo { hasNextPage endCursor }
  }
  lastMessage { kind sender { handle } }
} }"""
HEARD = """subscription Events($after: Cursor) { events(after: $after) { __typename
  ... on MessagePinned { messageId messageSeq pinnedMessage { text } actor { handle } }
  ... on MessageUnpinned { messageId messageSeq }
  ... on MessageSent { message { kind } }
  ... on MessageDeleted { messageSeq }
} }"""


async def pinned(person, chat_id):
    page = (await person.ask(PINNED, id=chat_id))["chat"]["pinnedMessages"]
    return [node["message"]["text"] for node in page["nodes"]]


async def test_what_is_pinned_is_listed_for_everybody_the_last_first(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    said = [await ben.send(chat_id, text) for text in ("one", "two", "three")]
    for number in (1, 0, 2):
        await ana.done("pinMessage", "message { id }", messageId=said[number]["id"])
    assert await pinned(ben, chat_id) == ["three", "one", "two"]
    chat = (await ben.ask(PINNED, id=chat_id))["chat"]
    assert chat["pinnedMessages"]["nodes"][0]["pinnedBy"] == {"handle": "ana"}
    assert chat["lastMessage"] == {"kind": "SYSTEM", "sender": {"handle": "ana"}}
    first = (await ben.ask(PINNED, id=chat_id, first=2))["chat"]["pinnedMessages"]
    assert first["pageInfo"]["hasNextPage"] is True
    rest = await ben.ask(PINNED, id=chat_id, after=first["pageInfo"]["endCursor"])
    page = rest["chat"]["pinnedMessages"]
    assert [node["message"]["text"] for node in page["nodes"]] == ["two"]
    assert page["pageInfo"]["hasNextPage"] is False
    await ana.done("unpinMessage", "message { id }", messageId=said[0]["id"])
    assert await pinned(ben, chat_id) == ["three", "two"]


async def test_a_pin_is_told_once_and_shows_no_more_than_may_be_read(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "From before Cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    places = {person: await cursor_of(person) for person in (ben, cyd)}
    for mutation in ("pinMessage", "pinMessage", "unpinMessage", "unpinMessage"):
        await ana.done(mutation, "", messageId=message["id"])
    for person, shown in ((ben, {"text": "From before Cyd"}), (cyd, None)):
        async with person.socket() as socket:
            await socket.subscribe("events", HEARD, after=places[person])
            assert await socket.next() == {
                "__typename": "MessagePinned",
                "messageId": message["id"],
                "messageSeq": 1,
                "pinnedMessage": shown,
                "actor": {"handle": "ana"},
            }
            assert await socket.next() == {
                "__typename": "MessageSent", "message": {"kind": "SYSTEM"},
            }  # fmt: skip
            assert (await socket.next())["__typename"] == "MessageUnpinned"
    await ana.done("pinMessage", "", messageId=message["id"])
    assert await pinned(cyd, chat_id) == []


async def test_a_deleted_message_is_not_pinned_any_more(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Gone")
    await ana.done("pinMessage", "", messageId=message["id"])
    await ana.done("deleteMessage", "", messageId=message["id"])
    assert await pinned(ana, chat_id) == []
    assert await ana.refused("pinMessage", "", messageId=message["id"]) == "NOT_FOUND"


async def test_what_has_expired_is_not_pinned_and_takes_nobodys_place(server, monkeypatch):
    monkeypatch.setattr(pins, "MAX_PINS", 2)
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    said = [await ana.send(chat_id, str(n)) for n in range(4)]
    for message in said[:2]:
        await ana.done("pinMessage", "", messageId=message["id"])
    await expired(server, said[0])
    assert await pinned(ana, chat_id) == ["1"]
    assert await ana.refused("pinMessage", "", messageId=said[0]["id"]) == "NOT_FOUND"
    await ana.done("pinMessage", "", messageId=said[2]["id"])
    assert await ana.refused("pinMessage", "", messageId=said[3]["id"]) == "INVALID_INPUT"
    await expire_due(server.program.services)
    assert await pinned(ana, chat_id) == ["2", "1"]


async def test_a_pin_and_a_deletion_at_once_leave_no_pin(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    for _ in range(5):
        message = await ana.send(chat_id, "x")
        await asyncio.gather(
            ana.do("pinMessage", "", messageId=message["id"]),
            ana.done("deleteMessage", "", messageId=message["id"]),
        )
        assert await pinned(ana, chat_id) == []


async def test_who_may_not_pin_is_told_so_and_who_may_not_see_is_told_nothing(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "x")
    for mutation in ("pinMessage", "unpinMessage"):
        given = {"messageId": message["id"]}
        assert await ben.refused(mutation, "message { id }", **given) == "FORBIDDEN"
        assert await cyd.refused(mutation, "message { id }", **given) == "NOT_FOUND"
    payload = await ben.done("createChat", "chat { id }", kind="DIRECT", memberIds=[cyd.user_id])
    message = await cyd.send(payload["chat"]["id"], "between us")
    await cyd.done("pinMessage", "", messageId=message["id"])
    assert await pinned(ben, payload["chat"]["id"]) == ["between us"]


async def test_how_many_are_pinned_has_a_limit_also_at_once(server, monkeypatch):
    monkeypatch.setattr(pins, "MAX_PINS", 3)
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    said = [await ana.send(chat_id, str(n)) for n in range(6)]
    payloads = await asyncio.gather(
        *(ana.do("pinMessage", "", messageId=message["id"]) for message in said)
    )
    codes = [error["code"] for payload in payloads for error in payload["errors"]]
    assert codes == ["INVALID_INPUT"] * 3
    assert len(await pinned(ana, chat_id)) == 3


async def test_what_the_chat_tells_of_itself_is_not_pinned(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "x")
    await ana.done("pinMessage", "", messageId=message["id"])
    last = "query($id: ID!) { chat(id: $id) { lastMessage { id } } }"
    told = (await ana.ask(last, id=chat_id))["chat"]["lastMessage"]
    assert await ana.refused("pinMessage", "", messageId=told["id"]) == "FORBIDDEN"


@pytest.mark.parametrize(
    "after", ["x", "YQ", "MjAyNi0wMS0wMVQwMDowMDowMHwx", "MjAyNi0wMS0wMXxhfGI"]
)
async def test_a_cursor_that_belongs_to_no_pin_is_refused(sqlite_server, after):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    answer = await ana.run(PINNED, id=chat_id, after=after)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID_INPUT"]
