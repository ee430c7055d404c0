"""Direct chats that the first message makes, and everybody's own chat."""

import asyncio
import time
from types import SimpleNamespace
from uuid import uuid4

import pytest

from resolvers import rates
from resolvers.rates import Pace
from schema.ids import Kind, decode
from tests.parts.roles import bot, guest, guest_link
from tests.parts.running import running

SENT = "message { id seq text chat { id kind memberCount title } }"
LISTED = "{ viewer { chats { nodes { id kind lastMessage { text } } } selfChat { id } } }"


async def write(person, whom, text="Hello", **more):
    more.setdefault("clientMessageId", str(uuid4()))
    return await person.do("sendMessage", SENT, toUserId=whom.user_id, text=text, **more)


async def listed(person):
    viewer = (await person.ask(LISTED))["viewer"]
    return [chat["id"] for chat in viewer["chats"]["nodes"]]


async def test_the_first_message_to_somebody_makes_the_direct_chat_and_the_next_finds_it(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    first = (await write(ana, ben))["message"]
    second = (await write(ben, ana, "Hello yourself"))["message"]
    assert first["chat"] == second["chat"]
    assert (first["chat"]["kind"], first["seq"], second["seq"]) == ("DIRECT", 1, 2)
    made = await ben.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ana.user_id])
    assert made["chat"]["id"] == first["chat"]["id"]
    assert await listed(ana) == await listed(ben) == [first["chat"]["id"]]


async def test_two_who_write_to_each_other_at_once_have_one_chat_with_all_they_wrote(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    texts = [f"{number}" for number in range(8)]
    payloads = await asyncio.gather(
        *(
            write(*((ana, ben) if number % 2 else (ben, ana)), text)
            for number, text in enumerate(texts)
        )
    )
    assert len({payload["message"]["chat"]["id"] for payload in payloads}) == 1
    assert sorted(payload["message"]["seq"] for payload in payloads) == [*range(1, 9)]
    assert sorted(payload["message"]["text"] for payload in payloads) == texts


async def test_a_repeated_first_message_is_stored_once(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    key = str(uuid4())
    answers = await asyncio.gather(*(write(ana, ben, clientMessageId=key) for _ in range(4)))
    assert len({answer["message"]["id"] for answer in answers}) == 1
    other = await write(ana, ben, "Something else", clientMessageId=key)
    assert other["errors"][0]["code"] == "CONFLICT"


async def test_an_empty_direct_chat_is_listed_for_who_made_it_alone(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    made = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    chat_id = made["chat"]["id"]
    assert (await listed(ana), await listed(ben)) == ([chat_id], [])
    await ana.send(chat_id, "Now")
    assert await listed(ben) == [chat_id]


async def test_a_message_to_oneself_goes_into_ones_own_chat_of_which_there_is_one(server):
    ana = await server.registered("ana")
    assert (await ana.ask(LISTED))["viewer"]["selfChat"] is None
    sent = await asyncio.gather(write(ana, ana, "milk"), write(ana, ana, "bread"))
    (chat_id,) = {payload["message"]["chat"]["id"] for payload in sent}
    assert sent[0]["message"]["chat"]["kind"] == "SELF"
    assert sent[0]["message"]["chat"]["memberCount"] == 1
    made = await asyncio.gather(
        *(ana.done("createChat", "chat { id }", kind="SELF") for _ in range(3))
    )
    assert {payload["chat"]["id"] for payload in made} == {chat_id}
    assert (await ana.ask(LISTED))["viewer"]["selfChat"] == {"id": chat_id}


@pytest.mark.parametrize("act", ["addMembers", "leaveChat", "removeMember", "transferOwnership"])
async def test_nobody_comes_into_or_leaves_ones_own_chat(server, act):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = (await write(ana, ana))["message"]["chat"]["id"]
    given = {"addMembers": {"userIds": [ben.user_id]}, "leaveChat": {}}
    more = given.get(act, {"userId": ben.user_id})
    assert await ana.refused(act, "", chatId=chat_id, **more) == "FORBIDDEN"


@pytest.mark.parametrize(
    "change",
    [{"title": "Notes"}, {"memberIds": ["ben"]}, {"historyVisibility": "FROM_START"}],
)
async def test_ones_own_chat_has_no_title_and_nobody_else(server, change):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    if "memberIds" in change:
        change = {"memberIds": [ben.user_id]}
    assert await ana.refused("createChat", "", kind="SELF", **change) == "INVALID_INPUT"


async def test_a_message_is_for_a_chat_or_for_a_person(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    said = {"text": "Hello", "clientMessageId": str(uuid4())}
    assert await ana.refused("sendMessage", "", **said) == "INVALID_INPUT"
    both = {"chatId": chat_id, "toUserId": ben.user_id}
    assert await ana.refused("sendMessage", "", **both, **said) == "INVALID_INPUT"


async def test_a_message_that_cannot_be_sent_makes_no_chat(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    for text, code in (("", "INVALID_INPUT"), ("x" * 10_001, "TOO_LONG")):
        assert (await write(ana, ben, text))["errors"][0]["code"] == code
    elsewhere = await ana.send(await ana.group("Team", ben), "elsewhere")
    refused = await write(ana, ben, replyToId=elsewhere["id"])
    assert refused["errors"][0]["code"] == "NOT_FOUND"
    assert len(await listed(ana)) == 1


async def test_who_wants_no_messages_gets_none_but_in_a_chat_that_is_there(server):
    ana, ben, eve = [await server.registered(name) for name in ("ana", "ben", "eve")]
    await write(ana, ben)
    await ben.done("updateSettings", "", whoMayMessage="NOBODY")
    assert (await write(ana, ben, "Still there?"))["errors"] == []
    assert (await write(eve, ben))["errors"][0]["code"] == "FORBIDDEN"
    assert await listed(eve) == []


async def test_guests_and_bots_that_may_not_begin_chats_do_not_by_a_message(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    visitor = await guest(server, (await guest_link(ana, chat_id))[1])
    assert (await write(visitor, ben))["errors"][0]["code"] == "FORBIDDEN"
    beep = await bot(server, ana, "beep", "MESSAGES_WRITE", "MESSAGES_READ")
    said = {"text": "Hello", "clientMessageId": str(uuid4()), "toUserId": ben.user_id}
    assert await beep.refused("sendMessage", "message { id }", **said) == "FORBIDDEN"


async def test_nobody_begins_more_chats_than_anybody_has_to(migrated_sqlite_url, monkeypatch):
    frozen = SimpleNamespace(monotonic=lambda: 1000.0, time=time.time)
    monkeypatch.setattr(rates, "time", frozen)
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana, ben = await server.registered("ana"), await server.registered("ben")
        key = decode(Kind.USER, ana.user_id).int
        while not server.program.services.rates.pace(Pace.INVITING, key):
            pass
        assert (await write(ana, ben))["errors"][0]["code"] == "RATE_LIMITED"
        assert (await write(ben, ana))["errors"] == []
        assert (await write(ana, ben))["errors"] == []  # it is there now
