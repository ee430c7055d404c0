"""Messages: sending once, editing, deleting, replying, reading."""

import asyncio
from uuid import uuid4

import pytest

HISTORY = """query($id: ID!) { chat(id: $id) {
  messages { nodes { id seq text deletedAt editedAt replyTo { text } sender { handle } } }
  viewerMembership { readSeq unreadCount }
} }"""


async def history(person, chat_id):
    chat = (await person.ask(HISTORY, id=chat_id))["chat"]
    return chat["messages"]["nodes"]


async def unread(person, chat_id):
    return (await person.ask(HISTORY, id=chat_id))["chat"]["viewerMembership"]["unreadCount"]


async def test_messages_are_numbered_without_gaps_however_many_are_sent_at_once(server):
    people = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await people[0].group("Busy", *people[1:])
    sent = await asyncio.gather(
        *(person.send(chat_id, f"{n}") for n in range(10) for person in people)
    )
    assert sorted(message["seq"] for message in sent) == list(range(1, 31))
    stored = await history(people[0], chat_id)
    assert {m["seq"]: m["text"] for m in stored} == {m["seq"]: m["text"] for m in sent}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "INVALID_INPUT"),
        (" \n\t ", "INVALID_INPUT"),
        ("x" * 10_001, "TOO_LONG"),
        ("nul \x00 inside", "INVALID_INPUT"),
    ],
)
async def test_a_text_that_cannot_be_sent_is_refused_and_nothing_is_stored(server, text, code):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    payload = await ana.do(
        "sendMessage",
        "message { id }",
        chatId=chat_id,
        text=text,
        clientMessageId=str(uuid4()),
    )
    assert [error["code"] for error in payload["errors"]] == [code]
    assert payload["errors"][0]["path"] == ["text"]
    assert await history(ana, chat_id) == []
    message = await ana.send(chat_id, "fits")
    assert message["seq"] == 1
    edit = {"messageId": message["id"], "text": text}
    assert await ana.refused("editMessage", "message { id }", **edit) == code


async def test_a_text_that_is_too_long_says_by_how_much(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    data = await ana.ask(
        "mutation($i: SendMessageInput!) { sendMessage(input: $i) { errors { code "
        "... on TooLongError { actual maximum } } } }",
        i={"chatId": chat_id, "text": "é" * 10_001, "clientMessageId": str(uuid4())},
    )
    assert data["sendMessage"]["errors"] == [
        {"code": "TOO_LONG", "actual": 10_001, "maximum": 10_000}
    ]


TEXTS = [
    "x" * 10_000,
    "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL} \N{RIGHT-TO-LEFT OVERRIDE}\N{ARABIC LETTER MEEM}",
    "a\n\n<script>alert(1)</script>",
    "  spaces  ",
]


@pytest.mark.parametrize("text", TEXTS)
async def test_a_text_comes_back_as_it_was_written(server, text):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    assert (await ana.send(chat_id, text))["text"] == text
    assert (await history(ana, chat_id))[0]["text"] == text


async def test_the_same_client_id_with_other_content_is_a_conflict(server):
    ana = await server.registered("ana")
    chat_id, other_id = await ana.group("One"), await ana.group("Other")
    key = str(uuid4())
    first = await ana.send(chat_id, "Hello", clientMessageId=key)
    for change in ({"text": "Other"}, {"chatId": other_id}, {"replyToId": first["id"]}):
        given = {"chatId": chat_id, "text": "Hello", "clientMessageId": key, **change}
        assert await ana.refused("sendMessage", "message { id }", **given) == "CONFLICT"
    assert len(await history(ana, chat_id)) == 1
    assert await history(ana, other_id) == []


async def test_a_retry_is_recognised_also_after_an_edit_and_a_deletion(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    key = str(uuid4())
    first = await ana.send(chat_id, "Hello", clientMessageId=key)
    await ana.done("editMessage", "message { id }", messageId=first["id"], text="Hallo")
    again = await ana.send(chat_id, "Hello", clientMessageId=key)
    assert (again["id"], again["text"]) == (first["id"], "Hallo")
    await ana.done("deleteMessage", "", messageId=first["id"])
    again = await ana.send(chat_id, "Hello", clientMessageId=key)
    assert (again["id"], again["text"]) == (first["id"], "")


async def test_one_id_sent_many_times_at_once_is_stored_once(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    key = str(uuid4())
    sent = await asyncio.gather(*(ana.send(chat_id, "Once", clientMessageId=key) for _ in range(8)))
    assert {message["seq"] for message in sent} == {1}
    assert len(await history(ana, chat_id)) == 1


async def test_one_id_sent_into_two_chats_at_once_is_stored_in_one(server):
    ana = await server.registered("ana")
    chats = [await ana.group("One"), await ana.group("Other")]
    for _ in range(5):
        key = str(uuid4())
        payloads = await asyncio.gather(
            *(
                ana.do("sendMessage", "message { id }", chatId=chat, text="x", clientMessageId=key)
                for chat in chats
            )
        )
        codes = [error["code"] for payload in payloads for error in payload["errors"]]
        assert codes == ["CONFLICT"]


async def test_two_people_may_use_the_same_client_id(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    key = str(uuid4())
    await ana.send(chat_id, "mine", clientMessageId=key)
    await ben.send(chat_id, "mine too", clientMessageId=key)
    assert [m["text"] for m in await history(ana, chat_id)] == ["mine", "mine too"]


async def test_only_the_sender_edits_and_admins_delete(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben, cyd)
    message = await ben.send(chat_id, "mine")
    edit = {"messageId": message["id"], "text": "yours"}
    assert await ana.refused("editMessage", "message { id }", **edit) == "FORBIDDEN"
    delete = {"messageId": message["id"]}
    assert await cyd.refused("deleteMessage", "", **delete) == "FORBIDDEN"
    await ana.done("deleteMessage", "", **delete)
    await ben.done("deleteMessage", "", **delete)  # once more changes nothing
    (stored,) = await history(ana, chat_id)
    assert (stored["text"], stored["seq"]) == ("", 1)
    assert stored["deletedAt"] is not None
    assert await ben.refused("editMessage", "message { id }", **edit) == "NOT_FOUND"


async def test_an_edit_that_changes_nothing_tells_nobody(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "same")
    async with ana.listening() as socket:
        payload = await ana.done(
            "editMessage", "message { editedAt }", messageId=message["id"], text="same"
        )
        assert payload["message"]["editedAt"] is None
        await ana.send(chat_id, "next")
        assert (await socket.next())["__typename"] == "MessageSent"


async def test_a_reply_shows_what_it_answers_to_those_who_may_read_that(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team")
    question = await ana.send(chat_id, "Question?")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    await ana.send(chat_id, "Answer", replyToId=question["id"])
    whole = await history(ana, chat_id)
    assert whole[-1]["replyTo"] == {"text": "Question?"}
    # His own coming comes first.
    assert await history(ben, chat_id) == [whole[1], {**whole[2], "replyTo": None}]


async def test_a_reply_to_what_is_not_there_is_refused(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id, other_id = await ana.group("Team"), await ana.group("Other")
    elsewhere = await ana.send(other_id, "elsewhere")
    before = await ana.send(chat_id, "before ben")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    given = {"chatId": chat_id, "text": "re", "clientMessageId": str(uuid4())}
    for person, reply in [(ana, elsewhere), (ben, before)]:
        code = await person.refused("sendMessage", "", **given, replyToId=reply["id"])
        assert code == "NOT_FOUND"
    assert await ana.refused("sendMessage", "", **given, replyToId="x") == "INVALID_ID"


async def test_unread_counts_follow_what_is_sent_and_read(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    for n in range(3):
        await ana.send(chat_id, str(n))
    assert await unread(ana, chat_id) == 0
    assert await unread(ben, chat_id) == 3
    assert (await ben.ask("{ viewer { unreadCount } }"))["viewer"]["unreadCount"] == 3
    read = "chat { viewerMembership { readSeq unreadCount } }"
    payload = await ben.done("markRead", read, chatId=chat_id, seq=2)
    assert payload["chat"]["viewerMembership"] == {"readSeq": 2, "unreadCount": 1}
    payload = await ben.done("markRead", read, chatId=chat_id, seq=1)
    assert payload["chat"]["viewerMembership"]["readSeq"] == 2
    payload = await ben.done("markRead", read, chatId=chat_id, seq=2_000_000_000)
    assert payload["chat"]["viewerMembership"] == {"readSeq": 3, "unreadCount": 0}
    assert await ben.refused("markRead", "", chatId=chat_id, seq=-1) == "INVALID_INPUT"
    await ben.send(chat_id, "mine is read")
    assert await unread(ben, chat_id) == 0
    assert await unread(ana, chat_id) == 1


async def test_who_comes_later_has_nothing_unread_from_before(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team")
    await ana.send(chat_id, "before")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[ben.user_id])
    assert await unread(ben, chat_id) == 1  # that he was added
    await ana.send(chat_id, "after")
    assert await unread(ben, chat_id) == 2
