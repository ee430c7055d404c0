"""Answers that quote the words which they are about."""

from uuid import uuid4

import pytest

SHOWN = "message { id text quote replyTo { text deletedAt } }"


async def answer(person, chat_id, message, quote, **more):
    given = {"chatId": chat_id, "text": "Yes", "clientMessageId": str(uuid4()), **more}
    payload = await person.done("sendMessage", SHOWN, **given, replyToId=message["id"], quote=quote)
    return payload["message"]


async def test_an_answer_quotes_words_and_keeps_them_whatever_becomes_of_them(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    question = await ana.send(chat_id, "Pizza **at seven** or later?")
    reply = await answer(ben, chat_id, question, "at seven")
    assert (reply["quote"], reply["replyTo"]["text"]) == (
        "at seven",
        "Pizza **at seven** or later?",
    )
    await ana.done("editMessage", "", messageId=question["id"], text="Sushi?")
    await ben.done("editMessage", "", messageId=reply["id"], text="No")
    node = f"query($id: ID!) {{ node(id: $id) {{ ... on Message {{ {SHOWN[10:-2]} }} }} }}"
    shown = (await ana.ask(node, id=reply["id"]))["node"]
    assert (shown["text"], shown["quote"], shown["replyTo"]["text"]) == ("No", "at seven", "Sushi?")
    await ana.done("deleteMessage", "", messageId=question["id"])
    shown = (await ana.ask(node, id=reply["id"]))["node"]
    assert (shown["quote"], shown["replyTo"]["text"]) == ("at seven", "")
    assert shown["replyTo"]["deletedAt"] is not None
    await ben.done("deleteMessage", "", messageId=reply["id"])
    assert (await ana.ask(node, id=reply["id"]))["node"]["quote"] is None


async def test_a_retry_is_the_same_although_the_words_are_gone(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    question = await ana.send(chat_id, "Pizza at seven?")
    key = str(uuid4())
    first = await answer(ana, chat_id, question, "seven", clientMessageId=key)
    await ana.done("editMessage", "", messageId=question["id"], text="Sushi?")
    again = await answer(ana, chat_id, question, "seven", clientMessageId=key)
    assert again["id"] == first["id"]
    given = {"chatId": chat_id, "text": "Yes", "clientMessageId": key, "replyToId": question["id"]}
    assert await ana.refused("sendMessage", "", **given, quote="Sushi") == "CONFLICT"


@pytest.mark.parametrize(
    ("quote", "code"),
    [
        ("never said", "INVALID_INPUT"),
        ("pizza", "INVALID_INPUT"),
        ("", "INVALID_INPUT"),
        (" ", "INVALID_INPUT"),
        ("x" * 1025, "TOO_LONG"),
        ("\x00", "INVALID_INPUT"),
    ],
)
async def test_only_words_of_the_message_are_quoted(sqlite_server, quote, code):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Team")
    question = await ana.send(chat_id, "Pizza at " + "x" * 2000)
    given = {"chatId": chat_id, "text": "re", "clientMessageId": str(uuid4())}
    payload = await ana.do("sendMessage", "", **given, replyToId=question["id"], quote=quote)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (code, ["quote"])


async def test_a_quote_needs_a_message_that_is_there(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id, other_id = await ana.group("Team", ben), await ana.group("Other")
    given = {"chatId": chat_id, "text": "re", "clientMessageId": str(uuid4()), "quote": "words"}
    assert await ben.refused("sendMessage", "", **given) == "INVALID_INPUT"
    deleted = await ana.send(chat_id, "words")
    await ana.done("deleteMessage", "", messageId=deleted["id"])
    elsewhere = await ana.send(other_id, "words")
    for message in (deleted, elsewhere):
        code = await ben.refused("sendMessage", "", **given, replyToId=message["id"])
        assert code == "NOT_FOUND"
    # Also who may read both cannot answer the one in the chat of the other.
    assert await ana.refused("sendMessage", "", **given, replyToId=elsewhere["id"]) == "NOT_FOUND"


async def test_a_deleted_message_is_not_answered(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Team")
    message = await ana.send(chat_id, "Gone in a moment")
    await ana.done("deleteMessage", "", messageId=message["id"])
    given = {"chatId": chat_id, "text": "re", "clientMessageId": str(uuid4())}
    code = await ana.refused("sendMessage", "", **given, replyToId=message["id"])
    assert code == "NOT_FOUND"
