"""Messages for later that get another time: how long they last, and what no time is left for."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from models.scheduled import of_user
from resolvers import scheduled as use_cases
from resolvers.services import utc_now
from tests.models.test_log_state import WAITING
from tests.parts.people import PATIENCE
from tests.resolvers.test_scheduled import ahead, history, listed, schedule, time_passes, work

POLL = {"question": "Where to?", "options": ["North", "South"]}
SENT = "message { text createdAt expiresAt }"


async def group(server):
    ana = await server.registered("ana")
    return ana, await ana.group("Team")


def lasts(message):
    """Return for how long a message is there."""
    created, expires = (
        datetime.fromisoformat(message[name]) for name in ("createdAt", "expiresAt")
    )
    return expires - created


async def test_a_message_for_a_time_lasts_so_long_whenever_it_is_sent(server):
    ana, chat_id = await group(server)
    for sooner, later in ((1, 300), (300, 1)):
        waits = await schedule(ana, chat_id, sendAt=ahead(minutes=sooner), expiresInSeconds=3600)
        which = {"scheduledMessageId": waits["id"]}
        await ana.done("updateScheduledMessage", "", **which, sendAt=ahead(minutes=later))
        await ana.done("updateScheduledMessage", "", **which, text="Another")
        message = (await ana.done("sendScheduledMessageNow", SENT, **which))["message"]
        assert message["text"] == "Another"
        assert abs(lasts(message) - timedelta(hours=1)) < timedelta(minutes=1)


async def test_a_poll_is_not_put_off_beyond_its_end(server):
    ana, chat_id = await group(server)
    poll = {**POLL, "closesAt": ahead(days=1)}
    waits = await schedule(ana, chat_id, "", poll=poll)
    change = {"scheduledMessageId": waits["id"], "sendAt": ahead(days=2)}
    payload = await ana.do("updateScheduledMessage", "", **change)
    assert [(error["code"], error["path"]) for error in payload["errors"]] == [
        ("INVALID_INPUT", ["sendAt"])
    ]
    assert await listed(ana) == [waits]
    change["sendAt"] = ahead(hours=23)
    await ana.done("updateScheduledMessage", "", **change)


async def test_a_poll_that_would_be_closed_already_is_not_sent(server, monkeypatch):
    ana, chat_id = await group(server)
    waits = await schedule(ana, chat_id, "", poll={**POLL, "closesAt": ahead(hours=2)})
    # No worker comes by until long after its time.
    monkeypatch.setattr(use_cases, "utc_now", lambda: utc_now() + timedelta(hours=3))
    await work(server)
    assert await history(ana, chat_id) == []
    (failed,) = await listed(ana)
    assert (failed["state"], failed["failureCode"]) == ("FAILED", "INVALID_INPUT")
    assert "closed" in failed["failure"]
    now = {"scheduledMessageId": waits["id"]}
    assert await ana.refused("sendScheduledMessageNow", "", **now) == "INVALID_INPUT"
    assert [each["state"] for each in await listed(ana)] == ["FAILED"]


async def test_a_poll_that_was_sent_while_it_was_open_has_not_failed(server, monkeypatch):
    ana, chat_id = await group(server)
    await schedule(ana, chat_id, "", poll={**POLL, "closesAt": ahead(hours=2)})
    await time_passes(server)
    done = use_cases._done

    class Killed(BaseException):
        pass

    async def killed(*_):
        raise Killed

    # The worker that sent it died before it could say so, and another comes by when it is closed.
    monkeypatch.setattr(use_cases, "_done", killed)
    with pytest.raises(Killed):
        await work(server)
    monkeypatch.setattr(use_cases, "_done", done)
    monkeypatch.setattr(use_cases, "utc_now", lambda: utc_now() + timedelta(hours=3))
    await work(server)
    assert len(await history(ana, chat_id)) == 1
    assert await listed(ana) == []


async def test_two_devices_that_change_a_message_for_later_at_once_lose_nothing(
    postgres_world, monkeypatch
):
    # On SQLite there is one writer, so that they take turns by themselves.
    services = postgres_world.services
    ana = await postgres_world.person("ana")
    chat = await postgres_world.group(ana)
    row = await use_cases.schedule(
        services,
        ana,
        chat_id=chat.id,
        text="Before",
        client_message_id=uuid4(),
        send_at=utc_now() + timedelta(hours=1),
    )
    later = utc_now() + timedelta(hours=9)
    was_sent, others = use_cases._was_sent, []

    async def overtaken(connection, found):
        monkeypatch.setattr(use_cases, "_was_sent", was_sent)
        other = asyncio.create_task(
            use_cases.update(services, ana, id_=row.id, text=None, send_at=later)
        )
        others.append(other)
        async with services.db.reading() as watcher, asyncio.timeout(PATIENCE):
            while not other.done() and not (await watcher.execute(WAITING)).scalar_one():
                await watcher.commit()
        return await was_sent(connection, found)

    monkeypatch.setattr(use_cases, "_was_sent", overtaken)
    await use_cases.update(services, ana, id_=row.id, text="After", send_at=None)
    await asyncio.gather(*others)
    async with services.db.reading() as connection:
        (left,) = await of_user(connection, ana.user_id)
    assert (left.text, left.send_at) == ("After", later)
