"""Word filters: what chats and the server do not let through."""

import asyncio
from uuid import uuid4

import pytest

from models import word_filters as stored
from resolvers import filter_cache, word_filters
from resolvers.matching import MAX_PROGRAMS, Matcher, checked_pattern
from tests.parts.roles import administrator
from tests.parts.running import running
from tests.resolvers.test_bans import LOG, make_admin

FILTERS = """query($id: ID!) { chat(id: $id) { wordFilters { pattern kind action } } }"""
HISTORY = "query($id: ID!) { chat(id: $id) { messages { nodes { text } } } }"


@pytest.fixture
async def group(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    return server, ana, bob, await ana.group("Picnic", bob)


def word(pattern, action="REFUSE", kind="WORD"):
    return {"pattern": pattern, "action": action, "kind": kind}


def sending(chat_id, text):
    return {"chatId": chat_id, "text": text, "clientMessageId": str(uuid4())}


async def test_a_word_is_refused_without_saying_which_and_another_is_masked(group):
    _server, ana, bob, chat_id = group
    filters = [word("Wassermelone"), word("Käse", "MASK"), word(r"\d{4}", "MASK", "PATTERN")]
    await ana.done("setWordFilters", "chat { id }", chatId=chat_id, filters=filters)
    for person in (bob, ana):  # whoever writes
        given = sending(chat_id, "Eine WASSERMELONE!")
        (error,) = (await person.do("sendMessage", "", **given))["errors"]
        assert (error["code"], error["path"]) == ("FILTERED", ["text"])
        assert "wassermelone" not in error["message"].lower()
    message = await bob.send(chat_id, "Mehr kase, 1234 Stück")
    assert message["text"] == "Mehr ••••, •••• Stück"
    payload = await bob.done(
        "editMessage", "message { text }", messageId=message["id"], text="KÄSE gut"
    )
    assert payload["message"]["text"] == "•••• gut"
    given = {"messageId": message["id"], "text": "wassermelone"}
    assert await bob.refused("editMessage", "", **given) == "FILTERED"
    texts = (await ana.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"]
    assert texts == [{"text": "•••• gut"}]


async def test_only_who_may_moderate_sets_and_sees_them(group):
    server, ana, bob, chat_id = group
    given = {"chatId": chat_id, "filters": [word("x")]}
    assert await bob.refused("setWordFilters", "", **given) == "FORBIDDEN"
    eve = await server.registered("eve")
    assert await eve.refused("setWordFilters", "", **given) == "NOT_FOUND"
    await ana.done("setWordFilters", "chat { id }", **given)
    assert (await bob.ask(FILTERS, id=chat_id))["chat"]["wordFilters"] is None
    await make_admin(server, bob, chat_id)
    assert (await bob.ask(FILTERS, id=chat_id))["chat"]["wordFilters"] == [word("x")]
    (entry,) = (await bob.ask(LOG, id=chat_id))["chat"]["auditLog"]["nodes"]
    assert (entry["act"], entry["details"]) == (
        "WORD_FILTERS_SET",
        [{"name": "filters", "value": "1"}],
    )


async def test_a_filter_of_one_chat_says_nothing_to_another_and_nothing_to_outsiders(group):
    server, ana, bob, chat_id = group
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("secret")])
    await bob.send(await bob.group("Mine"), "a secret")
    eve = await server.registered("eve")
    refusals = [
        (await eve.do("sendMessage", "", **sending(chat_id, text)))["errors"]
        for text in ("a secret", "nothing of that")
    ]
    assert refusals[0] == refusals[1]
    message = await ana.send(chat_id, "hello")
    for text in ("a secret", "nothing of that"):
        given = {"messageId": message["id"], "text": text}
        assert await eve.refused("editMessage", "", **given) == "NOT_FOUND"
        assert await bob.refused("editMessage", "", **given) == "FORBIDDEN"


async def test_a_retry_of_what_was_sent_before_is_answered_as_it_was(group):
    _server, ana, bob, chat_id = group
    given = sending(chat_id, "a secret")
    first = await bob.done("sendMessage", "message { seq text }", **given)
    for action in ("REFUSE", "MASK"):
        filters = [word("secret", action)]
        await ana.done("setWordFilters", "", chatId=chat_id, filters=filters)
        assert await bob.done("sendMessage", "message { seq text }", **given) == first
    masked = sending(chat_id, "another secret")
    for _ in range(2):
        payload = await bob.done("sendMessage", "message { seq text }", **masked)
        assert payload["message"] == {"seq": 2, "text": "another ••••••"}


async def test_what_the_server_does_not_want_is_written_nowhere(group):
    server, ana, bob, chat_id = group
    root = await administrator(server)
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("two", "MASK")])
    filters = [word("one")]
    payload = await root.done(
        "adminSetWordFilters", "wordFilters { pattern kind action }", filters=filters
    )
    assert payload["wordFilters"] == filters
    other = await bob.group("Mine")
    for chat in (chat_id, other):
        assert await bob.refused("sendMessage", "", **sending(chat, "one")) == "FILTERED"
    assert (await bob.send(chat_id, "two"))["text"] == "•••"
    data = await root.ask(
        "{ admin { wordFilters { pattern } auditLog(first: 1) { nodes { act } } } }"
    )
    assert data["admin"]["wordFilters"] == [{"pattern": "one"}]
    assert data["admin"]["auditLog"]["nodes"] == [{"act": "WORD_FILTERS_SET"}]
    await root.done("adminSetWordFilters", "wordFilters { pattern }", filters=[])
    await bob.send(other, "one")


async def test_another_node_learns_of_a_list_that_is_set_and_taken_away(
    migrated_database_url, monkeypatch
):
    monkeypatch.setattr(filter_cache, "RECHECKED", 0.0)
    async with running(migrated_database_url) as one, running(migrated_database_url) as other:
        ana = await one.registered("ana")
        chat_id = await ana.group("Picnic")
        there = other.person()
        await there.log_in("ana")
        await there.send(chat_id, "fine")
        for filters, expected in (([word("fine")], ["FILTERED"]), ([], [])):
            await ana.done("setWordFilters", "", chatId=chat_id, filters=filters)
            payload = await there.do("sendMessage", "", **sending(chat_id, "fine"))
            assert [error["code"] for error in payload["errors"]] == expected


async def test_who_writes_while_a_node_looks_its_first_lists_up_is_filtered_too(
    migrated_database_url,
):
    async with running(migrated_database_url) as one:
        ana = await one.registered("ana")
        chat_id = await ana.group("Picnic")
        await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("fine")])
    async with running(migrated_database_url) as restarted:
        ana = restarted.person()
        await ana.log_in("ana")
        at_once = [ana.do("sendMessage", "", **sending(chat_id, "fine")) for _ in range(5)]
        codes = [payload["errors"][0]["code"] for payload in await asyncio.gather(*at_once)]
        assert codes == ["FILTERED"] * 5


async def test_who_writes_waits_for_no_look_up(group):
    """Between two checks a text costs no statement, in chats with a list and without."""
    server, ana, _bob, chat_id = group
    services = server.program.services
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("secret")])
    plain = await ana.group("Mine")
    for chat in (chat_id, plain):
        await ana.send(chat, "ready")

    class Closed:
        def reading(self):
            raise AssertionError("a look-up")

    from schema.ids import Kind, decode

    services.word_filters._checked_at = float("inf")
    assert len(await services.word_filters.of(Closed(), decode(Kind.CHAT, chat_id))) == 1
    assert await services.word_filters.of(Closed(), decode(Kind.CHAT, plain)) == ()


@pytest.mark.parametrize(
    ("filters", "path"),
    [
        ([word("x")] * 201, ["filters"]),
        ([word(f"x{n}", kind="PATTERN") for n in range(11)], ["filters"]),
        ([word("x" * 201)], ["filters", "0", "pattern"]),
        ([word("ok"), word(" ")], ["filters", "1", "pattern"]),
        ([word("two\nlines")], ["filters", "0", "pattern"]),
        ([word("\N{COMBINING ACUTE ACCENT}")], ["filters", "0", "pattern"]),
        ([word("(", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word("(?=x)", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word(r"(a)\1", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word("a*", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word(r"\pL{1,1000}", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word(r"[\s\S]{1,200}b", kind="PATTERN")], ["filters", "0", "pattern"]),
        ([word(f"a[ab]{{140}}z{n}?", kind="PATTERN") for n in range(4)], ["filters"]),
        ([word(f"{n:0>200}") for n in range(51)], ["filters"]),
    ],
)
async def test_a_list_that_cannot_be_is_refused(sqlite_server, filters, path):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    given = {"chatId": chat_id, "filters": filters}
    (error,) = (await ana.do("setWordFilters", "", **given))["errors"]
    assert error["code"] in ("INVALID_INPUT", "TOO_LONG")
    assert error["path"] == path
    assert (await ana.ask(FILTERS, id=chat_id))["chat"]["wordFilters"] == []


async def test_what_is_there_twice_is_kept_once(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("x"), word("x")])
    assert (await ana.ask(FILTERS, id=chat_id))["chat"]["wordFilters"] == [word("x")]


async def test_few_lists_are_kept_compiled(sqlite_server, monkeypatch):
    monkeypatch.setattr(filter_cache, "KEPT", 1)
    ana = await sqlite_server.registered("ana")
    ids = [await ana.group(title) for title in ("One", "Two")]
    for chat_id in ids:
        await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("secret")])
    for chat_id in ids * 2:
        given = sending(chat_id, "a secret")
        assert await ana.refused("sendMessage", "", **given) == "FILTERED"
    assert len(sqlite_server.program.services.word_filters._compiled) == 1


def test_limits_are_what_the_schema_says():
    assert (word_filters.MAX_FILTERS, word_filters.MAX_PATTERNS) == (200, 10)
    assert stored.MAX_PATTERN == 200
    ordinary = word(r"(buy|sell)\s+(crypto|bitcoin|coins)", kind="PATTERN")
    assert checked_pattern(ordinary["pattern"], path=[]) * 10 <= MAX_PROGRAMS


async def test_what_is_forwarded_is_filtered_where_it_comes_to(group):
    _server, ana, bob, chat_id = group
    source = await bob.group("Mine")
    said = [await bob.send(source, text) for text in ("fine", "https://secret.example", "mild")]
    filters = [word("secret"), word("mild", "MASK")]
    await ana.done("setWordFilters", "", chatId=chat_id, filters=filters)
    ids = [str(uuid4()) for _ in said]

    def given(*numbers):
        return {
            "messageIds": [said[number]["id"] for number in numbers],
            "toChatId": chat_id,
            "clientMessageIds": [ids[number] for number in numbers],
        }

    (error,) = (await bob.do("forwardMessages", "", **given(0, 1)))["errors"]
    assert (error["code"], error["path"]) == ("FILTERED", ["messageIds"])
    assert (await bob.ask(HISTORY, id=chat_id))["chat"]["messages"]["nodes"] == []
    sent = await bob.done("forwardMessages", "messages { seq text }", **given(0, 2))
    assert [each["text"] for each in sent["messages"]] == ["fine", "••••"]
    # What was sent before a filter was set is answered as it was.
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("fine")])
    assert await bob.done("forwardMessages", "messages { seq text }", **given(0, 2)) == sent
    eve = await _server.registered("eve")
    own = await eve.send(await eve.group("Own"), "fine")
    outside = {"messageIds": [own["id"]], "toChatId": chat_id, "clientMessageIds": [ids[1]]}
    assert await eve.refused("forwardMessages", "", **outside) == "NOT_FOUND"


async def test_equal_texts_are_looked_through_once_and_others_run_between_different_ones(
    sqlite_server, monkeypatch
):
    ana = await sqlite_server.registered("ana")
    source, target = await ana.group("Source"), await ana.group("Target")
    said = [await ana.send(source, text) for text in ("one", "two", "one", "three")]
    await ana.done("setWordFilters", "", chatId=target, filters=[word("secret")])
    looked, turns, refuses = [], 0, Matcher.refuses

    def noted(self, text):
        looked.append((text, turns))
        return refuses(self, text)

    async def run():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(Matcher, "refuses", noted)
    beside = asyncio.create_task(run())
    sent = await ana.done(
        "forwardMessages",
        "messages { text }",
        messageIds=[message["id"] for message in said],
        toChatId=target,
        clientMessageIds=[str(uuid4()) for _ in said],
    )
    beside.cancel()
    assert [each["text"] for each in sent["messages"]] == ["one", "two", "one", "three"]
    assert [text for text, _ in looked] == ["one", "two", "three"]
    assert len({turn for _, turn in looked}) == 3


async def test_polls_are_filtered_in_what_they_ask_and_in_their_answers(group):
    _server, ana, bob, chat_id = group
    filters = [word("secret"), word("mild", "MASK")]
    await ana.done("setWordFilters", "", chatId=chat_id, filters=filters)
    shown = "message { seq poll { question options { text } } }"

    def asking(question, *options):
        poll = {"question": question, "options": list(options)}
        return {"chatId": chat_id, "clientMessageId": str(uuid4()), "poll": poll}

    for given, path in (
        (asking("Secret?", "yes", "no"), ["poll", "question"]),
        (asking("What?", "yes", "a secret"), ["poll", "options"]),
    ):
        (error,) = (await bob.do("sendMessage", "", **given))["errors"]
        assert (error["code"], error["path"]) == ("FILTERED", path)
    given = asking("How mild?", "mild", "no")
    first = await bob.done("sendMessage", shown, **given)
    assert first["message"] == {
        "seq": 1,
        "poll": {"question": "How ••••?", "options": [{"text": "••••"}, {"text": "no"}]},
    }
    await ana.done("setWordFilters", "", chatId=chat_id, filters=[word("no")])
    assert await bob.done("sendMessage", shown, **given) == first
