"""Subscribers who ask for the same are answered once, and nobody sees what is another's."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

import schema.sharing
from tests.parts.people import until_subscribed

MESSAGES = """
subscription Messages($chatIds: [ID!]) {
  events(chatIds: $chatIds) {
    ... on MessageSent { chat { title } message { seq text sender { handle } } }
  }
}
"""
WITH_CURSOR = "subscription($chatIds: [ID!]) { events(chatIds: $chatIds) { cursor seq } }"
OWN_REACTIONS = """
subscription { events { ... on ReactionsChanged { message { text viewerReactions } } } }
"""


async def figure(server, name):
    """Return a metric of the server's."""
    page = (await server.person().get("/metrics")).text
    (line,) = (line for line in page.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


async def rendered(server):
    return await figure(server, "hubbub_events_rendered_total")


async def groups(server):
    return await figure(server, "hubbub_subscription_groups")


@pytest.fixture
async def team(sqlite_server):
    """Three people and their chat."""
    people = [await sqlite_server.registered(name) for name in ("ana", "ben", "cid")]
    return people, await people[0].group("Team", *people[1:])


async def subscribed(stack, server, person, query, id_="events", **variables):
    """Return a socket on which somebody hears what they asked for."""
    socket = await stack.enter_async_context(person.socket())
    live = await figure(server, "hubbub_event_subscribers")
    await socket.subscribe(id_, query, **variables)
    await until_subscribed(server.url, live + 1)
    return socket


async def test_an_event_is_rendered_once_for_all_who_asked_for_the_same(sqlite_server, team):
    people, chat_id = team
    async with AsyncExitStack() as stack:
        sockets = [
            await subscribed(stack, sqlite_server, person, MESSAGES, id_=f"id {number}")
            for number, person in enumerate(people * 2)
        ]
        assert await groups(sqlite_server) == 1
        before = await rendered(sqlite_server)
        for text in ("one", "two"):
            await people[0].send(chat_id, text)
        for number, socket in enumerate(sockets):
            for seq, text in enumerate(("one", "two"), start=1):
                assert await socket.next(f"id {number}") == {
                    "chat": {"title": "Team"},
                    "message": {"seq": seq, "text": text, "sender": {"handle": "ana"}},
                }
        assert await rendered(sqlite_server) - before == 2
    while await groups(sqlite_server):  # the server notices that they have gone
        pass


async def test_who_listens_in_fewer_chats_shares_what_both_hear(sqlite_server, team):
    people, chat_id = team
    async with AsyncExitStack() as stack:
        every = await subscribed(stack, sqlite_server, people[0], MESSAGES)
        some = await subscribed(stack, sqlite_server, people[1], MESSAGES, chatIds=[chat_id])
        assert await groups(sqlite_server) == 1
        before = await rendered(sqlite_server)
        await people[0].send(chat_id, "one")
        assert await every.next() == await some.next()
        assert await rendered(sqlite_server) - before == 1


async def test_cursors_of_other_chats_are_not_shared_and_resume_where_they_belong(
    sqlite_server, team
):
    people, chat_id = team
    async with AsyncExitStack() as stack:
        every = await subscribed(stack, sqlite_server, people[0], WITH_CURSOR)
        some = await subscribed(stack, sqlite_server, people[0], WITH_CURSOR, chatIds=[chat_id])
        assert await groups(sqlite_server) == 2
        await people[0].send(chat_id, "one")
        cursors = [(await socket.next())["cursor"] for socket in (every, some)]
        await people[0].send(chat_id, "two")
        resuming = await stack.enter_async_context(people[0].socket())
        resumed = "subscription($a: Cursor, $b: [ID!]) { events(after: $a, chatIds: $b) { seq } }"
        for chat_ids, cursor in zip((None, [chat_id]), cursors, strict=True):
            await resuming.subscribe("events", resumed, a=cursor, b=chat_ids)
            assert await resuming.next() == {"seq": 3}
            await resuming.send(id="events", type="complete")
        await resuming.subscribe("events", resumed, a=cursors[1])
        refusal = await resuming.receive()
        assert refusal["type"] == "error", refusal
        assert refusal["payload"][0]["extensions"]["code"] == "INVALID_CURSOR"


async def test_other_variables_below_the_root_field_are_another_group(sqlite_server, team):
    people, chat_id = team
    query = """
      subscription($text: Boolean!) {
        events { ... on MessageSent { message { seq text @include(if: $text) } } }
      }
    """
    async with AsyncExitStack() as stack:
        with_text = await subscribed(stack, sqlite_server, people[0], query, text=True)
        without = await subscribed(stack, sqlite_server, people[1], query, text=False)
        await people[0].send(chat_id, "one")
        assert await with_text.next() == {"message": {"seq": 1, "text": "one"}}
        assert await without.next() == {"message": {"seq": 1}}


async def test_what_is_each_viewers_own_is_rendered_for_each(sqlite_server, team):
    (ana, ben, _), chat_id = team
    message = await ana.send(chat_id, "Pizza?")
    async with AsyncExitStack() as stack:
        sockets = [
            await subscribed(stack, sqlite_server, person, OWN_REACTIONS) for person in (ana, ben)
        ]
        assert await groups(sqlite_server) == 2
        await ana.done("addReaction", "message { id }", messageId=message["id"], emoji="🍕")
        shown = [(await socket.next())["message"]["viewerReactions"] for socket in sockets]
        assert shown == [["🍕"], []]


async def test_a_field_that_is_shared_by_mistake_fails_instead_of_showing_anothers(
    sqlite_server, team, monkeypatch
):
    (ana, ben, _), chat_id = team
    listed = schema.sharing.SHAREABLE["Message"]
    monkeypatch.setitem(schema.sharing.SHAREABLE, "Message", listed | {"viewerReactions"})
    message = await ana.send(chat_id, "Pizza?")
    async with AsyncExitStack() as stack:
        sockets = [
            await subscribed(stack, sqlite_server, person, OWN_REACTIONS) for person in (ana, ben)
        ]
        await ana.done("addReaction", "message { id }", messageId=message["id"], emoji="🍕")
        for socket in sockets:
            payload = (await socket.receive())["payload"]
            assert payload["data"] is None
            assert [error["extensions"]["code"] for error in payload["errors"]] == ["INTERNAL"]
            assert "🍕" not in str(payload)


async def test_who_types_is_rendered_once_for_all_who_listen(sqlite_server, team):
    (ana, ben, cid), chat_id = team
    query = """
      subscription($id: ID!) { typing(chatId: $id) { typing user { handle } chat { title } } }
    """
    async with ana.socket() as at_ana, ben.socket() as at_ben:
        for socket in (at_ana, at_ben):
            await socket.subscribe("typing", query, id=chat_id)
        while await groups(sqlite_server) == 0:
            pass
        before = await rendered(sqlite_server)
        told: list[Any] = []
        while len(told) < 2:  # nothing says that a subscription has begun
            await cid.done("setTyping", "expiresAt", chatId=chat_id)
            told = [await at_ana.next("typing"), await at_ben.next("typing")]
        expected = {"typing": True, "user": {"handle": "cid"}, "chat": {"title": "Team"}}
        assert told == [expected, expected]
        assert await rendered(sqlite_server) - before == 1
