"""The first conversation, over the network, as plain clients see it."""

import asyncio
from contextlib import asynccontextmanager, suppress
from uuid import uuid4


async def test_two_people_talk_and_each_hears_the_other_live(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    async with ana.listening() as at_ana, ben.listening() as at_ben:
        await ana.send(chat_id, "Hello Ben")
        heard = await at_ben.next()
        assert heard["__typename"] == "MessageSent"
        assert heard["message"]["text"] == "Hello Ben"
        assert heard["message"]["sender"]["handle"] == "ana"
        await ben.send(chat_id, "Hello Ana")
        assert [(await at_ana.next())["message"]["text"] for _ in range(2)] == [
            "Hello Ben",
            "Hello Ana",
        ]


async def test_a_new_chat_reaches_the_people_in_it_and_so_does_what_is_said_there(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with ben.listening() as at_ben:
        chat_id = await ana.group("Surprise", ben)
        created = await at_ben.next()
        assert (created["__typename"], created["chat"]["id"]) == ("ChatCreated", chat_id)
        await ana.send(chat_id, "Welcome")
        assert (await at_ben.next())["message"]["text"] == "Welcome"


async def test_edits_and_deletions_arrive_live_and_in_order(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    async with ben.listening(chat_id) as at_ben:
        message = await ana.send(chat_id, "Helo")
        await ana.done("editMessage", "message { text }", messageId=message["id"], text="Hello")
        await ana.done("deleteMessage", "deletedMessageId", messageId=message["id"])
        heard = [await at_ben.next() for _ in range(3)]
    assert [event["__typename"] for event in heard] == [
        "MessageSent",
        "MessageEdited",
        "MessageDeleted",
    ]
    assert [event["seq"] for event in heard] == [2, 3, 4]
    assert heard[2]["messageId"] == message["id"]


async def test_a_retried_send_is_stored_once_and_told_once(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    key = str(uuid4())
    async with ben.listening() as at_ben:
        first = await ana.send(chat_id, "Once", clientMessageId=key)
        again = await ana.send(chat_id, "Once", clientMessageId=key)
        await ana.send(chat_id, "Next")
        heard = [(await at_ben.next())["message"]["text"] for _ in range(2)]
    assert again == first
    assert heard == ["Once", "Next"]


async def test_somebody_who_was_removed_hears_of_it_and_nothing_after(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id, other_id = await ana.group("Team", ben), await ana.group("Club", ben)
    async with ben.listening() as at_ben:
        await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=ben.user_id)
        left = await at_ben.next()
        assert (left["__typename"], left["membership"]["user"]["handle"]) == ("MemberLeft", "ben")
        await ana.send(chat_id, "Ben is gone")
        await ana.send(other_id, "Hello Ben")
        assert (await at_ben.next())["message"]["text"] == "Hello Ben"
    assert await ben.ask("query($id: ID!) { chat(id: $id) { id } }", id=chat_id) == {"chat": None}


async def test_somebody_who_comes_back_does_not_see_what_was_said_meanwhile(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    await ana.send(chat_id, "before")
    await ben.done("leaveChat", "", chatId=chat_id)
    await ana.send(chat_id, "meanwhile")
    async with ben.listening() as at_ben:
        await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[ben.user_id])
        await ana.send(chat_id, "after")
        joined = await at_ben.next()
        assert joined["__typename"] == "MemberJoined"
        told = [(await at_ben.next())["message"]["text"] for _ in range(2)]
        assert told == ["", "after"]  # that he was added, and what was said
    data = await ben.ask(
        "query($id: ID!) { chat(id: $id) { messages { nodes { text } } lastMessage { text } } }",
        id=chat_id,
    )
    assert data["chat"]["messages"]["nodes"] == [{"text": ""}, {"text": "after"}]


async def test_typing_reaches_the_others_and_not_oneself(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    query = "subscription($id: ID!) { typing(chatId: $id) { typing user { handle } } }"
    async with ana.socket() as at_ana, ben.socket() as at_ben:
        await at_ana.subscribe("typing", query, id=chat_id)
        await at_ben.subscribe("typing", query, id=chat_id)
        # Typing is told to who listens now, and nothing says when one does: say it until heard.
        async with saying(ben, chat_id, typing=True):
            assert await at_ana.next("typing") == {"typing": True, "user": {"handle": "ben"}}
        async with saying(ana, chat_id, typing=False):
            assert await at_ben.next("typing") == {"typing": False, "user": {"handle": "ana"}}


@asynccontextmanager
async def saying(person, chat_id, *, typing):
    """Let a person say over and over whether they type."""

    async def say():
        while True:
            await person.done("setTyping", "expiresAt", chatId=chat_id, typing=typing)

    task = asyncio.create_task(say())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
