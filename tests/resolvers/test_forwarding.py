"""Messages passed on to other chats: once, in order, and telling no more than may be told."""

import asyncio
from uuid import uuid4

import pytest

from resolvers.forwarding import MAX_FORWARDED

SHOWN = """messages { id seq text html quote sender { handle } replyTo { id } forwardedFrom {
  sentAt sender { handle } chat { title } message { id text }
} }"""


def given(messages, chat_id, ids=None):
    return {
        "messageIds": [message["id"] for message in messages],
        "toChatId": chat_id,
        "clientMessageIds": ids or [str(uuid4()) for _ in messages],
    }


async def forwarded(person, messages, chat_id, ids=None):
    payload = await person.done("forwardMessages", SHOWN, **given(messages, chat_id, ids))
    return payload["messages"]


async def history(person, chat_id):
    asked = (
        "query($id: ID!) { chat(id: $id) { messages(first: 200) { nodes { text forwardedFrom "
        "{ sentAt sender { handle } chat { title } message { text } } } } } }"
    )
    return (await person.ask(asked, id=chat_id))["chat"]["messages"]["nodes"]


async def test_messages_are_passed_on_in_the_order_given_with_their_origin(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    source, target = await ana.group("Source", ben), await ben.group("Target", ana)
    said = [await ana.send(source, text) for text in ("**one**", "two", "three")]
    got = await forwarded(ben, [said[2], said[0], said[1], said[0]], target)
    assert [message["text"] for message in got] == ["three", "**one**", "two", "**one**"]
    assert [message["seq"] for message in got] == [1, 2, 3, 4]
    assert {message["sender"]["handle"] for message in got} == {"ben"}
    assert got[1]["html"] == "<p><strong>one</strong></p>"
    assert got[1]["forwardedFrom"] == {
        "sentAt": said[0]["createdAt"],
        "sender": {"handle": "ana"},
        "chat": {"title": "Source"},
        "message": {"id": said[0]["id"], "text": "**one**"},
    }


async def test_what_was_forwarded_keeps_its_first_origin(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chats = [await ana.group(name, ben) for name in ("One", "Two", "Three")]
    first = await ana.send(chats[0], "Pass it on")
    (second,) = await forwarded(ben, [first], chats[1])
    (third,) = await forwarded(ana, [second], chats[2])
    assert third["forwardedFrom"] == second["forwardedFrom"]
    assert third["forwardedFrom"]["chat"] == {"title": "One"}


async def test_where_it_comes_from_is_told_only_to_who_may_know(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await ana.done("updateSettings", "", hides=True)
    source, target = await ana.group("Secret project", ben), await ben.group("Target", cyd)
    message = await ana.send(source, "Hello")
    await forwarded(ben, [message], target)
    (seen,) = await history(cyd, target)
    assert seen["text"] == "Hello"
    assert seen["forwardedFrom"] == {
        "sentAt": message["createdAt"], "sender": None, "chat": None, "message": None,
    }  # fmt: skip
    await ana.done("deleteMessage", "", messageId=message["id"])
    (seen,) = await history(ben, target)
    assert seen["text"] == "Hello"  # what was passed on is another message
    assert seen["forwardedFrom"]["message"] == {"text": ""}


async def test_a_retry_stores_nothing_twice_whatever_became_of_the_sources(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    source, target = await ana.group("Source", ben), await ben.group("Target")
    said = [await ana.send(source, text) for text in ("one", "two", "three")]
    ids = [str(uuid4()) for _ in said]
    first = await forwarded(ben, said[:2], target, ids[:2])
    await ana.done("editMessage", "", messageId=said[0]["id"], text="1")
    await ana.done("deleteMessage", "", messageId=said[1]["id"])
    again = await forwarded(ben, said, target, ids)
    assert [message["id"] for message in again[:2]] == [message["id"] for message in first]
    assert [message["text"] for message in await history(ben, target)] == ["one", "two", "three"]
    swapped = given([said[2], said[0]], target, [ids[0], ids[2]])
    assert await ben.refused("forwardMessages", "", **swapped) == "CONFLICT"
    assert (
        await ben.refused("sendMessage", "", chatId=target, text="one", clientMessageId=ids[0])
        == "CONFLICT"
    )


async def test_the_same_forward_at_once_is_stored_once(server):
    ana = await server.registered("ana")
    source, target = await ana.group("Source"), await ana.group("Target")
    said = [await ana.send(source, str(n)) for n in range(4)]
    ids = [str(uuid4()) for _ in said]
    await asyncio.gather(*(forwarded(ana, said, target, ids) for _ in range(4)))
    assert sorted(m["text"] for m in await history(ana, target)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("fault", ["unseen", "deleted", "before", "hidden", "system", "nowhere"])
async def test_what_may_not_be_read_is_not_passed_on(sqlite_server, fault):
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    source, target = await ana.group("Source"), await ben.group("Target")
    message = await ana.send(source, "A secret")
    if fault != "unseen":
        await ana.done("addMembers", "", chatId=source, userIds=[ben.user_id])
    if fault in ("deleted", "hidden", "system"):
        message = await ana.send(source, "Another")
    fine = await ben.send(target, "fine")
    code = "NOT_FOUND"
    if fault == "deleted":
        await ana.done("deleteMessage", "", messageId=message["id"])
    elif fault == "hidden":
        await ben.done("hideMessage", "", messageId=message["id"])
    elif fault == "system":
        await ana.done("pinMessage", "", messageId=message["id"])
        last = "query($id: ID!) { chat(id: $id) { lastMessage { id } } }"
        message, code = (await ben.ask(last, id=source))["chat"]["lastMessage"], "FORBIDDEN"
    elif fault == "nowhere":
        message, target = fine, source
        await ana.done("removeMember", "", chatId=source, userId=ben.user_id)
    asked = given([fine, message], target)
    assert await ben.refused("forwardMessages", "messages { id }", **asked) == code
    if fault != "nowhere":
        assert [each["text"] for each in await history(ben, target)] == ["fine"]


async def test_how_many_are_passed_on_at_once_has_a_limit(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "x")
    key = str(uuid4())
    for wrong in (
        given([], chat_id),
        given([message] * (MAX_FORWARDED + 1), chat_id),
        given([message, message], chat_id, [key]),
        given([message, message], chat_id, [key, key]),
    ):
        assert await ana.refused("forwardMessages", "", **wrong) == "INVALID_INPUT"
    wrong = given([{"id": chat_id}], chat_id)
    assert await ana.refused("forwardMessages", "", **wrong) == "INVALID_ID"
    got = await forwarded(ana, [message] * MAX_FORWARDED, chat_id)
    assert len(got) == MAX_FORWARDED
