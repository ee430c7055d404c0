"""Threads: replies beside the chat's talk, counted for those who follow them."""

import asyncio
from uuid import uuid4

import pytest

from realtime import thread_feed
from tests.journeys.test_resume import cursor_of
from tests.parts.people import subscribers, until_subscribed
from tests.schema.test_query_counts import statements

THREAD = """thread {
  id replyCount lastReplyAt viewerFollows viewerReadCount viewerUnreadCount
  participants { handle } root { text }
}"""
SHOWN = f"query($id: ID!) {{ {THREAD.replace('thread {', 'thread(id: $id) {', 1)} }}"
HISTORY = """query($id: ID!) { chat(id: $id) { messages { nodes {
  text threadId threadNumber thread { id replyCount root { text } }
} } viewerMembership { unreadCount } } }"""
REPLIES = """query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  thread(id: $id) { messages(first: $first, after: $after, last: $last, before: $before) {
    nodes { text threadNumber } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }
}"""
FOLLOWED = """query($first: Int, $after: String, $unread: Boolean! = false) { viewer {
  threads(first: $first, after: $after, unread: $unread) {
    nodes { root { text } viewerUnreadCount } pageInfo { hasNextPage endCursor }
  }
} }"""
HEARD = """subscription($id: ID!, $after: Cursor) { threadEvents(threadId: $id, after: $after) {
  __typename cursor seq chat { id }
  ... on MessageSent { message { text threadNumber } }
  ... on MessageEdited { message { text } }
  ... on MessageDeleted { messageSeq threadId }
  ... on ReactionsChanged { message { text reactions { emoji } } }
  ... on PollChanged { message { text } }
  ... on MemberLeft { membership { user { handle } } }
} }"""
CHANGED = """subscription($after: Cursor) { events(after: $after) {
  __typename ... on ThreadChanged { threadId thread { viewerFollows viewerReadCount } }
} }"""


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    return ana, ben, chat_id, await ana.send(chat_id, "Lunch?")


async def thread(person, root):
    return (await person.ask(SHOWN, id=root["id"]))["thread"]


async def counts(person, root):
    shown = await thread(person, root)
    names = ("replyCount", "viewerFollows", "viewerReadCount", "viewerUnreadCount")
    return tuple(shown[name] for name in names)


async def history(person, chat_id):
    return (await person.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]


async def test_replies_are_messages_of_the_chat_that_know_their_thread(talk):
    ana, ben, chat_id, root = talk
    await ben.send(chat_id, "Yes", threadId=root["id"])
    await ben.send(chat_id, "Something else")
    shown = await thread(ana, root)
    assert (shown["root"], shown["replyCount"]) == ({"text": "Lunch?"}, 1)
    await ana.send(chat_id, "At noon", threadId=shown["id"])
    id_ = shown["id"]
    of_thread = {"id": id_, "replyCount": 2, "root": {"text": "Lunch?"}}
    assert await history(ben, chat_id) == [
        {"text": "Lunch?", "threadId": None, "threadNumber": None, "thread": of_thread},
        {"text": "Yes", "threadId": id_, "threadNumber": 1, "thread": of_thread},
        {"text": "Something else", "threadId": None, "threadNumber": None, "thread": None},
        {"text": "At noon", "threadId": id_, "threadNumber": 2, "thread": of_thread},
    ]
    assert (await ana.ask("query($id: ID!) { node(id: $id) { id __typename } }", id=id_)) == {
        "node": {"id": id_, "__typename": "Thread"}
    }


async def test_who_writes_follows_and_so_does_whose_message_it_is(server, talk):
    ana, ben, chat_id, root = talk
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    root = await ana.send(chat_id, "Dinner?")
    assert await counts(ana, root) == (0, False, None, None)
    await ben.send(chat_id, "Yes", threadId=root["id"])
    assert await counts(ana, root) == (1, True, 0, 1)
    assert await counts(ben, root) == (1, True, 1, 0)
    assert await counts(cyd, root) == (1, False, None, None)
    await cyd.done("followThread", THREAD, threadId=root["id"])
    assert await counts(cyd, root) == (1, True, 1, 0)  # from now on
    await ana.send(chat_id, "Good", threadId=root["id"])
    assert await counts(ana, root) == (2, True, 2, 0)
    assert await counts(ben, root) == (2, True, 1, 1)
    await ben.done("unfollowThread", THREAD, threadId=root["id"])
    await ana.send(chat_id, "Eight?", threadId=root["id"])
    assert await counts(ben, root) == (3, False, None, None)
    await ben.send(chat_id, "Eight.", threadId=root["id"])
    assert await counts(ben, root) == (4, True, 4, 0)
    people = [person["handle"] for person in (await thread(ana, root))["participants"]]
    assert people == ["ben", "ana"]


async def test_whose_message_it_is_follows_nothing_who_said_so_before_it_began(talk):
    ana, ben, chat_id, root = talk
    after = await cursor_of(ana)
    for _ in range(2):
        await ana.done("unfollowThread", THREAD, threadId=root["id"])
    await ben.send(chat_id, "Yes", threadId=root["id"])
    assert await counts(ana, root) == (1, False, None, None)
    await ana.done("followThread", THREAD, threadId=root["id"])
    assert await counts(ana, root) == (1, True, 1, 0)
    await ben.send(chat_id, "Well?", threadId=root["id"])
    assert await counts(ana, root) == (2, True, 1, 1)
    async with ana.socket() as socket:
        await socket.subscribe("events", CHANGED, after=after)
        told = [(await socket.next())["__typename"] for _ in range(3)]
    # Nothing has changed for her before.
    assert told == ["MessageSent", "ThreadChanged", "MessageSent"]


async def test_nobody_has_replies_to_read_from_while_they_were_away(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Talk", ben, cyd)
    await ana.done("updateChat", "", chatId=chat_id, historyVisibility="FROM_START")
    root, silent = await ana.send(chat_id, "Root"), await ben.send(chat_id, "Ben's own")
    await ben.send(chat_id, "Reply", threadId=root["id"])
    await cyd.send(chat_id, "Another", threadId=root["id"])
    for person in (ben, cyd):
        await person.done("leaveChat", "", chatId=chat_id)
    for n in range(3):
        await ana.send(chat_id, f"While they are away {n}", threadId=root["id"])
        await ana.send(chat_id, f"In the other as well {n}", threadId=silent["id"])
    await ana.done(
        "addMembers", "", chatId=chat_id, userIds=[person.user_id for person in (ben, cyd)]
    )
    for person in (ben, cyd):
        assert (await person.ask(FOLLOWED, unread=True))["viewer"]["threads"]["nodes"] == []
        assert await counts(person, root) == (5, True, 5, 0)
    await ana.send(chat_id, "Welcome", threadId=root["id"])
    # It is his message, so he follows it as soon as somebody replies again.
    await ana.send(chat_id, "Welcome, too", threadId=silent["id"])
    assert await counts(ben, root) == await counts(cyd, root) == (6, True, 5, 1)
    assert await counts(ben, silent) == (4, True, 3, 1)
    assert await counts(cyd, silent) == (4, False, None, None)


async def test_reading_moves_a_pointer_forward_and_never_back(talk):
    ana, ben, chat_id, root = talk
    for n in range(3):
        await ben.send(chat_id, f"{n}", threadId=root["id"])
    for number, read in ((2, 2), (1, 2), (0, 2), (2_000_000_000, 3)):
        payload = await ana.done("markThreadRead", THREAD, threadId=root["id"], number=number)
        assert payload["thread"]["viewerReadCount"] == read
    assert await counts(ana, root) == (3, True, 3, 0)
    given = {"threadId": root["id"], "number": -1}
    assert await ana.refused("markThreadRead", "", **given) == "INVALID_INPUT"
    # The chat's pointer is another one.
    data = await ana.ask(HISTORY, id=chat_id)
    assert data["chat"]["viewerMembership"]["unreadCount"] == 3


async def test_replies_of_many_at_once_are_all_counted(talk):
    ana, ben, chat_id, root = talk
    await asyncio.gather(
        *(p.send(chat_id, f"{n}", threadId=root["id"]) for n in range(8) for p in (ana, ben))
    )
    assert (await thread(ana, root))["replyCount"] == 16
    data = await ana.ask(REPLIES, id=root["id"], first=50)
    numbers = [each["threadNumber"] for each in data["thread"]["messages"]["nodes"]]
    assert numbers == list(range(1, 17))


async def test_a_threads_replies_are_paged_both_ways(talk):
    ana, ben, chat_id, root = talk
    other = await ana.send(chat_id, "Other")
    for n in range(7):
        await ben.send(chat_id, f"{n}", threadId=root["id"])
        await ben.send(chat_id, f"other {n}", threadId=other["id"])
    seen, page = [], {"first": 3}
    while True:
        found = (await ana.ask(REPLIES, id=root["id"], **page))["thread"]["messages"]
        seen += [each["text"] for each in found["nodes"]]
        if not found["pageInfo"]["hasNextPage"]:
            break
        page = {"first": 3, "after": found["pageInfo"]["endCursor"]}
    assert seen == [f"{n}" for n in range(7)]
    last = (await ana.ask(REPLIES, id=root["id"], last=2))["thread"]["messages"]
    assert [each["text"] for each in last["nodes"]] == ["5", "6"]
    before = last["pageInfo"]["startCursor"]
    earlier = (await ana.ask(REPLIES, id=root["id"], last=2, before=before))["thread"]["messages"]
    assert [each["text"] for each in earlier["nodes"]] == ["3", "4"]
    assert earlier["pageInfo"]["hasPreviousPage"]


async def test_a_deleted_reply_keeps_its_place_and_a_deleted_root_its_thread(talk):
    ana, ben, chat_id, root = talk
    reply = await ben.send(chat_id, "Yes", threadId=root["id"])
    await ben.done("deleteMessage", "", messageId=reply["id"])
    assert (await thread(ana, root))["replyCount"] == 1
    await ana.done("deleteMessage", "", messageId=root["id"])
    assert (await thread(ben, root))["root"] == {"text": ""}
    given = {"chatId": chat_id, "text": "Late", "clientMessageId": str(uuid4())}
    assert await ben.refused("sendMessage", "", **given, threadId=root["id"]) == "NOT_FOUND"


async def test_a_thread_starts_only_from_a_message_that_is_there_for_its_sender(server, talk):
    ana, ben, chat_id, root = talk
    reply = await ben.send(chat_id, "Yes", threadId=root["id"])
    elsewhere = await ana.send(await ana.group("Other"), "elsewhere")
    cyd = await server.registered("cyd")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    given = {"chatId": chat_id, "text": "x", "clientMessageId": str(uuid4())}
    for person, id_ in ((ana, reply["id"]), (ana, elsewhere["id"]), (cyd, root["id"])):
        payload = await person.do("sendMessage", "", **given, threadId=id_)
        assert [(e["code"], e["path"]) for e in payload["errors"]] == [("NOT_FOUND", ["threadId"])]
    for mutation in ("followThread", "unfollowThread"):
        assert await cyd.refused(mutation, "", threadId=root["id"]) == "NOT_FOUND"
        assert await ana.refused(mutation, "", threadId=reply["id"]) == "NOT_FOUND"
        assert await ana.refused(mutation, "", threadId="x") == "INVALID_ID"
    assert await thread(cyd, root) is None
    # Nothing but that they were added.
    assert [each["text"] for each in await history(cyd, chat_id)] == [""]
    await ana.send(chat_id, "Noon", threadId=root["id"])
    (shown,) = [each for each in await history(cyd, chat_id) if each["threadNumber"]]
    assert (shown["text"], shown["thread"]) == ("Noon", None)


async def test_the_threads_that_one_follows_are_listed_the_latest_first(talk):
    ana, ben, chat_id, _ = talk
    roots = [await ana.send(chat_id, f"root {n}") for n in range(3)]
    for root in (roots[1], roots[0], roots[2], roots[1]):
        await ben.send(chat_id, "re", threadId=root["id"])
    await ana.done("markThreadRead", "", threadId=roots[2]["id"], number=1)

    async def listed(**given):
        page = (await ana.ask(FOLLOWED, **given))["viewer"]["threads"]
        texts = [(node["root"]["text"], node["viewerUnreadCount"]) for node in page["nodes"]]
        return texts, page["pageInfo"]

    assert (await listed())[0] == [("root 1", 2), ("root 2", 0), ("root 0", 1)]
    assert (await listed(unread=True))[0] == [("root 1", 2), ("root 0", 1)]
    first, info = await listed(first=2)
    assert (first, info["hasNextPage"]) == ([("root 1", 2), ("root 2", 0)], True)
    assert (await listed(first=2, after=info["endCursor"]))[0] == [("root 0", 1)]
    await ana.done("unfollowThread", "", threadId=roots[1]["id"])
    assert (await listed(unread=True))[0] == [("root 0", 1)]
    bad = await ana.run(FOLLOWED, after="x")
    assert bad["errors"][0]["extensions"]["code"] == "INVALID_INPUT"
    # Who has left sees none, and all again who comes back and may read them.
    await ben.done("leaveChat", "", chatId=chat_id)
    assert (await ben.ask(FOLLOWED))["viewer"]["threads"]["nodes"] == []


async def test_the_other_devices_hear_what_one_follows_and_has_read(talk):
    ana, ben, chat_id, root = talk
    await ben.send(chat_id, "Yes", threadId=root["id"])
    after = await cursor_of(ana)
    await ana.done("markThreadRead", "", threadId=root["id"], number=1)
    await ana.done("markThreadRead", "", threadId=root["id"], number=1)  # changes nothing
    await ana.done("unfollowThread", "", threadId=root["id"])
    await ana.done("unfollowThread", "", threadId=root["id"])
    await ana.send(chat_id, "next")
    async with ana.socket() as socket:
        await socket.subscribe("events", CHANGED, after=after)
        told = [await socket.next() for _ in range(3)]
    names = [event["__typename"] for event in told]
    assert names == ["ThreadChanged", "ThreadChanged", "MessageSent"]
    assert told[0]["thread"] == {"viewerFollows": False, "viewerReadCount": None}


MANY = """query($id: ID!, $last: Int!) { chat(id: $id) { messages(last: $last) { nodes {
  thread { replyCount viewerUnreadCount root { text } participants { handle } viewerDraft { text }
           messages(last: 2) { nodes { text sender { handle } } } }
  poll { options { voteCount voters(first: 2) { nodes { handle } } } viewerVotes }
} } } }"""


async def test_twenty_threads_and_polls_take_no_more_statements_than_one(server, talk):
    ana, ben, chat_id, _ = talk
    for n in range(10):
        poll = {"question": f"{n}?", "options": ["a", "b"]}
        given = {"chatId": chat_id, "clientMessageId": str(uuid4()), "poll": poll}
        root = (await ana.done("sendMessage", "message { id }", **given))["message"]
        await ben.done("votePoll", "", messageId=root["id"], options=[n % 2])
        await ben.send(chat_id, f"re {n}", threadId=root["id"])
    up_to_date = asyncio.Event()
    server.program.services.node.tailer.at_boundary(up_to_date.set)
    await up_to_date.wait()

    async def count(last):
        with statements(server.program.services.db) as seen:
            nodes = (await ana.ask(MANY, id=chat_id, last=last))["chat"]["messages"]["nodes"]
        assert len(nodes) == last
        assert all(node["thread"]["replyCount"] == 1 for node in nodes)
        assert sum(node["poll"] is not None for node in nodes) == last // 2
        return len(seen)

    assert await count(20) <= await count(2)


# --- the subscription ---------------------------------------------------------------------------


async def test_a_subscription_tells_of_its_thread_alone_and_resumes(server, talk):
    ana, ben, chat_id, root = talk
    other = await ana.send(chat_id, "Other")
    after = await cursor_of(ana)
    first = await ben.send(chat_id, "one", threadId=root["id"])
    await ben.send(chat_id, "beside")
    await ben.send(chat_id, "of another", threadId=other["id"])
    await ben.done("addReaction", "", messageId=root["id"], emoji="👍")
    await ben.done("addReaction", "", messageId=other["id"], emoji="👍")
    await ben.done("markRead", "", chatId=chat_id, seq=3)
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, id=root["id"], after=after)
        sent, reacted = [await socket.next(), await socket.next()]
        assert sent["message"] == {"text": "one", "threadNumber": 1}
        assert reacted["message"] == {"text": "Lunch?", "reactions": [{"emoji": "👍"}]}
        cursor = reacted["cursor"]
    await ben.send(chat_id, "beside again")
    await ben.done("editMessage", "", messageId=first["id"], text="ONE")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, id=root["id"], after=cursor)
        edited = await socket.next()
        assert (edited["__typename"], edited["message"]) == ("MessageEdited", {"text": "ONE"})
        await ben.send(chat_id, "live beside")
        await ben.send(chat_id, "two", threadId=root["id"])
        assert (await socket.next())["message"] == {"text": "two", "threadNumber": 2}
        await ben.done("deleteMessage", "", messageId=first["id"])
        deleted = await socket.next()
        assert (deleted["__typename"], deleted["messageSeq"]) == ("MessageDeleted", first["seq"])
        assert deleted["threadId"] == (await thread(ana, root))["id"]
        # Its cursors say nothing of other threads, nor of everything.
        await socket.subscribe("other", HEARD, id=other["id"], after=deleted["cursor"])
        refused = await socket.receive()
        assert refused["payload"][0]["extensions"]["code"] == "INVALID_CURSOR"


async def test_every_reply_arrives_once_however_often_the_socket_is_cut(talk):
    ana, ben, chat_id, root = talk
    cursor = await cursor_of(ana)
    heard: list[str] = []

    async def write():
        for n in range(30):
            await ben.send(chat_id, f"{n}", threadId=root["id"])
            await ben.send(chat_id, "beside")

    writing = asyncio.create_task(write())
    while len(heard) < 30:
        async with ana.socket() as socket:
            await socket.subscribe("events", HEARD, id=root["id"], after=cursor)
            for _ in range(min(4, 30 - len(heard))):
                event = await socket.next()
                heard.append(event["message"]["text"])
                cursor = event["cursor"]
    await writing
    assert heard == [f"{n}" for n in range(30)]


async def test_who_hears_nothing_of_a_busy_chat_gets_a_fresh_cursor(talk, monkeypatch):
    monkeypatch.setattr(thread_feed, "SKIPPED", 3)
    ana, ben, chat_id, root = talk
    after = await cursor_of(ana)
    for n in range(7):
        await ben.send(chat_id, f"beside {n}")
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, id=root["id"], after=after)
        cursors = [await socket.next(), await socket.next()]
        assert [event["__typename"] for event in cursors] == ["CursorAdvanced"] * 2
        await ben.send(chat_id, "re", threadId=root["id"])
        assert (await socket.next())["message"]["text"] == "re"
    async with ana.socket() as socket:
        await socket.subscribe("events", HEARD, id=root["id"], after=cursors[1]["cursor"])
        assert (await socket.next())["message"]["text"] == "re"


async def test_only_who_may_read_a_thread_hears_it_and_until_they_leave(server, talk):
    ana, ben, chat_id, root = talk
    cyd = await server.registered("cyd")
    for person, id_ in ((cyd, root["id"]), (ana, "x")):
        async with person.socket() as socket:
            await socket.subscribe("events", HEARD, id=id_)
            assert (await socket.receive())["type"] == "error"
    await ana.done("addMembers", "", chatId=chat_id, userIds=[cyd.user_id])
    async with cyd.socket() as socket:  # from before their time
        await socket.subscribe("events", HEARD, id=root["id"])
        assert (await socket.receive())["payload"][0]["extensions"]["code"] == "NOT_FOUND"
    async with ben.socket() as socket:
        before = await subscribers(ana._http)
        await socket.subscribe("events", HEARD, id=root["id"])
        await until_subscribed(ana.url, before + 1)
        await ben.done("leaveChat", "", chatId=chat_id)
        left = await socket.next()
        assert left["membership"] == {"user": {"handle": "ben"}}
        await ana.send(chat_id, "secret", threadId=root["id"])
        await socket.subscribe("again", HEARD, id=root["id"], after=left["cursor"])
        refused = await socket.receive()
        assert (refused["id"], refused["type"]) == ("again", "error")
