"""Feeds: a replay that takes its time while the log goes on."""

import asyncio
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

import realtime.loading
from models import events
from models.events import EventKind
from realtime import log
from realtime.events import CursorAdvanced, ResyncReason, ResyncRequired, SessionEnded
from realtime.feed import told_by
from resolvers.services import utc_now
from schema.ids import Kind, decode
from tests.parts.people import PATIENCE


@pytest.fixture
async def talk(server, monkeypatch):
    """Ana and Ben in a chat, and replays that take three events at a time."""
    monkeypatch.setattr("realtime.feed.PAGE", 3)
    monkeypatch.setattr("realtime.hub.IDLE", 0.05)
    ana, ben = await server.registered("ana"), await server.registered("ben")
    return ana, ben, await ana.group("Talk", ben)


@asynccontextmanager
async def replay(server, person, after):
    """Yield a person's events after a cursor, read no faster than they are taken."""
    feeds = server.program.services.node.feeds
    user_id = decode(Kind.USER, person.user_id)
    feed = feeds.open(user_id, None, after)
    try:
        async with aclosing(told_by(feed)) as deliveries:
            yield deliveries
    finally:
        feed.leave()


async def taken(deliveries, count):
    return [(await anext(deliveries)).event for _ in range(count)]


async def until_idle(deliveries):
    """Return what comes before the subscription has nothing more to tell, or ends."""
    found: list[Any] = []
    async for delivery in deliveries:
        if isinstance(delivery.event, CursorAdvanced):
            return found
        found.append(delivery.event)
    return found


async def prune(server, *, keep):
    """Leave the newest events alone in the log."""
    async with server.program.services.db.writing() as connection:
        long_ago = utc_now() - timedelta(days=1)
        assert await events.prune(connection, before=long_ago, keep=keep, limit=1000)


async def present(server):
    return await server.program.services.node.feeds.present()


@pytest.mark.parametrize("taken_before", [1, 4, 7])
async def test_a_replay_whose_events_are_pruned_meanwhile_has_no_silent_gap(
    talk, server, taken_before
):
    ana, ben, chat_id = talk
    after = await present(server)
    for n in range(12):
        await ana.send(chat_id, str(n))
    async with replay(server, ben, after) as deliveries:
        heard = await taken(deliveries, taken_before)
        await prune(server, keep=2)
        heard += await until_idle(deliveries)
    *told, last = heard
    assert isinstance(last, ResyncRequired)
    assert last.reason is ResyncReason.EXPIRED
    assert [event.seq for event in told] == list(range(2, 2 + len(told)))


async def test_a_replay_of_which_only_what_was_told_is_pruned_goes_on(talk, server):
    ana, ben, chat_id = talk
    after = await present(server)
    for n in range(12):
        await ana.send(chat_id, str(n))
    async with replay(server, ben, after) as deliveries:
        heard = await taken(deliveries, 4)
        await prune(server, keep=9)
        heard += await until_idle(deliveries)
    assert [event.seq for event in heard] == list(range(2, 14))


async def test_what_concerns_a_person_alone_and_is_pruned_meanwhile_is_not_passed_over(
    talk, server
):
    ana, ben, chat_id = talk
    after = await present(server)
    for n in range(4):
        await ana.send(chat_id, str(n))
    user_id = decode(Kind.USER, ben.user_id)
    for _ in range(4):
        async with server.program.services.db.writing() as connection:
            await events.record(
                connection,
                EventKind.SESSION_ENDED,
                now=utc_now(),
                user_id=user_id,
                subject_id=user_id,
            )
    async with replay(server, ben, after) as deliveries:
        heard = await taken(deliveries, 4)
        await prune(server, keep=1)
        heard += await until_idle(deliveries)
    assert isinstance(heard[-1], ResyncRequired) or (
        len([event for event in heard if isinstance(event, SessionEnded)]) == 4
    )


async def test_what_was_pruned_right_after_the_cursor_was_checked_is_noticed(
    talk, server, monkeypatch
):
    ana, ben, chat_id = talk
    after = await present(server)
    for n in range(6):
        await ana.send(chat_id, str(n))
    log = server.program.services.node.feeds.log
    check = log.check

    async def then_pruned(place):
        await check(place)
        await prune(server, keep=2)

    monkeypatch.setattr(log, "check", then_pruned)
    async with replay(server, ben, after) as deliveries:
        (only,) = await until_idle(deliveries)
    assert isinstance(only, ResyncRequired)
    assert only.reason is ResyncReason.EXPIRED


async def test_who_leaves_while_a_batch_is_loaded_is_told_nothing_from_after_that(
    server, monkeypatch
):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    load = realtime.loading.load
    loop = asyncio.get_running_loop()

    async with ben.listening() as socket:
        sent: list[str] = []
        holding = asyncio.Event()

        async def leave() -> None:
            await holding.wait()
            (message_id,) = sent
            await ben.done("leaveChat", "", chatId=chat_id)
            await ana.done("editMessage", "", messageId=message_id, text="for those who stayed")

        async def leave_first(connection: Any, logged: Any) -> Any:
            if any(event.kind == EventKind.MESSAGE_SENT for event in logged):
                monkeypatch.undo()
                if server.program.services.db.dialect == "sqlite":  # this runs in a thread
                    asyncio.run_coroutine_threadsafe(leave(), loop).result(PATIENCE)
                else:
                    await leave()
            return await load(connection, logged)

        monkeypatch.setattr(log, "load", leave_first)
        sent.append((await ana.send(chat_id, "for all"))["id"])
        holding.set()
        assert (await socket.next())["message"]["text"] == "for all"
        assert (await socket.next())["__typename"] == "MemberLeft"


async def test_a_subscription_that_was_given_up_unnoticed_never_goes_live(server):
    ana = await server.registered("ana")
    await ana.group("Talk")
    node = server.program.services.node
    feed = node.feeds.open(decode(Kind.USER, ana.user_id), None, None)
    async with aclosing(told_by(feed)) as deliveries:
        first = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0)
        feed.leave()  # as if whoever waits had been cancelled, and a driver had swallowed that
        with pytest.raises(asyncio.CancelledError):
            await first
    assert not node.hub._by_chat


async def test_who_listens_to_typing_asks_anew_when_the_log_was_lost(server, monkeypatch):
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    node = server.program.services.node

    async def lost(_: object) -> None:
        monkeypatch.undo()
        raise log.Lost(ResyncReason.LOG_REPLACED)

    async with ana.socket() as socket:
        query = "subscription($id: ID!) { typing(chatId: $id) { typing } }"
        await socket.subscribe("typing", query, id=chat_id)
        async with asyncio.timeout(PATIENCE):
            while not node.typing._by_chat:
                await ana.get("/healthz")
        monkeypatch.setattr(node.tailer._log, "since", lost)
        node.tailer.ring()
        refusal = await socket.receive()
        assert refusal["type"] == "error"
        assert refusal["payload"][0]["extensions"]["code"] == "OVERLOADED"
