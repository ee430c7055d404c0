"""Delivering to webhooks: workers that die, receivers that fail, and what is tried again when."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from models import webhooks
from models.webhooks import webhooks as table
from resolvers import webhook_feed, webhook_sending
from resolvers.services import utc_now
from resolvers.webhook_sending import GIVE_UP_AFTER, KEPT
from tests.outbound.villain import answer
from tests.parts.outside import webhooks_shown
from tests.parts.people import until_subscribed


def at(monkeypatch, later: timedelta) -> None:
    """Let the sender's clock be so much later."""
    now = utc_now() + later
    for module in (webhook_sending, webhook_feed):
        monkeypatch.setattr(module, "utc_now", lambda: now)


async def test_what_is_not_accepted_is_sent_again_before_anything_that_followed(out, monkeypatch):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    out.other.answers["/hook"] = answer("500 Internal Server Error", b"a stack trace")
    await ana.send(chat_id, "one")
    await out.work()
    await ana.send(chat_id, "two")
    await out.work()
    assert len(out.told) == 1, "it is not tried again at once"
    (webhook,) = await webhooks_shown(ana, chat_id)
    assert (webhook["state"], webhook["waiting"]) == ("FAILING", 2)
    (_, first) = webhook["deliveries"]
    assert (first["attempts"], first["status"], first["state"]) == (1, 500, "WAITING")
    assert "stack" not in str(webhook)
    out.accept()
    at(monkeypatch, timedelta(seconds=13))
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["one", "one", "two"]
    assert out.told[0]["id"] == out.told[1]["id"]
    (webhook,) = await webhooks_shown(ana, chat_id)
    assert (webhook["state"], webhook["waiting"], webhook["failingSince"]) == ("ACTIVE", 0, None)


@pytest.mark.parametrize("failures", range(1, 16))
def test_waits_grow_to_three_hours_and_fill_a_day(failures):
    wait = webhook_sending._wait(failures - 1)
    plain = min(timedelta(seconds=10) * 3 ** (failures - 1), timedelta(hours=3))
    assert 0.8 * plain <= wait <= 1.2 * plain


async def test_a_webhook_that_nothing_reaches_for_a_day_is_disabled_and_its_maker_told(
    out, monkeypatch
):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    made = await out.webhook(ana, chat_id)
    out.other.answers["/hook"] = answer("503 Service Unavailable")
    await ana.send(chat_id, "one")
    await out.work()
    at(monkeypatch, GIVE_UP_AFTER)
    async with ana.socket() as socket:
        await socket.subscribe(
            "events",
            "subscription { events { __typename ... on WebhookDisabled { webhookId } } }",
        )
        await until_subscribed(out.hubbub.url, 1)
        await out.work()
        told = await socket.next()
    assert told == {"__typename": "WebhookDisabled", "webhookId": made["webhook"]["id"]}
    (webhook,) = await webhooks_shown(ana, chat_id)
    assert (webhook["state"], webhook["waiting"]) == ("DISABLED", 0)
    assert webhook["disabledReason"] == "nothing arrives"
    await ana.send(chat_id, "two")
    await out.work()
    assert len(out.told) == 2
    # From then on it is told again of what happens.
    out.accept()
    await ana.done("updateWebhook", "webhook { id }", webhookId=webhook["id"], enabled=True)
    await ana.send(chat_id, "three")
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["one", "one", "three"]


async def test_a_receiver_that_is_gone_is_asked_no_more(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    out.other.answers["/hook"] = answer("410 Gone")
    await ana.send(chat_id, "one")
    await out.work()
    (webhook,) = await webhooks_shown(ana, chat_id)
    assert (webhook["state"], webhook["disabledReason"]) == ("DISABLED", "the receiver is gone")


async def test_a_redirect_is_no_success_and_not_followed(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    out.other.answers["/hook"] = answer("307 Temporary Redirect", Location="/elsewhere")
    await ana.send(chat_id, "one")
    await out.work()
    assert out.other.asked == ["/hook"]
    assert (await webhooks_shown(ana, chat_id))[0]["deliveries"][0]["status"] == 307


async def test_two_workers_tell_everything_once_and_in_order(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    for n in range(30):
        await ana.send(chat_id, str(n))
    await asyncio.gather(*(out.work() for _ in range(4)))
    await out.work()
    assert [each["message"]["text"] for each in out.told] == [str(n) for n in range(30)]


async def test_a_worker_that_dies_while_sending_leaves_the_delivery_to_another(out, monkeypatch):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    await ana.send(chat_id, "one")
    await out.feed()
    arrived, never = asyncio.Event(), asyncio.Event()

    async def hang(_, __):
        arrived.set()
        await never.wait()

    out.other.answers["/hook"] = hang
    dying = asyncio.create_task(out.send())
    await arrived.wait()
    dying.cancel()
    await asyncio.wait([dying])
    out.accept()
    await out.work()
    assert len(out.told) == 1, "it is still the first one's"
    at(monkeypatch, webhook_sending.LEASE)
    await out.work()
    assert [each["id"] for each in out.told] == [out.told[0]["id"]] * 2


async def test_a_worker_that_was_too_slow_leaves_a_webhook_to_whom_it_is_by_now(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    await ana.send(chat_id, "one")
    await out.feed()
    db, now = out.hubbub.program.services.db, utc_now()
    async with db.writing() as connection:
        (slow,) = await webhooks.take(connection, now, until=now, limit=5, of_one=5)
        (quick,) = await webhooks.take(connection, now, until=now, limit=5, of_one=5)
        assert await webhook_sending._held(connection, slow) is None
        assert await webhook_sending._held(connection, quick) is not None


async def test_a_receiver_that_hangs_holds_up_its_own_webhook_alone(out):
    ana = await out.hubbub.registered("ana")
    one, two = await ana.group("One"), await ana.group("Two")
    await out.webhook(ana, one, url=out.url("/slow"))
    await out.webhook(ana, two, url=out.url("/quick"))
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def hang(_, writer):
        arrived.set()
        await go_on.wait()
        writer.write(answer("204 No Content"))

    out.other.answers["/slow"] = hang
    out.accept("/quick")
    await ana.send(one, "slow")
    await out.feed()
    sending = asyncio.create_task(out.send())
    await arrived.wait()
    for n in range(3):
        await ana.send(two, str(n))
        await out.work()
    assert out.other.asked == ["/slow", *["/quick"] * 3]
    go_on.set()
    await sending


async def noise(out, person, paths, count=3):
    """Have webhooks of a person be told of something."""
    chat_id = await person.group("Noise")
    for path in paths:
        await out.webhook(person, chat_id, url=out.url(path))
    for n in range(count):
        await person.send(chat_id, str(n))
    await out.feed()


async def test_slow_receivers_hold_up_nobody_elses_webhook(out, monkeypatch):
    monkeypatch.setattr(webhook_sending, "AT_ONCE", 2)
    monkeypatch.setattr(webhook_sending, "OF_ONE_AT_ONCE", 1)
    arrived = asyncio.Event()

    async def slow(_, writer):
        await arrived.wait()
        writer.write(answer("204 No Content"))

    async def quick(_, writer):
        arrived.set()
        writer.write(answer("204 No Content"))

    out.other.answers |= {"/slow1": slow, "/slow2": slow, "/quick": quick}
    bob, ana = await out.hubbub.registered("bob"), await out.hubbub.registered("ana")
    await noise(out, bob, ["/slow1", "/slow2"])
    await noise(out, ana, ["/quick"], count=1)
    await out.send()
    assert "/quick" in out.other.asked[:2]
    assert sorted(out.other.asked) == ["/quick", *["/slow1"] * 3, *["/slow2"] * 3]


async def test_after_a_while_it_is_the_turn_of_another_webhook(out, monkeypatch):
    monkeypatch.setattr(webhook_sending, "AT_ONCE", 1)
    monkeypatch.setattr(webhook_sending, "TURN", 0.0)
    bob, ana = await out.hubbub.registered("bob"), await out.hubbub.registered("ana")
    out.accept("/bob", "/ana")
    await noise(out, bob, ["/bob"])
    await noise(out, ana, ["/ana"], count=1)
    await out.send()
    assert out.other.asked == ["/bob", "/ana", "/bob", "/bob"]


async def test_of_one_maker_few_webhooks_are_sent_to_at_once(out):
    bob, ana = await out.hubbub.registered("bob"), await out.hubbub.registered("ana")
    await noise(out, bob, ["/1", "/2", "/3", "/4"], count=1)
    await noise(out, ana, ["/ana"], count=1)
    db, now = out.hubbub.program.services.db, utc_now()
    given: Any = {"until": now + webhook_sending.LEASE, "limit": 20, "of_one": 2}
    async with db.writing() as connection:
        first = await webhooks.take(connection, now, **given)
        makers = Counter(each.created_by for each in first)
        assert sorted(makers.values()) == [1, 2]
        assert await webhooks.take(connection, now, **given, held=makers) == []
        # Two of his are left, and there is a place for one more beside one that is sent to.
        (his,) = [maker for maker, count in makers.items() if count == 2]
        assert len(await webhooks.take(connection, now, **given, held={his: 1})) == 1
        assert len(await webhooks.take(connection, now, **given)) == 1


async def test_a_full_queue_takes_no_more_and_loses_nothing(out, monkeypatch):
    monkeypatch.setattr(webhook_feed, "MAX_WAITING", 3)
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    for n in range(8):
        await ana.send(chat_id, str(n))
    await out.feed()
    assert (await webhooks_shown(ana, chat_id))[0]["waiting"] == 3
    for _ in range(3):
        await out.work()
    assert [each["message"]["text"] for each in out.told] == [str(n) for n in range(8)]


async def test_of_what_is_done_with_the_last_ones_are_kept(sqlite_out, monkeypatch):
    out = sqlite_out
    monkeypatch.setattr(webhook_sending, "KEPT", 3)
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    for n in range(9):
        await ana.send(chat_id, str(n))
    await out.work()
    (webhook,) = await webhooks_shown(ana, chat_id)
    assert [each["state"] for each in webhook["deliveries"]] == ["DELIVERED"] * 3
    assert KEPT == 50


async def test_what_is_sealed_with_another_key_is_not_sent(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    async with out.hubbub.program.services.db.writing() as connection:
        await connection.execute(table.update().values(sealed=b"x" * 64))
    await ana.send(chat_id, "one")
    await out.work()
    assert out.told == []
    assert (await webhooks_shown(ana, chat_id))[0]["url"] is None


async def test_a_bug_in_what_is_sent_is_an_attempt_that_failed(sqlite_out, monkeypatch):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    await ana.send(chat_id, "one")
    await out.feed()

    def broken(*_):
        raise ZeroDivisionError

    await webhook_sending.deliver(out.hubbub.program.services, broken)
    (webhook,) = await webhooks_shown(ana, chat_id)
    (delivery,) = webhook["deliveries"]
    assert (delivery["state"], delivery["problem"]) == ("WAITING", "a bug")
    at(monkeypatch, timedelta(seconds=13))
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["one"]
