"""Searching and expiring as clients see it: over HTTP, and heard on a socket."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from uuid import uuid4

import pytest

from models.messages import messages
from models.search_query import parse
from models.terms import Terms
from resolvers import expiry, retention
from resolvers.services import utc_now
from resolvers.snippets import LENGTH, snippet
from server import worker
from tests.journeys.test_resume import RESUMABLE, cursor_of

SEARCH = """
query Search($words: String!, $filter: MessageFilter, $first: Int, $after: String) {
  searchMessages(query: $words, filter: $filter, first: $first, after: $after) {
    nodes { text }
    edges { snippet cursor node { text sender { handle } chat { id } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
SEND = """
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { message { id text expiresAt deletedAt } errors { code path } }
}
"""


@pytest.fixture
async def talk(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("Talk", ben)


async def search(person, words, **variables):
    return (await person.ask(SEARCH, words=words, **variables))["searchMessages"]


async def test_pages_of_what_was_found_have_snippets_and_cursors(talk):
    ana, ben, chat_id = talk
    for number in range(5):
        await (ana, ben)[number % 2].send(chat_id, f"a red bicycle, number {number}")
    first = await search(ben, "bicycles", first=2)
    assert [edge["snippet"] for edge in first["edges"]] == [
        f"a red <mark>bicycle</mark>, number {number}" for number in (4, 3)
    ]
    info = first["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, False)
    rest = await search(ben, "bicycles", after=info["endCursor"])
    assert [node["text"][-1] for node in rest["nodes"]] == ["2", "1", "0"]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    theirs = await search(ben, "bicycles", filter={"senderId": ana.user_id, "chatId": chat_id})
    assert {edge["node"]["sender"]["handle"] for edge in theirs["edges"]} == {"ana"}
    assert len(theirs["edges"]) == 3


async def test_a_history_has_no_snippets(talk):
    ana, _, chat_id = talk
    await ana.send(chat_id, "hello")
    found = await ana.ask(
        "query($id: ID!) { chat(id: $id) { messages { edges { snippet node { text } } } } }",
        id=chat_id,
    )
    assert found["chat"]["messages"]["edges"] == [{"snippet": None, "node": {"text": "hello"}}]


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"words": ""}, "INVALID_INPUT"),
    ({"words": "-no"}, "INVALID_INPUT"),
    ({"words": "ab*"}, "INVALID_INPUT"),
    ({"words": "x" * 257}, "TOO_LONG"),
    ({"words": "word " * 17}, "INVALID_INPUT"),
    ({"words": "x", "first": 0}, "INVALID_INPUT"),
    ({"words": "x", "first": 201}, "INVALID_INPUT"),
    ({"words": "x", "after": "nonsense"}, "INVALID_INPUT"),
    ({"words": "x", "after": "LTU"}, "INVALID_INPUT"),
    ({"words": "x", "filter": {"chatId": "nonsense"}}, "INVALID_ID"),
    ({"words": "x", "filter": {"senderId": "nonsense"}}, "INVALID_ID"),
    ({"words": "x", "filter": {"sentFrom": "2026-01-01T00:00:00"}}, "INVALID_INPUT"),
]


async def test_what_cannot_be_looked_for_is_refused_with_a_code(talk):
    ana, *_ = talk
    for variables, code in REFUSED:
        response = await ana.post({"query": SEARCH, "variables": variables})
        (error,) = response.json()["errors"]
        assert error["extensions"]["code"] == code, variables


# What of it would run, if it were markup: after escaping there is no tag but ours.
VILE = [
    "<script>alert(1)</script> word",
    "word <img src=x onerror=alert(1)>",
    "<mark>word</mark><svg onload=alert(1)>",
    "</mark><iframe srcdoc='word'>",
    '" onmouseover="alert(1) word',
    "word &lt;script&gt;alert(1)&lt;/script&gt;",
    "<wo<b>rd word</b>",
    "word\u2028<script>\x0b",
    "<" * 300 + " word " + ">" * 300,
]


@pytest.mark.parametrize("text", VILE)
def test_nothing_in_a_snippet_is_markup_but_the_marks(text):
    terms = Terms()
    for words in ("word", '"rd word"', "script alert", "mark", "img onerror"):
        shown = snippet(text, parse(words, terms), terms)
        plain = re.sub(r"<mark>[^<>]*</mark>", "", shown)
        assert not set(plain) & set("<>\"'"), words
        assert html.unescape(re.sub(r"</?mark>", "", shown)).strip("…") in re.sub(r"\s+", " ", text)


async def test_what_was_sent_as_markup_is_found_as_text(talk):
    ana, _, chat_id = talk
    await ana.send(chat_id, "<b onload=alert(1)>word</b>")
    (edge,) = (await search(ana, "word"))["edges"]
    assert edge["snippet"] == "&lt;b onload=alert(1)&gt;<mark>word</mark>&lt;/b&gt;"


def test_a_snippet_shows_the_first_word_found_of_a_long_text():
    terms = Terms()
    text = "filler words " * 400 + "the needle " + "more of it " * 400
    shown = snippet(text, parse("needles", terms), terms)
    assert "<mark>needle</mark>" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= LENGTH + len("……<mark></mark>")
    longest = snippet("x" * 10_000, parse("x" * 64, terms), terms)
    assert longest == f"<mark>{'x' * LENGTH}</mark>…"


async def test_an_expired_message_is_nowhere_and_then_is_told(server, talk):
    ana, ben, chat_id = talk
    input_ = {
        "chatId": chat_id,
        "text": "for a while",
        "clientMessageId": "0190f5e0-0000-4000-8000-000000000001",
        "expiresInSeconds": 3600,
    }
    sent = (await ana.ask(SEND, input=input_))["sendMessage"]["message"]
    assert sent["expiresAt"] is not None
    after = await cursor_of(ben)
    services = server.program.services
    async with services.db.writing() as connection:
        gone = utc_now() - timedelta(seconds=1)
        await connection.execute(messages.update().values(expires_at=gone))
    assert (await search(ben, "while"))["edges"] == []
    shown = await ben.ask(
        """query($id: ID!, $chat: ID!) {
            node(id: $id) { ... on Message { ...it } }
            chat(id: $chat) {
                message(id: $id) { ...it } lastMessage { ...it } messages { nodes { ...it } }
            }
        }
        fragment it on Message { text html deletedAt }""",
        id=sent["id"],
        chat=chat_id,
    )
    chat = shown["chat"]
    seen = [shown["node"], chat["message"], chat["lastMessage"], *chat["messages"]["nodes"]]
    assert {each["text"] for each in seen} == {""}
    assert {each["html"] for each in seen} == {""}
    assert len({each["deletedAt"] for each in seen} - {None}) == 1
    await worker.expire_messages(services, server.settings)
    told = "... on MessageExpired { messageId messageSeq } ... on MessageEdited"
    events = RESUMABLE.replace("... on MessageEdited", told)
    async with ben.socket() as socket:
        await socket.subscribe("events", events, after=after)
        event = await socket.next()
    assert event["__typename"] == "MessageExpired"
    assert (event["messageId"], event["messageSeq"]) == (sent["id"], 1)
    again = (await ana.ask(SEND, input=input_))["sendMessage"]
    assert (again["message"]["id"], again["message"]["text"]) == (sent["id"], "")


async def test_no_other_times_are_taken(talk):
    ana, _, chat_id = talk
    for seconds in (0, 4, expiry.MAX_SECONDS + 1, -5):
        sent = {"chatId": chat_id, "text": "never", "clientMessageId": str(uuid4())}
        answer = await ana.ask(SEND, input={**sent, "expiresInSeconds": seconds})
        (error,) = answer["sendMessage"]["errors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["expiresInSeconds"])


def test_retention_looks_further_ahead_than_it_comes_by():
    (job,) = [job for job in worker.JOBS if job.name == "apply_retention"]
    assert job.every * 2 < retention.AHEAD
