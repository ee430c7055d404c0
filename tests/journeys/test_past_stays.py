"""Who has left a chat learns nothing more of it, also from what they missed before."""

import asyncio

import pytest

from tests.journeys.test_resume import cursor_of

WHOLE = """
subscription Events($after: Cursor) {
  events(after: $after) {
    __typename seq occurredAt
    chat {
      id kind title description memberCount lastActivityAt createdAt
      members { nodes { user { handle } } }
      messages { nodes { text } }
      lastMessage { text }
      viewerMembership { id }
    }
    ... on MessageSent {
      message { seq text editedAt reactions { emoji count } chat { title memberCount } }
    }
    ... on ReactionsChanged { message { seq reactions { emoji count } } }
    ... on MessageEdited { message { seq text editedAt } }
    ... on MemberJoined { membership { role readSeq deliveredSeq user { handle } } }
    ... on MemberLeft { membership { role readSeq user { handle } } }
    ... on MemberRoleChanged { membership { role readSeq user { handle } } }
  }
}
"""


@pytest.fixture
async def people(server):
    return [await server.registered(name) for name in ("ana", "ben", "cyd", "dan")]


async def hear(person, after, count):
    async with person.socket() as socket:
        await socket.subscribe("events", WHOLE, after=after)
        return [await socket.next() for _ in range(count)]


async def edit(person, message, text):
    await person.done("editMessage", "message { id }", messageId=message["id"], text=text)


async def test_who_has_left_is_not_told_how_many_are_there(people):
    ana, ben, *_ = people
    chat_id = await ana.group("Team", ben)
    after = await cursor_of(ben)
    await ana.send(chat_id, "while Ben was there")
    await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=ben.user_id)
    async with ana.socket(), ben.socket() as socket:
        await socket.subscribe(
            "events",
            "subscription($after: Cursor) { events(after: $after) { chat { onlineCount } } }",
            after=after,
        )
        assert await socket.next() == {"chat": {"onlineCount": None}}


async def test_what_happened_after_somebody_left_does_not_show_in_what_they_missed(people):
    ana, ben, cyd, dan = people
    chat_id = await ana.group("Team", ben, cyd)
    after = await cursor_of(ben)
    first = await ana.send(chat_id, "as it was")
    second = await ana.send(chat_id, "draft")
    await edit(ana, second, "corrected while Ben was there")
    await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=ben.user_id)
    await edit(ana, first, "a secret")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[dan.user_id])
    await ana.done(
        "updateChat", "chat { id }", chatId=chat_id, title="Without Ben", description="a secret"
    )
    await ana.send(chat_id, "a secret")
    events = await hear(ben, after, 4)
    assert [event["__typename"] for event in events] == [
        "MessageSent",
        "MessageSent",
        "MessageEdited",
        "MemberLeft",
    ]
    said = [event["message"]["text"] for event in events if "message" in event]
    assert said == ["", *2 * ["corrected while Ben was there"]]
    assert events[0]["message"]["editedAt"] is None
    for event in events:
        assert event["chat"] == {
            "id": chat_id,
            "kind": "GROUP",
            "title": None,
            "description": None,
            "memberCount": 0,
            "lastActivityAt": event["occurredAt"],
            "createdAt": event["chat"]["createdAt"],
            "members": {"nodes": []},
            "messages": {"nodes": []},
            "lastMessage": None,
            "viewerMembership": None,
        }
    assert events[0]["message"]["chat"] == {"title": None, "memberCount": 0}
    assert "secret" not in str(events)
    assert "dan" not in str(events)


async def test_the_pointers_and_later_roles_of_others_do_not_show_either(people):
    ana, ben, cyd, dan = people
    chat_id = await ana.group("Team", ben)
    after = await cursor_of(ben)
    for person in (cyd, dan):
        await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[person.user_id])
    await ben.done("leaveChat", "", chatId=chat_id)
    message = await ana.send(chat_id, "later")
    await cyd.done("markRead", "chat { id }", chatId=chat_id, seq=message["seq"])
    events = await hear(ben, after, 5)
    *joined, left = (event for event in events if "membership" in event)
    for event, handle in zip(joined, ("cyd", "dan"), strict=True):
        assert event["membership"] == {
            "role": "MEMBER",
            "readSeq": None,
            "deliveredSeq": None,
            "user": {"handle": handle},
        }
    assert left["membership"]["user"]["handle"] == "ben"


async def test_reactions_show_as_far_as_they_are_from_before_the_leaving(people):
    ana, ben, *_ = people
    chat_id = await ana.group("Team", ben)
    after = await cursor_of(ben)
    for n in range(2):
        message = await ana.send(chat_id, str(n))
        await ana.done("addReaction", "message { id }", messageId=message["id"], emoji="👍")
    await ben.done("leaveChat", "", chatId=chat_id)
    await ana.done("addReaction", "message { id }", messageId=message["id"], emoji="🤫")
    events = await hear(ben, after, 5)
    assert [event["message"]["reactions"] for event in events if "message" in event] == [
        [{"emoji": "👍", "count": 1}],
        [{"emoji": "👍", "count": 1}],
        [],
        [],
    ]


async def test_who_came_back_sees_the_chat_but_not_what_was_edited_in_between(people):
    ana, ben, *_ = people
    chat_id = await ana.group("Team", ben)
    after = await cursor_of(ben)
    message = await ana.send(chat_id, "as it was")
    await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=ben.user_id)
    await edit(ana, message, "a secret")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[ben.user_id])
    await ana.send(chat_id, "welcome back")
    events = await hear(ben, after, 5)
    assert {event["chat"]["title"] for event in events} == {"Team"}
    # The second one tells that he was added.
    assert [event["message"]["text"] for event in events if "message" in event] == [
        "",
        "",
        "welcome back",
    ]


async def test_who_leaves_while_listening_learns_nothing_of_what_came_in_the_same_moment(
    server, people
):
    ana, ben, *_ = people
    chat_id = await ana.group("Team", ben)
    tailer = server.program.services.node.tailer
    async with ben.socket() as socket:
        await socket.subscribe("events", WHOLE, after=await cursor_of(ben))
        await ana.send(chat_id, "heard at once")
        assert (await socket.next())["message"]["text"] == "heard at once"
        reading, holding, go_on = tailer.read, asyncio.Event(), asyncio.Event()

        async def held():
            holding.set()
            await go_on.wait()
            await reading()

        tailer.read = held
        tailer.ring()
        await holding.wait()
        message = await ana.send(chat_id, "as it was")
        await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=ben.user_id)
        await edit(ana, message, "a secret")
        await ana.done("updateChat", "chat { id }", chatId=chat_id, title="a secret")
        go_on.set()
        events = [await socket.next(), await socket.next()]
    assert [event["__typename"] for event in events] == ["MessageSent", "MemberLeft"]
    assert "secret" not in str(events)
    assert {event["chat"]["title"] for event in events} == {None}
