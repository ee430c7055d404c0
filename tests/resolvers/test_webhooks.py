"""Webhooks that go out: what they tell, how often, in which order, and what becomes of bad ones."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from models import webhooks
from models.events import events
from models.messages import messages
from models.webhooks import webhooks as table
from resolvers import expiry, webhook_feed, webhook_secrets, webhook_sending
from resolvers.services import utc_now
from resolvers.webhook_sending import GIVE_UP_AFTER, KEPT
from schema.ids import decode_message
from tests.outbound.villain import answer
from tests.parts.outside import make_admin, outside
from tests.parts.people import until_subscribed

WEBHOOKS = """query($id: ID!) { chat(id: $id) { webhooks {
    id name url events state failingSince disabledAt disabledReason waiting
    chats { id } createdBy { handle }
    deliveries { id type state attempts status problem }
} } }"""


@pytest.fixture
async def out(migrated_database_url):
    async with outside(migrated_database_url) as opened:
        opened.accept()
        yield opened


@pytest.fixture
async def sqlite_out(migrated_sqlite_url):
    async with outside(migrated_sqlite_url) as opened:
        opened.accept()
        yield opened


def at(monkeypatch, later: timedelta) -> None:
    """Let the sender's clock be so much later."""
    now = utc_now() + later
    for module in (webhook_sending, webhook_feed):
        monkeypatch.setattr(module, "utc_now", lambda: now)


async def shown(person, chat_id):
    return (await person.ask(WEBHOOKS, id=chat_id))["chat"]["webhooks"]


# --- what is told --------------------------------------------------------------------------------


async def test_every_event_that_was_asked_for_is_told_once_and_in_order(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await ana.send(chat_id, "before")
    made = await out.webhook(ana, chat_id)
    first = await ana.send(chat_id, "one")
    await ana.done("addReaction", "message { id }", messageId=first["id"], emoji="👍")
    second = await ana.send(chat_id, "two")
    await out.work()
    await ana.done("editMessage", "message { id }", messageId=first["id"], text="one!")
    await ana.done("deleteMessage", "deletedMessageId", messageId=second["id"])
    await out.work()
    await out.work()
    assert [(each["type"], each.get("message", {}).get("text")) for each in out.told] == [
        ("MessageSent", "one"),
        ("MessageSent", "two"),
        ("MessageEdited", "one!"),
        ("MessageDeleted", None),
    ]
    sent = out.told[0]
    assert sent["message"]["id"] == first["id"]
    assert sent["message"]["sender"]["handle"] == sent["actor"]["handle"] == "ana"
    assert sent["chat"] == {"id": chat_id, "kind": "GROUP", "title": "Talk"}
    assert out.told[3]["messageId"] == second["id"]
    seqs = [each["seq"] for each in out.told]
    assert seqs == sorted(set(seqs))
    assert all(out.signed(number, made["secret"]) for number in range(4))
    ids = [out.header(number, "Hubbub-Delivery") for number in range(4)]
    assert ids == [each["id"] for each in out.told]
    assert len(set(ids)) == 4


async def test_what_is_gone_when_it_is_sent_is_not_told(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    message = await ana.send(chat_id, "a secret, sent by mistake")
    await out.feed()
    await ana.done("deleteMessage", "deletedMessageId", messageId=message["id"])
    await out.work()
    assert [each["type"] for each in out.told] == ["MessageSent", "MessageDeleted"]
    assert b"mistake" not in b"".join(out.other.bodies)


async def expire(out, message) -> None:
    """Let a message's time be over; nobody has taken anything away yet."""
    async with out.hubbub.program.services.db.writing() as connection:
        await connection.execute(
            messages.update()
            .where(
                messages.c.chat_id == decode_message(message["id"], path="id")[0],
                messages.c.seq == message["seq"],
            )
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )


async def test_what_has_expired_when_it_is_sent_is_not_told(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    await out.webhook(ana, chat_id, events=["MESSAGE_SENT", "MESSAGE_EXPIRED"])
    replied = await ana.send(chat_id, "first")
    message = await ana.send(
        chat_id, "a secret for @ben https://e.example", replyToId=replied["id"], quote="first"
    )
    await out.feed()
    await expire(out, message)
    await out.send()
    await expiry.expire_due(out.hubbub.program.services)
    await out.work()
    assert [each["type"] for each in out.told] == ["MessageSent", "MessageSent", "MessageExpired"]
    empty = out.told[1]["message"]
    nothing = ["text", "replyToId", "quote", "mentions", "mentionsAll", "poll", "reactions"]
    assert not any(empty[name] for name in nothing)
    assert empty["deletedAt"] == empty["expiresAt"]
    assert out.told[2]["messageId"] == message["id"]
    assert b"secret" not in b"".join(out.other.bodies)


async def test_pins_polls_and_who_is_silenced_are_told_of(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    kinds = [
        "MESSAGE_SENT",
        "MESSAGE_PINNED",
        "MESSAGE_UNPINNED",
        "POLL_CHANGED",
        "MEMBER_SILENCED",
    ]
    await out.webhook(ana, chat_id, events=kinds)
    poll = {"question": "Where to?", "options": ["North", "South"], "anonymous": True}
    asked = {"chatId": chat_id, "clientMessageId": str(uuid4()), "poll": poll}
    message = (await ana.done("sendMessage", "message { id seq }", **asked))["message"]
    await ben.done("votePoll", "", messageId=message["id"], options=[1])
    await ana.done("pinMessage", "", messageId=message["id"])
    await ana.done("unpinMessage", "", messageId=message["id"])
    await ana.done("silenceMember", "", chatId=chat_id, userId=ben.user_id)
    await ben.do("sendMessage", "", chatId=chat_id, text="@all", clientMessageId=str(uuid4()))
    await out.work()
    told = {each["type"]: each for each in out.told if each.get("message", {"poll": 1})["poll"]}
    assert list(told) == [
        "MessageSent",
        "PollChanged",
        "MessagePinned",
        "MessageUnpinned",
        "MemberSilenced",
    ]
    voted = told["PollChanged"]
    assert voted["actor"] is None  # nobody is told who votes what in an anonymous one
    assert voted["message"]["poll"] == {
        "question": "Where to?",
        "options": [{"text": "North", "voteCount": 0}, {"text": "South", "voteCount": 1}],
        "multiple": False,
        "anonymous": True,
        "totalVoters": 1,
        "closed": False,
        "closesAt": None,
    }
    assert (
        told["MessagePinned"]["messageId"] == told["MessageUnpinned"]["messageId"] == message["id"]
    )
    silenced = told["MemberSilenced"]["membership"]
    assert (silenced["user"]["id"], silenced["silencedUntil"][:4]) == (ben.user_id, "9999")


async def test_a_system_message_is_told_with_its_facts(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id, events=["MESSAGE_SENT"])
    await ana.done("updateChat", "", chatId=chat_id, title="Other")
    await out.work()
    (told,) = out.told
    assert (told["message"]["kind"], told["message"]["text"]) == ("SYSTEM", "")
    assert told["message"]["system"] == {
        "what": "TITLE_CHANGED",
        "count": None,
        "text": "Other",
        "seconds": None,
        "subject": None,
    }


async def test_people_who_come_and_go_are_told_of(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id, events=["MEMBER_JOINED", "MEMBER_LEFT", "CHAT_CHANGED"])
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[ben.user_id])
    await ben.done("leaveChat", "__typename", chatId=chat_id)
    await ana.done("updateChat", "chat { id }", chatId=chat_id, title="Other")
    await out.work()
    assert [each["type"] for each in out.told] == ["MemberJoined", "MemberLeft", "ChatChanged"]
    assert out.told[0]["membership"]["user"]["id"] == ben.user_id
    assert out.told[2]["chat"]["title"] == "Other"


async def test_a_webhook_of_several_chats_is_told_of_these_and_no_others(out):
    ana = await out.hubbub.registered("ana")
    one, two, three = [await ana.group(title) for title in ("One", "Two", "Three")]
    await out.webhook(ana, one, two)
    for chat_id in (one, three, two, one):
        await ana.send(chat_id, "Hi")
    await out.work()
    assert [each["chat"]["title"] for each in out.told] == ["One", "Two", "One"]


async def test_a_test_event_tells_of_nothing_and_is_signed(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    made = await out.webhook(ana, chat_id)
    tested = await ana.done("sendTestEvent", "deliveryId", webhookId=made["webhook"]["id"])
    await out.work()
    (told,) = out.told
    assert (told["type"], told["id"], told["chat"]) == ("Ping", tested["deliveryId"], None)
    assert out.signed(0, made["secret"])


async def test_a_rotated_secret_is_good_beside_the_one_before_for_a_day(sqlite_out, monkeypatch):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    made = await out.webhook(ana, chat_id)
    webhook_id = made["webhook"]["id"]
    rotated = await ana.done("rotateWebhookSecret", "secret", webhookId=webhook_id)
    await ana.send(chat_id, "Hi")
    await out.work()
    assert out.signed(0, rotated["secret"])
    assert out.signed(0, made["secret"])
    monkeypatch.setattr(webhook_secrets, "OLD_GOOD_FOR", timedelta(0))
    again = await ana.done("rotateWebhookSecret", "secret", webhookId=webhook_id)
    await ana.send(chat_id, "Hi")
    await out.work()
    assert out.signed(1, again["secret"])
    assert not out.signed(1, rotated["secret"])


async def test_events_that_the_log_has_lost_are_told_as_a_gap(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    await ana.send(chat_id, "lost")
    async with out.hubbub.program.services.db.writing() as connection:
        await connection.execute(events.delete())
    await ana.send(chat_id, "kept")
    await out.work()
    assert [each["type"] for each in out.told] == ["Gap", "MessageSent"]
    assert out.told[0]["chat"]["id"] == chat_id
    await out.work()
    assert len(out.told) == 2


# --- workers and receivers that fail -------------------------------------------------------------


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
    (webhook,) = await shown(ana, chat_id)
    assert (webhook["state"], webhook["waiting"]) == ("FAILING", 2)
    (_, first) = webhook["deliveries"]
    assert (first["attempts"], first["status"], first["state"]) == (1, 500, "WAITING")
    assert "stack" not in str(webhook)
    out.accept()
    at(monkeypatch, timedelta(seconds=13))
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["one", "one", "two"]
    assert out.told[0]["id"] == out.told[1]["id"]
    (webhook,) = await shown(ana, chat_id)
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
    (webhook,) = await shown(ana, chat_id)
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
    (webhook,) = await shown(ana, chat_id)
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
    assert (await shown(ana, chat_id))[0]["deliveries"][0]["status"] == 307


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
        (slow,) = await webhooks.take(connection, now, until=now, limit=5)
        (quick,) = await webhooks.take(connection, now, until=now, limit=5)
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


async def test_a_full_queue_takes_no_more_and_loses_nothing(out, monkeypatch):
    monkeypatch.setattr(webhook_feed, "MAX_WAITING", 3)
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    for n in range(8):
        await ana.send(chat_id, str(n))
    await out.feed()
    assert (await shown(ana, chat_id))[0]["waiting"] == 3
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
    (webhook,) = await shown(ana, chat_id)
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
    assert (await shown(ana, chat_id))[0]["url"] is None


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
    (webhook,) = await shown(ana, chat_id)
    (delivery,) = webhook["deliveries"]
    assert (delivery["state"], delivery["problem"]) == ("WAITING", "a bug")
    at(monkeypatch, timedelta(seconds=13))
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["one"]


# --- who may do what -----------------------------------------------------------------------------


async def test_neither_address_nor_secret_is_in_the_table_as_it_is(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    made = await out.webhook(ana, chat_id)
    async with out.hubbub.program.services.db.reading() as connection:
        row = (await connection.execute(table.select())).one()
    assert made["secret"].encode() not in row.sealed
    assert out.url().encode() not in row.sealed


async def test_who_manages_one_of_the_chats_sees_it_and_may_take_that_chat_out(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    theirs, hers = await ben.group("Theirs", ana), await ana.group("Hers")
    await make_admin(out.hubbub, theirs, ana)
    made = await out.webhook(ana, theirs, hers)
    webhook_id = made["webhook"]["id"]
    (seen,) = await shown(ben, theirs)
    assert (seen["url"], seen["deliveries"]) == (None, None)
    assert [chat["id"] for chat in seen["chats"]] == [theirs]
    for mutation, selection, more in (
        ("updateWebhook", "webhook { id }", {"name": "Mine"}),
        ("rotateWebhookSecret", "secret", {}),
        ("sendTestEvent", "deliveryId", {}),
        ("deleteWebhook", "", {}),
    ):
        code = await ben.refused(mutation, selection, webhookId=webhook_id, **more)
        assert code == "FORBIDDEN", mutation
    assert await ben.refused("deleteWebhook", "", webhookId=webhook_id, chatId=hers) == "NOT_FOUND"
    await ana.send(theirs, "waiting to be sent")
    await out.feed()
    await ben.done("deleteWebhook", "", webhookId=webhook_id, chatId=theirs)
    await ana.send(theirs, "not told")
    await ana.send(hers, "told")
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["told"]
    assert await shown(ben, theirs) == []


async def test_a_member_sees_no_webhooks_and_makes_none(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    made = await out.webhook(ana, chat_id)
    assert await shown(ben, chat_id) is None
    given = {"name": "B", "url": out.url(), "events": ["MESSAGE_SENT"], "chatIds": [chat_id]}
    assert await ben.refused("createWebhook", "secret", **given) == "FORBIDDEN"
    webhook_id = made["webhook"]["id"]
    assert await ben.refused("sendTestEvent", "deliveryId", webhookId=webhook_id) == "NOT_FOUND"


async def test_a_bot_sees_no_webhooks_even_as_an_admin(out):
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    await out.webhook(ana, chat_id)
    scopes = ["CHATS_READ", "MEMBERS_READ"]
    made = await ana.done(
        "createBot", "bot { user { id } }", handle="robot", displayName="R", scopes=scopes
    )
    bot_id = made["bot"]["user"]["id"]
    token = await ana.done("createBotToken", "token", botId=bot_id, name="T", scopes=scopes)
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[bot_id])
    bot = out.hubbub.person()
    bot.token, bot.user_id = token["token"], bot_id
    await make_admin(out.hubbub, chat_id, bot)
    chat = await bot.ask(
        "query($id: ID!) { chat(id: $id) { webhooks { url } incomingWebhooks { id } } }",
        id=chat_id,
    )
    assert chat["chat"] == {"webhooks": None, "incomingWebhooks": None}


async def test_a_webhook_stays_when_its_maker_goes(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    await out.webhook(ana, chat_id)
    await ana.done("leaveChat", "__typename", chatId=chat_id)
    await ben.send(chat_id, "still told")
    await out.work()
    kinds = [(each["message"]["kind"], each["message"]["text"]) for each in out.told]
    assert kinds == [("SYSTEM", ""), ("TEXT", "still told")]
    assert out.told[0]["message"]["system"]["what"] == "MEMBER_LEFT"
    (webhook,) = await shown(ben, chat_id)
    assert webhook["url"] == out.url()


async def test_a_webhook_is_changed_and_deleted(out):
    ana = await out.hubbub.registered("ana")
    one, two = await ana.group("One"), await ana.group("Two")
    made = await out.webhook(ana, one)
    webhook_id = made["webhook"]["id"]
    out.accept("/other")
    await ana.done(
        "updateWebhook",
        "webhook { id }",
        webhookId=webhook_id,
        name="Renamed",
        url=out.url("/other"),
        events=["MESSAGE_EDITED"],
        chatIds=[two],
    )
    assert await shown(ana, one) == []
    (webhook,) = await shown(ana, two)
    assert (webhook["name"], webhook["events"]) == ("Renamed", ["MESSAGE_EDITED"])
    message = await ana.send(two, "sent")
    await ana.done("editMessage", "message { id }", messageId=message["id"], text="edited")
    await ana.send(one, "not told")
    await out.work()
    assert [each["type"] for each in out.told] == ["MessageEdited"]
    assert out.other.asked == ["/other"]
    await ana.done("deleteWebhook", "", webhookId=webhook_id)
    assert await shown(ana, two) == []
    assert await ana.refused("deleteWebhook", "", webhookId=webhook_id) == "NOT_FOUND"


async def test_a_webhook_that_is_switched_off_drops_what_waits(sqlite_out):
    out = sqlite_out
    ana = await out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    made = await out.webhook(ana, chat_id)
    webhook_id = made["webhook"]["id"]
    await ana.send(chat_id, "one")
    await out.feed()
    await ana.done("updateWebhook", "webhook { id }", webhookId=webhook_id, enabled=False)
    await out.work()
    assert out.told == []
    assert await ana.refused("sendTestEvent", "deliveryId", webhookId=webhook_id) == "CONFLICT"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"name": " "}, "INVALID_INPUT"),
        ({"name": "x" * 65}, "TOO_LONG"),
        ({"url": "nothing"}, "INVALID_INPUT"),
        ({"url": "ftp://example.org/"}, "INVALID_INPUT"),
        ({"url": "https://user:password@example.org/"}, "INVALID_INPUT"),
        ({"url": "https://example.org:22/"}, "INVALID_INPUT"),
        ({"url": "https://127.0.0.1/"}, "INVALID_INPUT"),
        ({"url": "https://[::1]/"}, "INVALID_INPUT"),
        ({"url": "https://169.254.169.254/latest"}, "INVALID_INPUT"),
        ({"url": f"https://example.org/{'x' * 2048}"}, "INVALID_INPUT"),
        ({"events": []}, "INVALID_INPUT"),
        ({"chatIds": []}, "INVALID_INPUT"),
        ({"chatIds": ["nothing"]}, "INVALID_ID"),
    ],
)
async def test_a_webhook_that_makes_no_sense_is_refused(sqlite_out, given, code):
    ana = await sqlite_out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    sensible = {
        "name": "Hook",
        "url": sqlite_out.url(),
        "events": ["MESSAGE_SENT"],
        "chatIds": [chat_id],
    }
    assert await ana.refused("createWebhook", "secret", **{**sensible, **given}) == code


async def test_without_allowed_addresses_a_webhook_goes_by_https(migrated_sqlite_url):
    async with outside(migrated_sqlite_url, outbound_allow=[]) as out:
        ana = await out.hubbub.registered("ana")
        chat_id = await ana.group("Talk")
        given = {"name": "H", "events": ["MESSAGE_SENT"], "chatIds": [chat_id]}
        code = await ana.refused("createWebhook", "secret", url="http://example.org/", **given)
        assert code == "INVALID_INPUT"


async def test_webhooks_of_a_chat_and_chats_of_a_webhook_have_a_limit(sqlite_out):
    ana = await sqlite_out.hubbub.registered("ana")
    chat_id = await ana.group("Talk")
    for _ in range(10):
        await sqlite_out.webhook(ana, chat_id)
    given = {"name": "H", "url": sqlite_out.url(), "events": ["MESSAGE_SENT"]}
    code = await ana.refused("createWebhook", "secret", chatIds=[chat_id], **given)
    assert code == "CONFLICT"
    from schema.ids import Kind, encode

    many = [encode(Kind.CHAT, UUID(int=n)) for n in range(51)]
    code = await ana.refused("createWebhook", "secret", chatIds=many, **given)
    assert code == "INVALID_INPUT"
