"""Deleting for oneself: what is gone for one person, and there for everybody else."""

import asyncio

from tests.journeys.test_resume import cursor_of

CHAT = """query($id: ID!) { chat(id: $id) {
  lastMessage { seq text deletedAt }
  messages { nodes { seq text deletedAt quote replyTo { text } reactions { emoji } } }
  viewerMembership { unreadCount }
} }"""
HEARD = """subscription Events($after: Cursor) { events(after: $after) {
  __typename ... on MessageHidden { messageId messageSeq }
  ... on HistoryCleared { chatId clearedSeq }
} }"""


async def chat_of(person, chat_id):
    return (await person.ask(CHAT, id=chat_id))["chat"]


async def texts(person, chat_id):
    return [message["text"] for message in (await chat_of(person, chat_id))["messages"]["nodes"]]


async def test_a_hidden_message_is_deleted_for_one_and_there_for_the_others(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    first = await ana.send(chat_id, "Hide me")
    await ben.send(chat_id, "Answer", replyToId=first["id"], quote="Hide")
    await ben.done("addReaction", "", messageId=first["id"], emoji="👍")
    hidden = await ben.done(
        "hideMessage", "message { text seq deletedAt html }", messageId=first["id"]
    )
    assert hidden["message"] == {
        "text": "", "seq": 1, "deletedAt": hidden["message"]["deletedAt"], "html": "",
    }  # fmt: skip
    assert hidden["message"]["deletedAt"] is not None
    seen = (await chat_of(ben, chat_id))["messages"]["nodes"]
    assert [message["seq"] for message in seen] == [1, 2]
    assert (seen[0]["text"], seen[0]["reactions"]) == ("", [])
    assert seen[1]["replyTo"] == {"text": ""}
    node = "query($id: ID!) { node(id: $id) { ... on Message { text } } }"
    assert (await ben.ask(node, id=first["id"]))["node"] == {"text": ""}
    assert await texts(ana, chat_id) == ["Hide me", "Answer"]
    wanted = (
        "query($id: ID!, $who: ID!) { chat(id: $id) "
        "{ messages(filter: { senderId: $who }) { nodes { seq } } } }"
    )
    mine = await ben.ask(wanted, id=chat_id, who=ana.user_id)
    assert mine["chat"]["messages"]["nodes"] == []


async def test_a_hidden_reply_is_hidden_in_its_thread_as_well(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    root = await ana.send(chat_id, "Root")
    reply = await ana.send(chat_id, "Hide me", threadId=root["id"])
    await ana.send(chat_id, "Let me be seen", threadId=root["id"])
    await ben.done("hideMessage", "", messageId=reply["id"])
    thread = """query($id: ID!) { thread(id: $id) {
      replyCount participants { handle }
      messages { nodes { seq text threadNumber deletedAt } }
    } }"""
    seen = {}
    for person in (ana, ben):
        shown = (await person.ask(thread, id=root["id"]))["thread"]
        assert (shown["replyCount"], shown["participants"]) == (2, [{"handle": "ana"}])
        assert [each["threadNumber"] for each in shown["messages"]["nodes"]] == [1, 2]
        seen[person] = [
            (each["text"], each["deletedAt"] is None) for each in shown["messages"]["nodes"]
        ]
    assert seen[ana] == [("Hide me", True), ("Let me be seen", True)]
    assert seen[ben] == [("", False), ("Let me be seen", True)]


async def test_the_last_message_hidden_looks_deleted(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Last")
    await ana.done("hideMessage", "", messageId=message["id"])
    last = (await chat_of(ana, chat_id))["lastMessage"]
    assert (last["seq"], last["text"]) == (1, "")
    assert last["deletedAt"] is not None


async def test_of_a_hidden_message_ones_own_reactions_are_not_shown_either(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Hide me")
    await ana.done("addReaction", "", messageId=message["id"], emoji="👍")
    hidden = await ana.done(
        "hideMessage", "message { reactions { emoji } viewerReactions }", messageId=message["id"]
    )
    assert hidden["message"] == {"reactions": [], "viewerReactions": []}


async def test_ones_other_devices_hear_of_it_once_and_nobody_else(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    message = await ana.send(chat_id, "Hide me")
    after, theirs = await cursor_of(ana), await cursor_of(ben)
    for _ in range(2):
        await ana.done("hideMessage", "", messageId=message["id"])
    await ana.done("clearHistory", "", chatId=chat_id)
    await ana.send(chat_id, "Next")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        assert await socket.next() == {
            "__typename": "MessageHidden", "messageId": message["id"], "messageSeq": 1,
        }  # fmt: skip
        assert await socket.next() == {
            "__typename": "HistoryCleared", "chatId": chat_id, "clearedSeq": 1,
        }  # fmt: skip
        assert (await socket.next())["__typename"] == "MessageSent"
    async with ben.socket() as socket:
        await socket.subscribe("events", HEARD, after=theirs)
        assert (await socket.next())["__typename"] == "MessageSent"


async def test_a_cleared_history_is_gone_and_read_for_one_and_goes_on(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    for text in ("one", "two", "three"):
        message = await ana.send(chat_id, text)
    payload = await ben.done(
        "clearHistory",
        "clearedSeq chat { viewerMembership { unreadCount readSeq } messages { nodes { id } } }",
        chatId=chat_id,
    )
    assert payload["clearedSeq"] == 3
    assert payload["chat"] == {
        "viewerMembership": {"unreadCount": 0, "readSeq": 3},
        "messages": {"nodes": []},
    }
    assert (await chat_of(ben, chat_id))["lastMessage"] is None
    assert await texts(ana, chat_id) == ["one", "two", "three"]
    given = {"messageId": message["id"], "emoji": "👍"}
    assert await ben.refused("addReaction", "", **given) == "NOT_FOUND"
    await ana.send(chat_id, "four", replyToId=message["id"])
    (shown,) = (await chat_of(ben, chat_id))["messages"]["nodes"]
    assert (shown["text"], shown["seq"], shown["replyTo"]) == ("four", 4, None)
    assert (await chat_of(ben, chat_id))["viewerMembership"]["unreadCount"] == 1
    again = await ben.done("clearHistory", "clearedSeq", chatId=chat_id)
    assert again["clearedSeq"] == 4


async def test_a_message_sent_while_a_history_is_cleared_is_hidden_whole_or_not_at_all(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    for _ in range(5):
        cleared, sent = await asyncio.gather(
            ben.done("clearHistory", "clearedSeq", chatId=chat_id), ana.send(chat_id, "x")
        )
        unseen = sent["seq"] <= cleared["clearedSeq"]
        seen = [m["seq"] for m in (await chat_of(ben, chat_id))["messages"]["nodes"]]
        assert (sent["seq"] not in seen) == unseen
        await ben.done("clearHistory", "", chatId=chat_id)


async def test_what_is_not_there_for_somebody_cannot_be_hidden(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Mine")
    for id_, code in ((message["id"], "NOT_FOUND"), (chat_id, "INVALID_ID"), ("", "INVALID_ID")):
        assert await ben.refused("hideMessage", "message { id }", messageId=id_) == code
    assert await ben.refused("clearHistory", "chat { id }", chatId=chat_id) == "NOT_FOUND"
