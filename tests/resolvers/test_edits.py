"""What messages said before they were edited, and who may know."""

import asyncio

import pytest

from models import edits

EDITED = "message { text editedAt edits { text html writtenAt } }"
SHOWN = "query($id: ID!) { node(id: $id) { ... on Message { text editedAt edits { text } } } }"


async def edit(person, message, text):
    payload = await person.done("editMessage", EDITED, messageId=message["id"], text=text)
    return payload["message"]


async def versions(person, message):
    node = (await person.ask(SHOWN, id=message["id"]))["node"]
    return node and [*(each["text"] for each in node["edits"]), node["text"]]


async def test_an_edited_message_tells_what_it_said_before_and_when(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "One")
    first = await edit(ana, message, "*Two*")
    assert [each["text"] for each in first["edits"]] == ["One"]
    second = await edit(ana, message, "Three")
    assert [each["html"] for each in second["edits"]] == ["<p>One</p>", "<p><em>Two</em></p>"]
    assert [each["writtenAt"] for each in second["edits"]] == [
        message["createdAt"],
        first["editedAt"],
    ]
    assert await versions(ben, message) == ["One", "*Two*", "Three"]


async def test_only_the_newest_versions_are_kept(sqlite_server, monkeypatch):
    monkeypatch.setattr(edits, "KEPT", 3)
    ana = await sqlite_server.registered("ana")
    message = await ana.send(await ana.group("Team"), "0")
    for number in range(1, 8):
        await edit(ana, message, str(number))
    assert await versions(ana, message) == ["4", "5", "6", "7"]


async def test_what_a_deleted_message_said_before_is_gone(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "A secret")
    await edit(ana, message, "Nothing")
    await ana.done("deleteMessage", "", messageId=message["id"])
    assert await versions(ben, message) == [""]
    async with server.program.services.db.reading() as connection:
        assert (await connection.execute(edits.message_edits.select())).all() == []


async def test_who_may_not_read_a_message_is_not_told_what_it_said(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "Before")
    await edit(ana, message, "After")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    assert await versions(cyd, message) is None
    await ana.done("removeMember", "", chatId=chat_id, userId=ben.user_id)
    assert await versions(ben, message) is None


async def test_of_edits_at_once_one_wins_and_all_are_kept(server):
    ana = await server.registered("ana")
    message = await ana.send(await ana.group("Team"), "0")
    texts = [str(number) for number in range(1, 9)]
    await asyncio.gather(*(edit(ana, message, text) for text in texts))
    stored = await versions(ana, message)
    assert stored[0] == "0"
    assert sorted(stored[1:]) == texts


async def test_an_edit_and_a_deletion_at_once_leave_nothing(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    for _ in range(5):
        message = await ana.send(chat_id, "A secret")
        edited, _ = await asyncio.gather(
            ana.do("editMessage", EDITED, messageId=message["id"], text="Another"),
            ana.done("deleteMessage", "", messageId=message["id"]),
        )
        assert [error["code"] for error in edited["errors"]] in ([], ["NOT_FOUND"])
        assert await versions(ana, message) == [""]


@pytest.mark.parametrize("text", ["see https://example.org", "nothing"])
async def test_whether_it_has_a_link_follows_the_text(sqlite_server, text):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, text)
    linking = (
        "query($id: ID!) { chat(id: $id) "
        "{ messages(filter: { hasLink: true }) { nodes { seq } } } }"
    )

    async def found():
        return len((await ana.ask(linking, id=chat_id))["chat"]["messages"]["nodes"])

    assert await found() == ("http" in text)
    await edit(ana, message, "https://e.org")
    assert await found() == 1
    await edit(ana, message, "no more")
    assert await found() == 0
    await edit(ana, message, "https://e.org")
    await ana.done("deleteMessage", "", messageId=message["id"])
    assert await found() == 0


async def test_what_the_chat_tells_of_itself_is_not_edited(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Pin me")
    await ana.done("pinMessage", "", messageId=message["id"])
    last = "query($id: ID!) { chat(id: $id) { lastMessage { id kind } } }"
    told = (await ana.ask(last, id=chat_id))["chat"]["lastMessage"]
    assert told["kind"] == "SYSTEM"
    given = {"messageId": told["id"], "text": "I was never here"}
    assert await ana.refused("editMessage", "", **given) == "FORBIDDEN"
