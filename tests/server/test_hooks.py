"""Incoming webhooks: what is posted, what comes of it, and what is refused."""

from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from server.hooks import MAX_BODY
from tests.parts.outside import make_admin
from tests.parts.running import running

HOOKS = "query($id: ID!) { chat(id: $id) { incomingWebhooks { id bot { displayName kind } } } }"
HISTORY = """query($id: ID!) { chat(id: $id) { memberCount messages(last: 20) {
    nodes { kind text sender { displayName kind } }
} } }"""


async def opened(person, chat_id, name="Builds"):
    """Return the path and the id of a new incoming webhook."""
    payload = await person.done(
        "createIncomingWebhook", "incomingWebhook { id } url", chatId=chat_id, name=name
    )
    return urlsplit(payload["url"]).path, payload["incomingWebhook"]["id"]


async def post(person, path, body=None, **headers):
    headers.setdefault("content-type", "application/json")
    if isinstance(body, (bytes, str)):
        return await person._http.post(path, content=body, headers=headers)
    return await person._http.post(path, json=body or {"text": "Built"}, headers=headers)


async def history(person, chat_id):
    chat = (await person.ask(HISTORY, id=chat_id))["chat"]
    nodes = chat["messages"]["nodes"]
    return [message["text"] for message in nodes if message["kind"] == "TEXT"]


async def test_what_is_posted_is_sent_by_a_bot_that_everybody_sees(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    path, _ = await opened(ana, chat_id)
    async with ben.listening(chat_id) as socket:
        answered = await post(server.person(), path, {"text": "Built *well*"})
        assert (answered.status_code, answered.content) == (204, b"")
        told = await socket.next()
    assert told["message"]["text"] == "Built *well*"
    assert told["actor"]["handle"].startswith("hook_")
    chat = (await ben.ask(HISTORY, id=chat_id))["chat"]
    assert chat["memberCount"] == 3
    assert chat["messages"]["nodes"][-1]["sender"] == {"displayName": "Builds", "kind": "BOT"}


async def test_a_post_that_is_repeated_under_its_id_is_sent_once(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    path, _ = await opened(ana, chat_id)
    body = {"text": "Once", "clientMessageId": str(uuid4())}
    for _ in range(2):
        assert (await post(ana, path, body)).status_code == 204
    assert (await post(ana, path, {**body, "text": "Other"})).status_code == 409
    assert await history(ana, chat_id) == ["Once"]


async def test_a_revoked_one_takes_nothing_and_its_bot_leaves(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    path, webhook_id = await opened(ana, chat_id)
    assert (await post(ana, path)).status_code == 204
    await ana.done("revokeIncomingWebhook", "chat { id }", webhookId=webhook_id)
    assert (await post(ana, path)).status_code == 404
    chat = (await ana.ask(HISTORY, id=chat_id))["chat"]
    # That it came and went is told as well.
    assert (chat["memberCount"], len(chat["messages"]["nodes"])) == (1, 3)
    assert (await ana.ask(HOOKS, id=chat_id))["chat"]["incomingWebhooks"] == []
    code = await ana.refused("revokeIncomingWebhook", "chat { id }", webhookId=webhook_id)
    assert code == "NOT_FOUND"


async def test_a_bot_that_was_removed_sends_nothing(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    path, _ = await opened(ana, chat_id)
    found = await ana.ask(
        "query($id: ID!) { chat(id: $id) { incomingWebhooks { bot { id } } } }", id=chat_id
    )
    bot_id = found["chat"]["incomingWebhooks"][0]["bot"]["id"]
    await ana.done("removeMember", "chat { id }", chatId=chat_id, userId=bot_id)
    assert (await post(ana, path)).status_code == 404


async def test_one_whose_bot_is_deleted_takes_nothing(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    path, _ = await opened(ana, chat_id)
    (bot,) = (await ana.ask("{ viewer { bots { user { id } } } }"))["viewer"]["bots"]
    await ana.done("deleteBot", "", botId=bot["user"]["id"])
    assert (await post(ana, path)).status_code == 404
    assert (await ana.ask(HOOKS, id=chat_id))["chat"]["incomingWebhooks"] == []


async def test_only_who_manages_webhooks_makes_sees_and_revokes_them(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    _, webhook_id = await opened(ana, chat_id)
    code = await ben.refused("createIncomingWebhook", "url", chatId=chat_id, name="Mine")
    assert code == "FORBIDDEN"
    assert (await ben.ask(HOOKS, id=chat_id))["chat"]["incomingWebhooks"] is None
    code = await ben.refused("revokeIncomingWebhook", "chat { id }", webhookId=webhook_id)
    assert code == "NOT_FOUND"
    await make_admin(server, chat_id, ben)
    assert len((await ben.ask(HOOKS, id=chat_id))["chat"]["incomingWebhooks"]) == 1
    await ben.done("revokeIncomingWebhook", "chat { id }", webhookId=webhook_id)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "INVALID_INPUT"),
        (b"{", 400, "INVALID_INPUT"),
        (b"[]", 400, "INVALID_INPUT"),
        (b'"text"', 400, "INVALID_INPUT"),
        (b"{}", 400, "INVALID_INPUT"),
        (b'{"text": null}', 400, "INVALID_INPUT"),
        (b'{"text": 5}', 400, "INVALID_INPUT"),
        (b'{"text": " "}', 400, "INVALID_INPUT"),
        (b'{"text": "a\\u0000b"}', 400, "INVALID_INPUT"),
        (b'{"text": "Hi", "clientMessageId": "no"}', 400, "INVALID_INPUT"),
        (b'{"text": "Hi", "clientMessageId": 5}', 400, "INVALID_INPUT"),
        (b'{"text": "' + b"x" * 10_001 + b'"}', 400, "TOO_LONG"),
        (b" " * (MAX_BODY + 1), 413, "BODY_TOO_LARGE"),
    ],
)
async def test_what_makes_no_sense_is_refused(sqlite_server, body, status, code):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Talk")
    path, _ = await opened(ana, chat_id)
    answered = await post(ana, path, body)
    assert (answered.status_code, answered.json()["error"]["code"]) == (status, code)
    assert await history(ana, chat_id) == []


async def test_other_types_and_methods_are_refused(sqlite_server):
    ana = await sqlite_server.registered("ana")
    path, _ = await opened(ana, await ana.group("Talk"))
    answered = await post(ana, path, b"text=Hi", **{"content-type": "text/plain"})
    assert answered.status_code == 415
    assert (await ana.get(path)).status_code == 405


@pytest.mark.parametrize("token", ["nothing", "hbw_" + "x" * 43, "hbw_", "%00", "x" * 5000])
async def test_a_secret_that_is_none_opens_nothing(sqlite_server, token):
    answered = await post(sqlite_server.person(), f"/hooks/{token}")
    assert (answered.status_code, answered.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_who_posts_too_often_has_to_wait(migrated_sqlite_url):
    async with running(migrated_sqlite_url, rate_limits=True) as server:
        ana = await server.registered("ana")
        chat_id = await ana.group("Talk")
        path, _ = await opened(ana, chat_id)
        statuses = [(await post(ana, path)).status_code for _ in range(21)]
        assert statuses == [204] * 20 + [429]
        assert int((await post(ana, path)).headers["retry-after"]) >= 1


async def test_of_incoming_webhooks_a_chat_has_ten(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Talk")
    for n in range(10):
        await opened(ana, chat_id, f"Hook {n}")
    code = await ana.refused("createIncomingWebhook", "url", chatId=chat_id, name="More")
    assert code == "CONFLICT"
    other = await ana.group("Other")
    for n in range(10):
        await opened(ana, other, f"Hook {n}")
    third = await ana.group("Third")
    code = await ana.refused("createIncomingWebhook", "url", chatId=third, name="More")
    assert code == "CONFLICT"


@pytest.mark.parametrize("name", ["", " ", "x" * 65, "Support", "a\nb"])
async def test_a_name_that_no_person_could_have_is_refused(sqlite_server, name):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Talk")
    payload = await ana.do("createIncomingWebhook", "url", chatId=chat_id, name=name)
    assert payload["errors"][0]["code"] in ("INVALID_INPUT", "TOO_LONG")


async def test_the_secret_is_in_no_table_and_no_log_line(hubbub):
    from tests.parts.people import Person

    server = hubbub(HUBBUB_LOG_LEVEL="debug", HUBBUB_LOG_FORMAT="json")
    ana = Person(server.url)
    await ana.register("ana")
    chat_id = await ana.group("Talk")
    path, _ = await opened(ana, chat_id)
    assert (await post(ana, path)).status_code == 204
    await post(ana, path, b"{")
    await ana.close()
    server.stop()
    log = server.process.log.read_text()
    assert "/hooks/***" in log
    assert path.removeprefix("/hooks/") not in log
    database = b"".join(file.read_bytes() for file in server.directory.rglob("hubbub.db*"))
    assert path.removeprefix("/hooks/").encode() not in database
