"""Subscriptions over HTTP: what arrives, how it is resumed, and how a stream ends."""

import asyncio
import logging
from datetime import timedelta

import httpx
import pytest

from accounts import tokens
from models import events
from realtime import mailbox
from resolvers.services import utc_now
from server import graphql_http, streaming
from tests.parts.people import Person, until_subscribed
from tests.parts.streams import EVENTS, MULTIPART, SSE
from tests.parts.streams import cursor as cursor_of
from tests.parts.streams import streaming as stream_of

BOTH = pytest.mark.parametrize("accept", [SSE, MULTIPART], ids=["sse", "multipart"])
# Declares no `$after`, as a document that was not written for resuming.
PLAIN_EVENTS = (
    "subscription { events { __typename cursor ... on MessageSent { message { text } } } }"
)


async def two(server):
    """Return Ana, Ben and their chat."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ben.group("Team", ana)


async def until(server, name, value):
    """Wait until the server says this of itself."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http, asyncio.timeout(10):
        while f"\n{name} {value:.1f}\n" not in (await http.get("/metrics")).text:
            pass


@BOTH
async def test_events_arrive_in_order(server, accept):
    ana, ben, chat_id = await two(server)
    async with stream_of(ana, accept, after=await cursor_of(ana)) as stream:
        for number in range(20):
            await ben.send(chat_id, f"{number}\n\n--graphql--\r\n\N{PILE OF POO}\u2028")
        for number in range(20):
            assert (await stream.text()).startswith(f"{number}\n\n--graphql--")


async def test_events_can_be_asked_for_by_get(sqlite_server):
    ana, ben, chat_id = await two(sqlite_server)
    here = await cursor_of(ana)
    async with stream_of(ana, SSE, by_get=True, after=here) as stream:
        await ben.send(chat_id, "By GET")
        assert await stream.text() == "By GET"


@BOTH
async def test_first_bytes_come_at_once_and_say_what_the_stream_is(sqlite_server, accept):
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, accept) as stream:
        assert await stream.piece() is None
        headers = stream.response.headers
    assert headers["content-type"] in ("text/event-stream; charset=utf-8", MULTIPART)
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert "content-encoding" not in headers
    assert "content-length" not in headers


@BOTH
async def test_heartbeats_come_while_nothing_happens(sqlite_server, monkeypatch, accept):
    monkeypatch.setattr(streaming, "HEARTBEAT_INTERVAL", 0.01)
    ana, ben, chat_id = await two(sqlite_server)
    async with stream_of(ana, accept, after=await cursor_of(ana)) as stream:
        assert [await stream.piece() for _ in range(10)] == [None] * 10
        await ben.send(chat_id, "Still there?")
        assert await stream.text() == "Still there?"


# --- resuming ------------------------------------------------------------------------------------


@BOTH
async def test_a_stream_that_was_cut_resumes_after_the_last_cursor(server, accept):
    ana, ben, chat_id = await two(server)
    here, heard = await cursor_of(ana), []
    for batch in range(3):
        for number in range(5):
            await ben.send(chat_id, f"{batch}.{number}")
        async with stream_of(ana, accept, after=here) as stream:
            for _ in range(4):  # the last one of the batch is left for the next stream
                event = await stream.next()
                heard.append(event["message"]["text"])
                here = event["cursor"]
    everything = [f"{batch}.{number}" for batch in range(3) for number in range(5)]
    assert heard == everything[:12]


@pytest.mark.parametrize("document", [EVENTS, PLAIN_EVENTS], ids=["with $after", "without"])
@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
async def test_last_event_id_resumes_once_and_in_order_whatever_the_document_says(
    sqlite_server, document, by_get
):
    ana, ben, chat_id = await two(sqlite_server)
    first = await cursor_of(ana)
    given = {"after": first} if document is EVENTS else {}
    last, heard = first, []
    for batch in range(3):
        for number in range(5):
            await ben.send(chat_id, f"{batch}.{number}")
        opening = stream_of(ana, SSE, document, by_get=by_get, last_event_id=last, **given)
        async with opening as stream:
            heard += [await stream.text() for _ in range(4)]
            last = stream.ids[-1]
    assert heard == [f"{batch}.{number}" for batch in range(3) for number in range(5)][:12]


async def test_each_event_has_its_cursor_as_its_id(sqlite_server):
    ana, ben, chat_id = await two(sqlite_server)
    async with stream_of(ana, SSE, after=await cursor_of(ana)) as stream:
        for text in "abc":
            await ben.send(chat_id, text)
        cursors = [(await stream.next())["cursor"] for _ in range(3)]
        assert stream.ids == cursors


async def test_a_last_event_id_of_another_server_is_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, SSE, last_event_id="bm9uc2Vuc2U") as stream:
        (refused,) = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "INVALID_CURSOR"
    assert stream.completed


# --- what is refused -----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nope { seq } }", "BAD_REQUEST"),
        ('subscription { typing(chatId: "garbage") { typing } }', "INVALID_ID"),
        ("subscription($a: Cursor!) { events(after: $a) { seq } }", "BAD_REQUEST"),
        ("subscription { unclosed", "GRAPHQL_PARSE_FAILED"),
        ("", "BAD_REQUEST"),
    ],
)
async def test_an_operation_that_cannot_run_is_one_result_and_the_end(
    sqlite_server, accept, query, code
):
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, accept, query) as stream:
        (refused,) = await stream.rest()
    assert [each["extensions"]["code"] for each in refused["payload"]["errors"]] == [code]
    assert "data" not in refused["payload"]
    assert stream.completed


@BOTH
async def test_a_chat_that_is_not_ones_own_cannot_be_listened_to(sqlite_server, accept):
    ana, eve = await sqlite_server.registered("ana"), await sqlite_server.registered("eve")
    chat_id = await ana.group("Private")
    query = "subscription($ids: [ID!]) { events(chatIds: $ids) { seq } }"
    async with stream_of(eve, accept, query, ids=[chat_id]) as stream:
        (refused,) = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@BOTH
@pytest.mark.parametrize("token", [None, "outdated"])
async def test_nobody_can_listen_without_a_good_token(sqlite_server, accept, token):
    person = sqlite_server.person()
    person.token = token
    async with stream_of(person, accept) as stream:
        (refused,) = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert stream.completed


async def test_a_token_that_is_just_over_opens_no_stream(sqlite_server, monkeypatch):
    monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=-1))  # still good for queries
    ana = await sqlite_server.registered("ana")
    assert await ana.ask("{ viewer { user { handle } } }")
    async with stream_of(ana, SSE) as stream:
        (refused,) = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert stream.completed


async def test_a_crash_shows_nothing_of_the_inside(sqlite_server, monkeypatch):
    ana = await sqlite_server.registered("ana")

    async def crash(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("realtime.log.DatabaseLog.memberships", crash)
    async with stream_of(ana, SSE) as stream:
        (refused,) = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "secret" not in str(refused)


async def test_too_many_streams_of_a_session_are_refused(sqlite_server, monkeypatch):
    monkeypatch.setattr(graphql_http, "MAX_STREAMS", 2)
    ana = await sqlite_server.registered("ana")
    phone = sqlite_server.person()
    await phone.log_in("ana")
    async with stream_of(ana, SSE) as first, stream_of(ana, SSE) as second:
        for each in (first, second):
            await each.piece()
        refused = await ana.post({"query": EVENTS}, accept=SSE)
        assert refused.status_code == 429
        assert refused.json()["errors"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        async with stream_of(phone, SSE) as other:
            assert await other.piece() is None
    await until(sqlite_server, "hubbub_streams", 0)
    async with stream_of(ana, SSE) as stream:
        assert await stream.piece() is None


# --- how a stream ends ---------------------------------------------------------------------------


def told(stream, pieces):
    """Return the code that a broken stream ended with; clients know it from one that is done."""
    if stream.multipart:
        (piece,) = pieces
        assert piece["payload"] is None
        assert stream.completed
        return piece["errors"][0]["extensions"]["code"]
    assert pieces == []
    assert not stream.completed
    return stream.remarks[-1].split(":")[0]


@BOTH
async def test_a_client_that_goes_away_leaves_nothing_behind(sqlite_server, accept):
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, accept):
        await until_subscribed(sqlite_server.url, 1)
        await until(sqlite_server, "hubbub_streams", 1)
        await until(sqlite_server, "hubbub_sockets", 0)
    await until(sqlite_server, "hubbub_event_subscribers", 0)
    await until(sqlite_server, "hubbub_streams", 0)


@BOTH
async def test_a_stream_is_broken_off_when_its_token_expires(sqlite_server, monkeypatch, accept):
    monkeypatch.setattr(tokens, "ACCESS_LIFETIME", timedelta(seconds=3))
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, accept) as stream:
        assert told(stream, await stream.rest()) == "UNAUTHENTICATED"


@BOTH
async def test_logging_out_breaks_off_the_streams_of_that_session_alone(sqlite_server, accept):
    ana = await sqlite_server.registered("ana")
    phone = sqlite_server.person()
    await phone.log_in("ana")
    here = await cursor_of(ana)
    async with stream_of(ana, accept, after=here) as laptop, stream_of(phone, accept) as other:
        await until_subscribed(sqlite_server.url, 2)
        await phone.ask("mutation { logOut { errors { code } } }")
        pieces = await other.rest()  # of which it may hear first that the session has ended
        end = [piece for piece in pieces if piece["payload"] is None]
        assert told(other, end) == "UNAUTHENTICATED"
        assert (await laptop.next())["__typename"] == "SessionEnded"
        await ana.group("Still here")
        assert (await laptop.next())["__typename"] == "ChatCreated"


@BOTH
async def test_a_server_that_stops_breaks_streams_off_and_ends_in_time(hubbub, accept):
    node = await asyncio.to_thread(hubbub, "serve", HUBBUB_PASSWORD_MEMORY_KIB="8192")
    ana = Person(node.url)
    try:
        await ana.register("ana")
        async with stream_of(ana, accept) as stream:
            await until_subscribed(node.url, 1)
            stopping = asyncio.create_task(asyncio.to_thread(node.stop))
            assert told(stream, await stream.rest()) == "RECONNECT"
            assert await stopping == 0
    finally:
        await ana.close()


@BOTH
async def test_a_subscriber_whose_mailbox_overflows_is_told_to_come_back(
    sqlite_server, monkeypatch, accept
):
    monkeypatch.setattr(mailbox, "MAILBOX", 0)
    ana = await sqlite_server.registered("ana")
    async with stream_of(ana, accept) as stream:
        await until_subscribed(sqlite_server.url, 1)
        await ana.group("One event too many")
        assert told(stream, await stream.rest()) == "RECONNECT"


async def test_a_subscriber_who_reads_nothing_is_cut_off_and_nobody_else_notices(
    sqlite_server, monkeypatch, caplog
):
    monkeypatch.setattr(streaming, "SEND_TIMEOUT", 0.3)
    ana, ben, chat_id = await two(sqlite_server)
    node = sqlite_server.program.services.node
    here = await cursor_of(ana)
    async with stream_of(ana, SSE) as slow, stream_of(ben, SSE, after=here) as quick:
        await slow.piece()
        await until_subscribed(sqlite_server.url, 2)
        sent = heard = 0
        while node.sockets.streams == 2:
            assert sent < 5000, "the stalled stream is still open"
            await ben.send(chat_id, "x" * 9000)
            sent += 1
            heard += (await quick.next())["__typename"] == "MessageSent"
        assert heard == sent
        await until(sqlite_server, "hubbub_event_subscribers", 1)
        with pytest.raises(httpx.TransportError):  # the rest of what was under way, and no end
            await slow.rest()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_subscription_that_cannot_go_on_says_why_and_is_complete(sqlite_server):
    ana, ben, chat_id = await two(sqlite_server)
    query = "subscription($id: ID!) { typing(chatId: $id) { typing } }"
    async with stream_of(ana, SSE, query, id=chat_id) as stream:
        saying = asyncio.create_task(_say(ben, chat_id))
        assert await stream.next() == {"typing": True}
        saying.cancel()
        await ana.done("leaveChat", "", chatId=chat_id)
        *_, refused = await stream.rest()
    assert refused["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert stream.completed


async def _say(person, chat_id):
    """Let a person type over and over: nothing says when somebody listens."""
    while True:
        await person.done("setTyping", "expiresAt", chatId=chat_id)


@BOTH
async def test_a_cursor_that_is_too_old_ends_the_stream_with_resync_required(sqlite_server, accept):
    ana, ben, chat_id = await two(sqlite_server)
    here = await cursor_of(ana)
    for text in ("much", "more"):
        await ben.send(chat_id, text)
    async with sqlite_server.program.services.db.writing() as connection:
        long_ago = utc_now() - timedelta(days=1)
        assert await events.prune(connection, before=long_ago, keep=1, limit=100) > 0
    async with stream_of(ana, accept, after=here) as stream:
        assert (await stream.next())["__typename"] == "ResyncRequired"
        assert await stream.rest() == []
    assert stream.completed
