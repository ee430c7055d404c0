"""What webhooks tell: every event that was asked for, once, in order, and nothing that is gone."""

from datetime import timedelta
from uuid import uuid4

from models.events import events
from models.messages import messages
from resolvers import expiry, webhook_secrets
from resolvers.services import utc_now
from schema.ids import decode_message


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
