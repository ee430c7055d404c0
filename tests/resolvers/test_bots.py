"""Bots: what their tokens allow and nothing else, and how tokens end."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from models import bots as stored
from models import sessions
from models.users import users
from resolvers import bots
from schema.ids import Kind, decode
from tests.parts.people import PASSWORD
from tests.parts.roles import EVERY_SCOPE, bot, bot_of, bot_token, code

CHAT = "query($id: ID!) { chat(id: $id) { title } }"
BOTS = "{ viewer { bots { user { handle kind } description scopes tokens { name scopes } } } }"


async def test_a_bot_is_added_like_a_person_and_reads_and_writes(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Robots")
    beep = await bot(server, ana, "beep")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    async with beep.listening() as socket, ana.listening() as heard:
        await ana.send(chat_id, "are you there?")
        message = (await socket.next())["message"]
        assert message["text"] == "are you there?"
        assert (await heard.next())["message"]["text"] == "are you there?"
        await beep.send(chat_id, "beep")
        said = (await heard.next())["message"]
        assert (said["text"], said["sender"]) == ("beep", {"handle": "beep"})
    data = await beep.ask("{ viewer { user { handle kind } chats { nodes { title } } } }")
    assert data["viewer"] == {
        "user": {"handle": "beep", "kind": "BOT"},
        "chats": {"nodes": [{"title": "Robots"}]},
    }


async def test_its_owner_sees_a_bot_with_its_tokens_and_nobody_else_does(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    await bot(server, ana, "beep", "MESSAGES_WRITE")
    assert (await ana.ask(BOTS))["viewer"]["bots"] == [
        {
            "user": {"handle": "beep", "kind": "BOT"},
            "description": None,
            "scopes": list(EVERY_SCOPE),
            "tokens": [{"name": "cellar", "scopes": ["MESSAGES_WRITE"]}],
        }
    ]
    assert (await bob.ask(BOTS))["viewer"]["bots"] == []


async def test_a_tokens_use_is_noted(server):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    query = "{ viewer { bots { tokens { lastUsedAt } } } }"
    (token,) = (await ana.ask(query))["viewer"]["bots"][0]["tokens"]
    assert token["lastUsedAt"] is None
    await beep.ask("{ viewer { user { id } } }")
    (token,) = (await ana.ask(query))["viewer"]["bots"][0]["tokens"]
    assert token["lastUsedAt"] is not None


# --- scopes --------------------------------------------------------------------------------------

SEND = (
    'mutation { sendMessage(input: {chatId: $id, text: "x", clientMessageId: '
    '"3f0c8a52-6f0e-4b43-9a39-0f6d3f1f7a11"}) { %s errors { code } } }'
)
CREATE = 'mutation { createChat(input: {kind: GROUP, title: "x", memberIds: []}) '
DEEP = """
    { node(id: $id) { ... on Chat { ... on Node { ...C } } } }
    fragment C on Chat { lastMessage { ...M } }
    fragment M on Message { sender { id } }
"""
NEEDED = {
    "chats:read": [
        "{ chat(id: $id) { id } }",
        "{ node(id: $id) { id } }",
        "{ nodes(ids: [$id]) { id } }",
        "{ chat(id: $id) { title } }",
        "{ viewer { chats { nodes { id } } } }",
    ],
    "chats:write": [
        CREATE + "{ errors { code } } }",
        "mutation { leaveChat(input: {chatId: $id}) { errors { code } } }",
    ],
    "messages:read": [
        "{ chat(id: $id) { messages { nodes { id } } } }",
        "{ chat(id: $id) { lastMessage { text } } }",
        "{ node(id: $id) { ... on Message { text } } }",
        DEEP,
        SEND % "message { text }",
        SEND % "message { chat { title } }",
        CREATE + "{ chat { lastMessage { text } } } }",
        "{ viewer { chats { ... @skip(if: true) { nodes { lastMessage { text } } } } } }",
    ],
    "messages:write": [SEND % ""],
    "reactions:write": [
        'mutation { addReaction(input: {messageId: $id, emoji: "x"}) { errors { code } } }'
    ],
    "members:read": [
        '{ user(handle: "ana") { id } }',
        "{ chat(id: $id) { members { nodes { id } } } }",
        "{ chat(id: $id) { viewerMembership { role } } }",
        "{ node(id: $id) { ...M } } fragment M on Membership { user { id } }",
    ],
    "members:write": [
        "mutation { addMembers(input: {chatId: $id, userIds: []}) { errors { code } } }",
    ],
}


def without(scope):
    """Return every scope but one."""
    missing = stored.BotScope(scope).name
    return [each for each in EVERY_SCOPE if each != missing]


@pytest.mark.parametrize(
    ("query", "scope"), [(query, scope) for scope in NEEDED for query in NEEDED[scope]]
)
async def test_a_field_without_its_scope_is_refused_over_http_and_sockets_alike(
    sqlite_server, query, scope
):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Robots")
    beep = await bot(sqlite_server, ana, "beep", *without(scope))
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    for id_ in (chat_id, "not even an id"):
        text = query.replace("$id", f'"{id_}"')
        answer = await beep.run(text)
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert scope in error["message"]
        async with beep.socket() as socket:
            await socket.subscribe("o", text)
            answer = await socket.receive()
            payload = answer["payload"]
            (error,) = payload if answer["type"] == "error" else payload["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN"
    data = await ana.ask(
        "query($id: ID!) { chat(id: $id) { memberCount lastMessage { kind seq } } }", id=chat_id
    )
    # That the bot was added, and nothing else.
    assert data["chat"] == {"memberCount": 2, "lastMessage": {"kind": "SYSTEM", "seq": 1}}


@pytest.mark.parametrize(
    ("subscription", "scope"),
    [
        ("{ events { seq } }", "messages:read"),
        ("{ events { ... on MessageSent { message { text } } } }", "messages:read"),
        ("{ events { ... on MemberJoined { membership { role } } } }", "members:read"),
        ("{ events { chat { title } } }", "chats:read"),
        ("{ typing(chatId: $id) { typing } }", "messages:read"),
    ],
)
async def test_a_subscription_without_its_scope_never_begins(sqlite_server, subscription, scope):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Robots")
    beep = await bot(sqlite_server, ana, "beep", *without(scope))
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    text = "subscription " + subscription.replace("$id", f'"{chat_id}"')
    async with beep.socket() as socket:
        await socket.subscribe("s", text)
        answer = await socket.receive()
        assert answer["type"] == "error"
        assert answer["payload"][0]["extensions"]["code"] == "FORBIDDEN"
    answer = await beep.post({"query": text}, accept="text/event-stream")
    assert "FORBIDDEN" in answer.text
    assert '"data"' not in answer.text


async def test_of_an_operation_that_asks_for_too_much_nothing_is_done(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Robots")
    beep = await bot(sqlite_server, ana, "beep", *without("reactions:write"))
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    said = SEND.replace("$id", f'"{chat_id}"') % ""
    more = 'addReaction(input: {messageId: "x", emoji: "x"}) { errors { code } } }'
    assert await code(beep, said[:-1] + more) == "FORBIDDEN"
    data = await ana.ask("query($id: ID!) { chat(id: $id) { lastMessage { seq } } }", id=chat_id)
    assert data["chat"]["lastMessage"] == {"seq": 1}  # that the bot was added


async def test_a_token_that_may_only_write_learns_what_became_of_its_message(sqlite_server):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Robots")
    beep = await bot(sqlite_server, ana, "beep", "MESSAGES_WRITE")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    payload = await beep.done(
        "sendMessage",
        "message { id seq createdAt }",
        chatId=chat_id,
        text="beep",
        clientMessageId=str(uuid4()),
    )
    assert payload["message"]["seq"] == 2  # the first one tells that it was added


@pytest.mark.parametrize(
    "operation",
    [
        '{ users(search: "a") { nodes { id } } }',
        "mutation { logOut { errors { code } } }",
        'mutation { createBot(input: {handle: "x", displayName: "x", scopes: []}) { __typename } }',
        'mutation { createBotToken(input: {botId: "x", name: "x", scopes: []}) { token } }',
        'mutation { deleteBot(input: {botId: "x"}) { errors { code } } }',
        'mutation { createGuestLink(input: {chatId: "x"}) { errors { code } } }',
        'mutation { reportUser(input: {userId: "x", reason: SPAM}) { errors { code } } }',
    ],
)
async def test_what_is_for_people_alone_no_scope_allows(sqlite_server, operation):
    ana = await sqlite_server.registered("ana")
    beep = await bot(sqlite_server, ana, "beep")
    assert await code(beep, operation) == "FORBIDDEN"


# --- tokens that are no good ---------------------------------------------------------------------


async def refused(person):
    """Whether a token is refused over HTTP and on a socket alike."""
    assert await code(person, "{ viewer { user { id } } }") == "UNAUTHENTICATED"
    async with person.socket(init=False) as socket:
        await socket.send(
            type="connection_init", payload={"authorization": f"Bearer {person.token}"}
        )
        assert (await socket.closed())[0] == 4403


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: "hbt_",
        lambda token: "hbt_" + "0" * 49,
        lambda token: token.swapcase(),
    ],
)
async def test_a_token_that_was_tampered_with_is_refused(sqlite_server, spoil):
    ana = await sqlite_server.registered("ana")
    beep = await bot(sqlite_server, ana, "beep")
    beep.token = spoil(beep.token)
    await refused(beep)


async def test_a_token_of_nobody_is_refused(server):
    from accounts import bot_tokens

    person = server.person()
    person.token = bot_tokens.new()[0]
    await refused(person)


async def test_a_revoked_token_ends_at_once_with_its_sockets_and_no_other(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    beep = await bot(server, ana, "beep")
    token_id, other = await bot_token(ana, beep.user_id)
    first, beep.token = beep.token, other
    async with beep.listening() as socket:
        assert await bob.refused("revokeBotToken", "", tokenId=token_id) == "NOT_FOUND"
        await ana.done("revokeBotToken", "bot { tokens { name } }", tokenId=token_id)
        assert (await socket.closed())[0] == 4403
    await refused(beep)
    assert await ana.refused("revokeBotToken", "", tokenId=token_id) == "NOT_FOUND"
    beep.token = first
    await beep.ask("{ viewer { user { id } } }")


async def test_an_expired_token_is_refused(server):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    _, beep.token = await bot_token(ana, beep.user_id, expiresAt=soon)
    await beep.ask("{ viewer { user { id } } }")
    _, beep.token = await bot_token(ana, beep.user_id, expiresAt=soon)  # not looked at yet
    async with server.program.services.db.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(stored.bot_tokens.update().values(expires_at=past))
    await refused(beep)


async def test_sockets_of_a_token_close_when_it_expires(server):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    async with beep.listening() as socket:
        async with server.program.services.db.writing() as connection:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await connection.execute(sessions.sessions.update().values(expires_at=past))
        await server.program.services.node._session_watch.check()
        assert (await socket.closed())[0] == 4403


async def test_a_bots_session_cannot_be_refreshed(sqlite_server):
    ana = await sqlite_server.registered("ana")
    beep = await bot(sqlite_server, ana, "beep")
    for token in (beep.token, ana.refresh_token[:22]):
        assert await beep.refused("refreshSession", "", refreshToken=token) == "UNAUTHENTICATED"


async def test_a_bot_has_no_password_to_log_in_with(sqlite_server):
    ana = await sqlite_server.registered("ana")
    await bot(sqlite_server, ana, "beep")
    for password in ("", PASSWORD, "x" * 43):
        code_ = await sqlite_server.person().refused("logIn", "", handle="beep", password=password)
        assert code_ == "BAD_CREDENTIALS"


async def test_a_deleted_bot_is_gone_and_its_words_stay(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    chat_id = await ana.group("Robots", bob)
    beep = await bot(server, ana, "beep")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id])
    await beep.send(chat_id, "beep")
    assert await bob.refused("deleteBot", "", botId=beep.user_id) == "NOT_FOUND"
    async with beep.listening() as socket, bob.listening() as heard:
        await ana.done("deleteBot", "", botId=beep.user_id)
        assert (await socket.closed())[0] == 4403
        assert (await heard.next())["__typename"] == "MemberLeft"
    await refused(beep)
    assert (await ana.ask(BOTS))["viewer"]["bots"] == []
    assert await ana.refused("deleteBot", "", botId=beep.user_id) == "NOT_FOUND"
    data = await bob.ask(
        "query($id: ID!) { chat(id: $id) { memberCount messages(last: 2) { nodes { text system "
        "{ what } } } } }",
        id=chat_id,
    )
    words, left = data["chat"]["messages"]["nodes"]
    assert data["chat"]["memberCount"] == 2
    assert words == {"text": "beep", "system": None}
    assert left == {"text": "", "system": {"what": "MEMBER_LEFT"}}


async def test_bots_end_with_their_owners_account(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    chat_id = await bob.group("Robots")
    beep, boop = await bot(server, ana, "beep"), await bot(server, ana, "boop")
    other = await bot(server, bob, "other")
    await bob.done("addMembers", "", chatId=chat_id, userIds=[beep.user_id, boop.user_id])
    async with beep.listening() as socket:
        await bots.delete_all(server.program.services, decode(Kind.USER, ana.user_id))
        assert (await socket.closed())[0] == 4403
    for person in (beep, boop):
        await refused(person)
    await other.ask("{ viewer { user { id } } }")
    data = await bob.ask("query($id: ID!) { chat(id: $id) { memberCount } }", id=chat_id)
    assert data["chat"] == {"memberCount": 1}


@pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
async def test_a_bot_does_nothing_for_an_owner_who_may_not_sign_in(server, column):
    ana = await server.registered("ana")
    beep = await bot(server, ana, "beep")
    async with server.program.services.db.writing() as connection:
        away = users.update().where(users.c.handle == "ana").values({column: datetime.now(UTC)})
        await connection.execute(away)
    await refused(beep)


# --- what cannot be made -------------------------------------------------------------------------

BOT = {"handle": "beep", "displayName": "Beep", "scopes": ["CHATS_READ"]}


@pytest.mark.parametrize(
    ("change", "refusal", "path"),
    [
        ({"handle": "b"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "guest_1"}, "INVALID_INPUT", ["handle"]),
        ({"handle": "ana"}, "HANDLE_TAKEN", ["handle"]),
        ({"displayName": ""}, "INVALID_INPUT", ["displayName"]),
        ({"scopes": []}, "INVALID_INPUT", ["scopes"]),
        ({"description": "x" * 501}, "TOO_LONG", ["description"]),
        ({"description": "a\x00b"}, "INVALID_INPUT", ["description"]),
    ],
)
async def test_a_bot_that_cannot_be_is_refused(sqlite_server, change, refusal, path):
    ana = await sqlite_server.registered("ana")
    payload = await ana.do("createBot", "bot { description }", **{**BOT, **change})
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == (refusal, path)
    assert (await ana.ask(BOTS))["viewer"]["bots"] == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, ["name"]),
        ({"scopes": []}, ["scopes"]),
        ({"scopes": ["MESSAGES_READ"]}, ["scopes"]),  # more than the bot has
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2040-01-01T00:00:00"}, ["expiresAt"]),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, ["expiresAt"]),
    ],
)
async def test_a_token_that_cannot_be_is_refused(sqlite_server, change, path):
    ana = await sqlite_server.registered("ana")
    bot_id = await bot_of(ana, "beep", "CHATS_READ")
    given = {"botId": bot_id, "name": "x", "scopes": ["CHATS_READ"], **change}
    payload = await ana.do("createBotToken", "token", **given)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", path)
    assert (await ana.ask(BOTS))["viewer"]["bots"][0]["tokens"] == []


async def test_nobody_makes_tokens_for_what_is_not_their_bot(server):
    ana, bob = await server.registered("ana"), await server.registered("bob")
    beep = await bot_of(ana, "beep")
    for bot_id in (beep, ana.user_id, bob.user_id):
        code_ = await bob.refused(
            "createBotToken", "", botId=bot_id, name="x", scopes=["CHATS_READ"]
        )
        assert code_ == "NOT_FOUND"


async def test_a_demoted_admin_is_none_by_the_bot_of_their_webhook(server):
    """In a channel that bot is an admin."""
    ana, bob = await server.registered("ana"), await server.registered("bob")
    given = {"kind": "CHANNEL", "title": "News", "memberIds": [bob.user_id]}
    chat_id = (await ana.done("createChat", "chat { id }", **given))["chat"]["id"]
    given = {"chatId": chat_id, "userId": bob.user_id}
    await ana.done("changeMemberRole", "", **given, role="ADMIN")
    await bob.done("createIncomingWebhook", "url", chatId=chat_id, name="CI")
    await ana.done("changeMemberRole", "", **given, role="MEMBER")
    mine = await bob.ask("{ viewer { bots { user { id } } } }")
    bot_id = mine["viewer"]["bots"][0]["user"]["id"]
    given = {"botId": bot_id, "name": "T", "scopes": ["MESSAGES_WRITE"]}
    assert await bob.refused("createBotToken", "token", **given) == "NOT_FOUND"


async def test_there_are_so_many_bots_and_tokens_at_most(sqlite_server, monkeypatch):
    monkeypatch.setattr(bots, "MAX_BOTS", 1)
    monkeypatch.setattr(bots, "MAX_TOKENS", 1)
    ana = await sqlite_server.registered("ana")
    beep = await bot_of(ana, "beep")
    await bot_token(ana, beep)
    assert await ana.refused("createBot", "", **{**BOT, "handle": "boop"}) == "CONFLICT"
    given = {"botId": beep, "name": "x", "scopes": ["CHATS_READ"]}
    assert await ana.refused("createBotToken", "", **given) == "CONFLICT"


async def test_a_token_is_made_only_by_who_has_just_proved_to_be_its_owner(sqlite_server):
    ana = await sqlite_server.registered("ana")
    beep = await bot_of(ana, "beep")
    async with sqlite_server.program.services.db.writing() as connection:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        await connection.execute(sessions.sessions.update().values(confirmed_at=long_ago))
    mutation = "mutation($input: CreateBotTokenInput!) { createBotToken(input: $input) { token } }"
    given = {"botId": beep, "name": "x", "scopes": ["CHATS_READ"]}
    assert await code(ana, mutation, input=given) == "CONFIRMATION_REQUIRED"


@pytest.mark.parametrize("field", ["kind", "isAdmin", "ownerId", "id", "createdAt"])
async def test_a_bot_gets_no_more_than_its_input_has(sqlite_server, field):
    ana = await sqlite_server.registered("ana")
    mutation = "mutation($input: CreateBotInput!) { createBot(input: $input) { bot { scopes } } }"
    assert await code(ana, mutation, input={**BOT, field: "x"}) == "BAD_REQUEST"
    assert (await ana.ask(BOTS))["viewer"]["bots"] == []
