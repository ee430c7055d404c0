"""Webhooks that go out: who makes, sees, changes and deletes them, and which make no sense."""

from uuid import UUID

import pytest

from models.webhooks import webhooks as table
from schema.ids import Kind, encode
from tests.parts.outside import make_admin, outside, webhooks_shown


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
    (seen,) = await webhooks_shown(ben, theirs)
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
    assert await webhooks_shown(ben, theirs) == []


async def test_a_member_sees_no_webhooks_and_makes_none(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    chat_id = await ana.group("Talk", ben)
    made = await out.webhook(ana, chat_id)
    assert await webhooks_shown(ben, chat_id) is None
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
    (webhook,) = await webhooks_shown(ben, chat_id)
    assert webhook["url"] == out.url()


async def test_a_webhook_is_told_no_more_of_a_chat_from_which_its_maker_is_banned(out):
    ana, ben = await out.hubbub.registered("ana"), await out.hubbub.registered("ben")
    theirs, hers, own = await ana.group("T", ben), await ana.group("H", ben), await ben.group("O")
    for chat_id in (theirs, hers):
        await make_admin(out.hubbub, chat_id, ben)
    await out.webhook(ben, theirs)
    await out.webhook(ben, theirs, own, hers)
    await out.webhook(ana, theirs, url=out.url("/hers"))
    out.accept("/hers")
    await ana.send(theirs, "waiting")
    await out.feed()
    await ana.done("banMember", "", chatId=theirs, userId=ben.user_id)
    await ana.send(theirs, "not told")
    await ben.send(own, "told")
    await out.work()
    asked = zip(out.other.asked, out.told, strict=True)
    texts = [each["message"]["text"] for path, each in asked if path == "/hook"]
    assert texts == ["told"]
    assert out.other.asked.count("/hers") == 3, "what is said, and that somebody went"
    assert [each["name"] for each in await webhooks_shown(ana, theirs)] == ["Hook"]


@pytest.fixture
async def after(out):
    """Somebody who came late, and manages the chat; and the owner with what was said before."""
    ana, cleo = await out.hubbub.registered("ana"), await out.hubbub.registered("cleo")
    chat_id = await ana.group("Talk")  # nobody reads what was said before they came
    old = await ana.send(chat_id, "secret of old, @ana")
    await ana.done("addMembers", "chat { id }", chatId=chat_id, userIds=[cleo.user_id])
    await make_admin(out.hubbub, chat_id, cleo)
    seen = await cleo.ask("query($id: ID!) { node(id: $id) { id } }", id=old["id"])
    assert seen == {"node": None}
    return ana, cleo, chat_id, old


CHANGES = ["MESSAGE_EDITED", "REACTIONS_CHANGED"]


async def change(ana, old, emoji="👍"):
    await ana.done("addReaction", "message { id }", messageId=old["id"], emoji=emoji)
    await ana.done("editMessage", "message { id }", messageId=old["id"], text=f"secret {emoji}")


async def test_a_webhook_tells_an_admin_nothing_of_what_was_said_before_they_came(out, after):
    ana, cleo, chat_id, old = after
    await out.webhook(cleo, chat_id, events=CHANGES)
    await change(ana, old)
    new = await ana.send(chat_id, "new")
    await ana.done("editMessage", "message { id }", messageId=new["id"], text="new, mended")
    await out.work()
    assert b"secret" not in b"".join(out.other.bodies)
    assert [each["type"] for each in out.told] == [
        "ReactionsChanged",
        "MessageEdited",
        "MessageEdited",
    ]
    told = [each["message"] for each in out.told]
    assert [each["text"] for each in told] == ["", "", "new, mended"]
    assert (told[0]["id"], told[0]["reactions"], told[0]["mentions"]) == (old["id"], [], [])
    assert told[0]["deletedAt"] == told[0]["createdAt"]


async def test_a_chat_that_is_added_begins_for_a_webhook_where_it_does_for_who_adds_it(out, after):
    ana, cleo, chat_id, old = after
    made = await out.webhook(cleo, await cleo.group("Hers"), events=CHANGES)
    chat_ids = [chat_id]
    webhook_id = made["webhook"]["id"]
    await cleo.done("updateWebhook", "webhook { id }", webhookId=webhook_id, chatIds=chat_ids)
    await change(ana, old)
    await out.work()
    assert [each["message"]["text"] for each in out.told] == ["", ""]


async def test_who_has_a_webhook_go_elsewhere_is_told_no_more_than_they_may_read(out, after):
    ana, cleo, chat_id, old = after
    made = await out.webhook(ana, chat_id, events=CHANGES)
    await change(ana, old)
    await out.work()
    assert [each["message"]["text"] for each in out.told][1:] == ["secret 👍"]
    out.accept("/hers")
    url, webhook_id = out.url("/hers"), made["webhook"]["id"]
    await cleo.done("updateWebhook", "webhook { id }", webhookId=webhook_id, url=url)
    await ana.done("updateWebhook", "webhook { id }", webhookId=webhook_id, url=url)
    await change(ana, old, "🍉")
    await out.work()
    assert [each["message"]["text"] for each in out.told][2:] == ["", ""]


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
    assert await webhooks_shown(ana, one) == []
    (webhook,) = await webhooks_shown(ana, two)
    assert (webhook["name"], webhook["events"]) == ("Renamed", ["MESSAGE_EDITED"])
    message = await ana.send(two, "sent")
    await ana.done("editMessage", "message { id }", messageId=message["id"], text="edited")
    await ana.send(one, "not told")
    await out.work()
    assert [each["type"] for each in out.told] == ["MessageEdited"]
    assert out.other.asked == ["/other"]
    await ana.done("deleteWebhook", "", webhookId=webhook_id)
    assert await webhooks_shown(ana, two) == []
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
    many = [encode(Kind.CHAT, UUID(int=n)) for n in range(51)]
    code = await ana.refused("createWebhook", "secret", chatIds=many, **given)
    assert code == "INVALID_INPUT"
