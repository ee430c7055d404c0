"""Reactions: one of each kind per person, told to everybody, counted once."""

import asyncio

import pytest

from models.reactions import MAX_KINDS
from resolvers.reactions import MAX_EMOJI
from tests.journeys.test_resume import cursor_of

SHOWN = "message { reactions { emoji count } viewerReactions }"
HEARD = """
subscription Events($after: Cursor) {
  events(after: $after) {
    __typename cursor seq actor { handle }
    ... on ReactionsChanged { message { seq reactions { emoji count } viewerReactions } }
  }
}
"""


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    message = await ana.send(chat_id, "Shall we?")
    return ana, ben, chat_id, message["id"]


async def add(person, message_id, emoji):
    payload = await person.done("addReaction", SHOWN, messageId=message_id, emoji=emoji)
    return counted(payload["message"])


async def remove(person, message_id, emoji):
    payload = await person.done("removeReaction", SHOWN, messageId=message_id, emoji=emoji)
    return counted(payload["message"])


def counted(message):
    """Return a message's reactions as {emoji: count}, and the viewer's own."""
    groups = {group["emoji"]: group["count"] for group in message["reactions"]}
    return groups, message["viewerReactions"]


async def test_people_react_each_once_in_each_way_and_take_it_back(talk):
    ana, ben, _, message_id = talk
    assert await add(ana, message_id, "👍") == ({"👍": 1}, ["👍"])
    assert await add(ben, message_id, "👍") == ({"👍": 2}, ["👍"])
    assert await add(ben, message_id, "👍") == ({"👍": 2}, ["👍"])
    assert await add(ben, message_id, "🎉") == ({"👍": 2, "🎉": 1}, ["👍", "🎉"])
    assert await remove(ben, message_id, "👍") == ({"👍": 1, "🎉": 1}, ["🎉"])
    assert await remove(ben, message_id, "👍") == ({"👍": 1, "🎉": 1}, ["🎉"])


async def test_everybody_hears_of_a_reaction_and_of_nothing_that_changed_nothing(talk):
    ana, ben, _, message_id = talk
    after = await cursor_of(ben)
    await add(ana, message_id, "👍")
    await add(ana, message_id, "👍")
    await remove(ben, message_id, "👍")
    await remove(ana, message_id, "👍")
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        missed = [await socket.next(), await socket.next()]
        assert [(event["__typename"], event["seq"]) for event in missed] == [
            ("ReactionsChanged", 3),
            ("ReactionsChanged", 4),
        ]
        await add(ana, message_id, "🎉")
        live = await socket.next()
        assert (live["actor"]["handle"], live["seq"]) == ("ana", 5)
        assert counted(live["message"]) == ({"🎉": 1}, [])


async def test_reactions_of_many_at_once_are_all_counted(talk):
    ana, ben, chat_id, message_id = talk
    emojis = [chr(0x1F600 + n) for n in range(12)]
    await asyncio.gather(
        *(add(person, message_id, emoji) for emoji in emojis for person in (ana, ben)),
        *(ana.send(chat_id, str(n)) for n in range(5)),
    )
    groups, _ = await remove(ana, message_id, emojis[0])
    assert groups == {**dict.fromkeys(emojis, 2), emojis[0]: 1}
    page = await ben.ask(
        "query($id: ID!) { chat(id: $id) { messages { nodes { seq reactions { count } } } } }",
        id=chat_id,
    )
    first, *others = page["chat"]["messages"]["nodes"]
    assert sum(group["count"] for group in first["reactions"]) == 23
    assert [message["reactions"] for message in others] == [[]] * 5


async def test_a_reaction_is_no_message(talk):
    ana, ben, chat_id, message_id = talk
    query = "query($id: ID!) { chat(id: $id) { lastActivityAt viewerMembership { unreadCount } } }"
    before = await ben.ask(query, id=chat_id)
    await add(ana, message_id, "👍")
    assert await ben.ask(query, id=chat_id) == before


async def test_a_message_takes_so_many_kinds_and_no_more(talk):
    ana, ben, _, message_id = talk
    kinds = [f"kind{n}" for n in range(MAX_KINDS + 10)]
    payloads = await asyncio.gather(
        *(ana.do("addReaction", "", messageId=message_id, emoji=kind) for kind in kinds)
    )
    refused = [payload["errors"][0]["code"] for payload in payloads if payload["errors"]]
    assert refused == ["INVALID_INPUT"] * 10
    groups, _ = await remove(ana, message_id, "absent")
    assert len(groups) == MAX_KINDS
    assert (await add(ben, message_id, next(iter(groups))))[1] == [next(iter(groups))]


@pytest.mark.parametrize(
    ("emoji", "code"),
    [
        ("", "INVALID_INPUT"),
        (" ", "INVALID_INPUT"),
        ("two words", "INVALID_INPUT"),
        ("\x00", "INVALID_INPUT"),
        ("x" * (MAX_EMOJI + 1), "TOO_LONG"),
    ],
)
async def test_what_is_no_reaction_is_refused(talk, emoji, code):
    ana, _, _, message_id = talk
    assert await ana.refused("addReaction", "", messageId=message_id, emoji=emoji) == code


async def test_only_who_may_read_a_message_reacts_to_it(server, talk):
    ana, ben, chat_id, message_id = talk
    eve, cyd = await server.registered("eve"), await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    await ben.done("leaveChat", "", chatId=chat_id)
    for person in (eve, cyd, ben):
        for act in ("addReaction", "removeReaction"):
            assert await person.refused(act, "", messageId=message_id, emoji="👍") == "NOT_FOUND"


async def test_a_deleted_message_has_no_reactions_and_takes_none(talk):
    ana, ben, chat_id, message_id = talk
    await add(ben, message_id, "👍")
    await ana.done("deleteMessage", "", messageId=message_id)
    assert await ben.refused("addReaction", "", messageId=message_id, emoji="👍") == "NOT_FOUND"
    query = "query($c: ID!, $m: ID!) { chat(id: $c) { message(id: $m) { reactions { emoji } } } }"
    data = await ben.ask(query, c=chat_id, m=message_id)
    assert data["chat"]["message"] == {"reactions": []}
