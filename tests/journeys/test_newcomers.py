"""Who came later learns nothing of what was said before, whatever happens to it now."""

from typing import Any

import pytest

from models import chats, events
from models.events import EventKind
from resolvers.services import utc_now
from schema.ids import decode_message
from tests.journeys.test_resume import cursor_of

MESSAGE = """
  id seq kind text html editedAt deletedAt quote mentionsAll
  sender { handle } reactions { emoji count } viewerReactions mentions { handle }
  poll { question options { text voteCount } totalVoters }
  edits { text } replyTo { text } forwardedFrom { sentAt } linkPreview { url }
  system { what text subject { handle } } thread { id } receipts { readCount }
"""
HEARD = f"""
subscription Events($after: Cursor) {{ events(after: $after) {{
  __typename seq
  ... on MessageSent {{ message {{ {MESSAGE} }} }}
  ... on MessageEdited {{ message {{ {MESSAGE} }} }}
  ... on ReactionsChanged {{ message {{ {MESSAGE} }} }}
  ... on PollChanged {{ message {{ {MESSAGE} }} }}
  ... on LinkPreviewAdded {{ message {{ {MESSAGE} }} }}
}} }}
"""
# A selection that shows the same to everybody, so that one rendering of it is shared.
SHARED = """
subscription Events($after: Cursor) { events(after: $after) {
  __typename seq
  ... on MessageSent { message { seq text } }
  ... on MessageEdited { message { seq text } }
  ... on ReactionsChanged { message { seq text reactions { emoji } } }
  ... on PollChanged { message { seq text poll { question } } }
  ... on LinkPreviewAdded { message { seq text linkPreview { url } } }
} }
"""
KINDS = ["MessageEdited", "ReactionsChanged", "PollChanged", "LinkPreviewAdded"]


@pytest.fixture
async def people(server):
    return [await server.registered(name) for name in ("ana", "ben", "cyd", "dan")]


async def before(ana, ben):
    """Return a group of two with a message and a poll from before anybody else came."""
    chat_id = await ana.group("Team", ben)
    said = await ana.send(chat_id, "secret: @ben https://secret.example")
    asked = await ana.done(
        "sendMessage",
        "message { id seq }",
        chatId=chat_id,
        clientMessageId="0190a1b2-0000-4000-8000-000000000001",
        poll={"question": "A secret?", "options": ["secretly", "no"]},
    )
    return chat_id, said, asked["message"]


async def come(owner, chat_id, *people):
    ids = [person.user_id for person in people]
    await owner.done("addMembers", "chat { id }", chatId=chat_id, userIds=ids)


async def stir(server, ana, ben, said, asked):
    """Let everything happen to the two messages that can."""
    id_ = said["id"]
    await ana.done("editMessage", "message { id }", messageId=id_, text="another secret, @ben")
    await ben.done("addReaction", "message { id }", messageId=id_, emoji="🤫")
    await ben.done("votePoll", "message { id }", messageId=asked["id"], options=[0])
    services = server.program.services
    chat_id, seq = decode_message(id_, path="id")
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        await events.record(
            connection,
            EventKind.LINK_PREVIEW_ADDED,
            now=utc_now(),
            chat_id=chat_id,
            seq=await chats.next_event_seq(connection, chat_id),
            message_seq=seq,
        )
    services.node.announce_log()


async def heard(socket, count):
    """Return the next events, which have to be numbered without gaps."""
    found = [await socket.next() for _ in range(count)]
    seqs = [event["seq"] for event in found]
    assert seqs == list(range(seqs[0], seqs[0] + count))
    return found


def assert_nothing_told(found):
    assert [event["__typename"] for event in found] == KINDS
    for event in found:
        message = event["message"]
        assert message["text"] == ""
        assert not message.get("reactions")
        assert not message.get("mentions")
        assert message.get("poll") is None
        assert message.get("linkPreview") is None
    for word in ("secret", "🤫"):
        assert word not in str(found)


@pytest.mark.parametrize("query", [HEARD, SHARED], ids=["whole", "shared"])
async def test_what_happens_to_older_messages_is_told_live_without_them(server, people, query):
    ana, ben, cyd, dan = people
    chat_id, said, asked = await before(ana, ben)
    await come(ana, chat_id, cyd, dan)
    async with ben.socket() as his, cyd.socket() as hers, dan.socket() as third:
        for person, socket in ((ben, his), (cyd, hers), (dan, third)):
            await socket.subscribe("events", query, after=await cursor_of(person))
        await stir(server, ana, ben, said, asked)
        for socket in (hers, third):
            assert_nothing_told(await heard(socket, len(KINDS)))
        known = await heard(his, len(KINDS))
        assert [event["message"]["text"] for event in known] == [
            "another secret, @ben",
            "another secret, @ben",
            "A secret?",
            "another secret, @ben",
        ]
        await ana.send(chat_id, "for all")
        for socket in (his, hers, third):
            assert (await socket.next())["message"]["text"] == "for all"


@pytest.mark.parametrize("query", [HEARD, SHARED], ids=["whole", "shared"])
async def test_it_is_told_without_them_to_who_resumes(server, people, query):
    ana, ben, cyd, _ = people
    chat_id, said, asked = await before(ana, ben)
    await come(ana, chat_id, cyd)
    after = await cursor_of(cyd)
    await stir(server, ana, ben, said, asked)
    async with cyd.socket() as socket:
        await socket.subscribe("events", query, after=after)
        assert_nothing_told(await heard(socket, len(KINDS)))


async def test_it_is_told_without_them_to_who_has_left_since_or_is_back(server, people):
    ana, ben, cyd, dan = people
    chat_id, said, asked = await before(ana, ben)
    await come(ana, chat_id, cyd, dan)
    afters = [(person, await cursor_of(person)) for person in (cyd, dan)]
    await stir(server, ana, ben, said, asked)
    for person in (cyd, dan):
        await person.done("leaveChat", "", chatId=chat_id)
    await come(ana, chat_id, cyd)
    for person, after in afters:
        async with person.socket() as socket:
            await socket.subscribe("events", HEARD, after=after)
            assert_nothing_told(await heard(socket, len(KINDS)))


async def test_who_comes_while_listening_is_told_without_them(server, people):
    ana, ben, cyd, _ = people
    chat_id, said, asked = await before(ana, ben)
    async with cyd.socket() as socket:
        await socket.subscribe("events", SHARED, after=await cursor_of(cyd))
        await come(ana, chat_id, cyd)
        joined, welcome = await heard(socket, 2)
        assert (joined["__typename"], welcome["__typename"]) == ("MemberJoined", "MessageSent")
        await stir(server, ana, ben, said, asked)
        assert_nothing_told(await heard(socket, len(KINDS)))


async def test_where_history_is_open_to_newcomers_they_are_told_all(server, people):
    ana, ben, cyd, _ = people
    chat_id, said, asked = await before(ana, ben)
    await ana.done("updateChat", "chat { id }", chatId=chat_id, historyVisibility="FROM_START")
    await come(ana, chat_id, cyd)
    after = await cursor_of(cyd)
    async with cyd.socket() as live, cyd.socket() as resumed:
        await live.subscribe("events", SHARED, after=after)
        await stir(server, ana, ben, said, asked)
        at_once = await heard(live, len(KINDS))
        await resumed.subscribe("events", SHARED, after=after)
        assert await heard(resumed, len(KINDS)) == at_once
    assert [event["__typename"] for event in at_once] == KINDS
    assert all("secret" in event["message"]["text"] for event in at_once)


async def test_what_somebody_cleared_away_is_not_told_again_when_they_resume(people):
    ana, ben, *_ = people
    chat_id, said, _ = await before(ana, ben)
    after = await cursor_of(ben)
    await ben.done("clearHistory", "clearedSeq", chatId=chat_id)
    await ana.done("editMessage", "message { id }", messageId=said["id"], text="a secret still")
    async with ben.socket() as socket:
        await socket.subscribe("events", SHARED, after=after)
        told: list[Any] = []
        while not told or told[-1]["__typename"] != "MessageEdited":
            told.append(await socket.next())
    assert "secret" not in str(told)
