"""Drafts: the same on all devices of a person, and nobody else's business."""

import asyncio
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models.drafts import drafts
from resolvers import drafts as use_cases
from tests.journeys.test_resume import cursor_of
from tests.parts.endings import erased

DRAFT = "draft { text version updatedAt replyTo { text } }"
OF_CHAT = "query($id: ID!) { chat(id: $id) { viewerDraft { text version replyTo { text } } } }"
HEARD = """subscription($after: Cursor) { events(after: $after) {
  __typename ... on DraftChanged { chatId threadId draft { text version } }
} }"""


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    phone = server.person()
    await phone.log_in("ana")
    return ana, phone, ben, await ana.group("Talk", ben)


async def save(person, chat_id, text, **more):
    return (await person.done("saveDraft", DRAFT, chatId=chat_id, text=text, **more))["draft"]


async def of_chat(person, chat_id):
    return (await person.ask(OF_CHAT, id=chat_id))["chat"]["viewerDraft"]


async def test_what_one_device_begins_another_goes_on_with(talk):
    ana, phone, ben, chat_id = talk
    message = await ben.send(chat_id, "Question?")
    after = await cursor_of(ana)
    first = await save(ana, chat_id, "I th", replyToId=message["id"])
    async with phone.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        event = await socket.next()
        assert event == {
            "__typename": "DraftChanged",
            "chatId": chat_id,
            "threadId": None,
            "draft": {"text": "I th", "version": first["version"]},
        }
        second = await save(phone, chat_id, "I think", expectedVersion=first["version"])
        assert (await socket.next())["draft"]["text"] == "I think"
        assert await save(phone, chat_id, "") is None
        assert (await socket.next())["draft"] is None
    assert second["version"] != first["version"]
    assert await of_chat(ana, chat_id) is None


async def test_an_older_device_overwrites_nothing_silently(talk):
    ana, phone, _, chat_id = talk
    first = await save(ana, chat_id, "one", expectedVersion=None)
    assert await phone.refused(
        "saveDraft", "", chatId=chat_id, text="other", expectedVersion=None
    ) == ("CONFLICT")
    second = await save(phone, chat_id, "two", expectedVersion=first["version"])
    stale = {"chatId": chat_id, "text": "three", "expectedVersion": first["version"]}
    assert await ana.refused("saveDraft", "", **stale) == "CONFLICT"
    assert (await of_chat(ana, chat_id))["version"] == second["version"]
    # Who does not say what they know wins.
    assert (await save(ana, chat_id, "three"))["text"] == "three"


async def test_of_many_at_once_who_know_the_same_one_gets_through(talk):
    ana, phone, _, chat_id = talk
    given = {"chatId": chat_id, "expectedVersion": None}
    payloads = await asyncio.gather(
        *(
            person.do("saveDraft", DRAFT, **given, text=f"text {n}")
            for n, person in enumerate([ana, phone] * 4)
        )
    )
    assert sum(not payload["errors"] for payload in payloads) == 1


async def test_a_draft_that_stays_the_same_is_no_news(talk):
    ana, phone, _, chat_id = talk
    first = await save(ana, chat_id, "same")
    after = await cursor_of(ana)
    assert await save(phone, chat_id, "same") == first
    async with phone.socket() as socket:
        await socket.subscribe("events", HEARD, after=after)
        await ana.send(chat_id, "next")
        assert (await socket.next())["__typename"] == "MessageSent"


async def test_sending_takes_the_draft_along_that_it_was_made_of(talk):
    ana, phone, _, chat_id = talk
    first = await save(ana, chat_id, "Hello")
    await ana.send(chat_id, "Hello", draftVersion=first["version"])
    assert await of_chat(ana, chat_id) is None
    second = await save(ana, chat_id, "And")
    third = await save(phone, chat_id, "And then")
    await ana.send(chat_id, "And", draftVersion=second["version"])
    assert (await of_chat(ana, chat_id))["version"] == third["version"]
    await ana.send(chat_id, "Another thing")
    assert (await of_chat(ana, chat_id))["version"] == third["version"]


async def test_nobody_else_sees_a_draft_and_who_has_left_writes_none(server, talk):
    ana, _, ben, chat_id = talk
    await save(ana, chat_id, "secret")
    assert await of_chat(ben, chat_id) is None
    await ben.done("leaveChat", "", chatId=chat_id)
    assert await ben.refused("saveDraft", "", chatId=chat_id, text="x") == "NOT_FOUND"
    elsewhere = await ana.send(await ana.group("Other"), "elsewhere")
    given = {"chatId": chat_id, "text": "x"}
    for path in ("replyToId", "threadId"):
        refusal = await ana.do("saveDraft", "", **given, **{path: elsewhere["id"]})
        assert [(e["code"], e["path"]) for e in refusal["errors"]] == [("NOT_FOUND", [path])]


async def test_what_it_answers_is_gone_with_the_message(talk):
    ana, _, ben, chat_id = talk
    message = await ben.send(chat_id, "Question?")
    draft = await save(ana, chat_id, "", replyToId=message["id"])
    assert draft["replyTo"] == {"text": "Question?"}
    await ben.done("deleteMessage", "", messageId=message["id"])
    assert (await of_chat(ana, chat_id))["replyTo"] == {"text": ""}
    stale = {"chatId": chat_id, "text": "x", "replyToId": message["id"]}
    assert await ana.refused("saveDraft", "", **stale) == "NOT_FOUND"


async def test_there_are_only_so_many_and_so_long_drafts(talk, monkeypatch):
    ana, _, _, chat_id = talk
    monkeypatch.setattr(use_cases, "MAX_DRAFTS", 1)
    await save(ana, chat_id, "one")
    other = await ana.group("Other")
    assert await ana.refused("saveDraft", "", chatId=other, text="two") == "CONFLICT"
    assert (await save(ana, chat_id, "x" * 10_000))["text"] == "x" * 10_000
    long = {"chatId": chat_id, "text": "x" * 10_001}
    assert await ana.refused("saveDraft", "", **long) == "TOO_LONG"
    nul = {"chatId": chat_id, "text": "nul \x00"}
    assert await ana.refused("saveDraft", "", **nul) == "INVALID_INPUT"
    version = {"chatId": chat_id, "text": "x", "expectedVersion": str(uuid4())}
    assert await ana.refused("saveDraft", "", **version) == "CONFLICT"


async def test_drafts_go_with_the_account(server, talk):
    ana, _, ben, chat_id = talk
    await save(ben, chat_id, "begun")
    await save(ana, chat_id, "mine")
    await erased(server, ben)
    async with server.program.services.db.reading() as connection:
        assert (await connection.execute(sa.select(drafts.c.text))).scalars().all() == ["mine"]
