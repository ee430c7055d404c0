"""Guests: coming by a link, seeing one chat alone, and being gone when the link is."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from models import guests as stored
from resolvers import guests
from tests.parts.people import SIGNED_IN
from tests.parts.roles import administrator, code, guest, guest_link

CHAT = "query($id: ID!) { chat(id: $id) { title messages { nodes { text } } memberCount } }"


@pytest.fixture
async def group(server):
    ana = await server.registered("ana")
    bo = await server.registered("bob")
    return server, ana, bo, await ana.group("Picnic", bo)


async def ended(server, *links):
    """Have these links expire, as time would, and the worker look."""
    async with server.program.services.db.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        for table in (stored.guest_links, stored.guests):
            await connection.execute(table.update().values(expires_at=past))
    return await guests.remove_ended(server.program.services)


async def test_a_guest_writes_and_reads_from_joining_on_and_is_shown_as_one(group):
    server, ana, bo, chat_id = group
    await ana.send(chat_id, "before")
    _, token = await guest_link(ana, chat_id)
    async with bo.listening() as socket:
        gast = await guest(server, token, "Gast Müller")
        joined = await socket.next()
        assert (joined["__typename"], joined["membership"]["role"]) == ("MemberJoined", "GUEST")
        assert joined["membership"]["user"]["handle"] == gast.handle
        told = await socket.next()
        assert (told["__typename"], told["actor"]["handle"]) == ("MessageSent", gast.handle)
        await gast.send(chat_id, "hello")
        assert (await socket.next())["message"]["text"] == "hello"
    assert gast.handle.startswith("guest_")
    chat = (await gast.ask(CHAT, id=chat_id))["chat"]
    assert chat == {
        "title": "Picnic",
        "messages": {"nodes": [{"text": ""}, {"text": "hello"}]},
        "memberCount": 3,
    }
    message = await bo.send(chat_id, "welcome")
    await gast.done("addReaction", "message { id }", messageId=message["id"], emoji="🎉")
    data = await gast.ask(
        "{ viewer { user { kind displayName } chats { nodes { id members { nodes { role "
        "user { handle kind } } } guestLinks { id } } } bots { user { id } } } }"
    )
    assert data["viewer"]["user"] == {"kind": "GUEST", "displayName": "Gast Müller"}
    assert data["viewer"]["bots"] == []
    (chat,) = data["viewer"]["chats"]["nodes"]
    assert [each["role"] for each in chat["members"]["nodes"]] == ["OWNER", "MEMBER", "GUEST"]
    assert chat["guestLinks"] is None


async def test_a_guest_hears_of_their_chat_over_a_socket(group):
    server, ana, _bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    async with gast.listening() as socket:
        await ana.send(chat_id, "hi")
        assert (await socket.next())["message"]["text"] == "hi"


async def test_a_guest_finds_nothing_of_any_other_chat(group):
    server, ana, bo, chat_id = group
    secret = await ana.group("Secret", bo)
    message = await ana.send(secret, "nobody else")
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    assert await gast.ask(CHAT, id=secret) == {"chat": None}
    data = await gast.ask(
        "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[secret, message["id"]]
    )
    assert data == {"nodes": [None, None]}
    refused = [
        ("sendMessage", {"chatId": secret, "text": "x", "clientMessageId": str(uuid4())}),
        ("addReaction", {"messageId": message["id"], "emoji": "🎉"}),
        ("editMessage", {"messageId": message["id"], "text": "x"}),
        ("deleteMessage", {"messageId": message["id"]}),
        ("markRead", {"chatId": secret, "seq": 1}),
        ("setTyping", {"chatId": secret, "typing": True}),
        ("leaveChat", {"chatId": secret}),
    ]
    for mutation, input_ in refused:
        assert await gast.refused(mutation, "", **input_) == "NOT_FOUND", mutation
    async with gast.socket() as socket:
        for field in ("events(chatIds: [$id]) { seq }", "typing(chatId: $id) { typing }"):
            await socket.subscribe("s", f"subscription($id: ID!) {{ {field} }}", id=secret)
            answer = await socket.receive()
            assert answer["type"] == "error"
            assert answer["payload"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("mutation", "input_"),
    [
        ("createChat", {"kind": "GROUP", "title": "Mine", "memberIds": []}),
        ("updateChat", {"chatId": "$chat", "title": "Mine"}),
        ("addMembers", {"chatId": "$chat", "userIds": ["$ana"]}),
        ("removeMember", {"chatId": "$chat", "userId": "$ana"}),
        ("createGuestLink", {"chatId": "$chat"}),
        ("createBot", {"handle": "botty", "displayName": "B", "scopes": ["CHATS_READ"]}),
    ],
)
async def test_what_is_not_for_guests_is_refused_before_anything_is_looked_at(
    sqlite_server, mutation, input_
):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    _, token = await guest_link(ana, chat_id)
    gast = await guest(sqlite_server, token)
    for actual in ({"$chat": chat_id, "$ana": ana.user_id}, {"$chat": "x", "$ana": "x"}):
        given = {
            name: actual.get(value, value)
            if isinstance(value, str)
            else [actual.get(each, each) for each in value]
            for name, value in input_.items()
        }
        type_ = mutation[0].upper() + mutation[1:]
        refused = await code(
            gast,
            f"mutation($i: {type_}Input!) {{ {mutation}(input: $i) {{ errors {{ code }} }} }}",
            i=given,
        )
        assert refused == "FORBIDDEN"
    assert await code(gast, '{ users(search: "a") { nodes { id } } }') == "FORBIDDEN"
    assert await code(gast, '{ user(handle: "ana") { id } }') == "FORBIDDEN"


async def test_a_link_lets_in_as_many_as_it_says_also_when_all_come_at_once(group):
    server, ana, _bo, chat_id = group
    _, token = await guest_link(ana, chat_id, maxUses=2)
    people = [server.person() for _ in range(5)]
    payloads = await asyncio.gather(
        *(person.do("joinAsGuest", SIGNED_IN, token=token, displayName="G") for person in people)
    )
    codes = sorted(error["code"] for payload in payloads for error in payload["errors"])
    assert codes == ["NOT_FOUND"] * 3
    data = await ana.ask(
        "query($id: ID!) { chat(id: $id) { memberCount guestLinks { uses maxUses "
        "createdBy { handle } } } }",
        id=chat_id,
    )
    assert data["chat"] == {
        "memberCount": 4,
        "guestLinks": [{"uses": 2, "maxUses": 2, "createdBy": {"handle": "ana"}}],
    }


async def test_revoking_a_link_takes_its_guests_out_at_once_and_no_others(group):
    server, ana, bo, chat_id = group
    link, token = await guest_link(ana, chat_id)
    _, other = await guest_link(ana, chat_id)
    gast, staying = await guest(server, token), await guest(server, other)
    async with gast.listening() as heard, bo.listening() as socket:
        payload = await ana.done("revokeGuestLink", "chat { memberCount }", linkId=link)
        assert payload["chat"] == {"memberCount": 3}
        left = await socket.next()
        assert left["__typename"] == "MemberLeft"
        assert left["membership"]["user"]["handle"] == gast.handle
        assert (await heard.closed())[0] == 4403
    assert await code(gast, CHAT, id=chat_id) == "UNAUTHENTICATED"
    again = await gast.refused("refreshSession", "", refreshToken=gast.refresh_token)
    assert again == "UNAUTHENTICATED"
    assert (
        await server.person().refused("joinAsGuest", "", token=token, displayName="Late")
        == "NOT_FOUND"
    )
    await staying.send(chat_id, "still here")
    assert await ana.refused("revokeGuestLink", "", linkId=link) == "NOT_FOUND"


async def test_who_is_suspended_does_not_come_back_as_a_guest_of_their_own(group):
    server, ana, bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    root = await administrator(server)
    await root.done("adminSuspendUser", "", userId=ana.user_id, reason="spam")
    given = {"token": token, "displayName": "Nobody you know"}
    assert await server.person().refused("joinAsGuest", "", **given) == "NOT_FOUND"
    data = await bo.ask("query($id: ID!) { chat(id: $id) { memberCount } }", id=chat_id)
    assert data["chat"]["memberCount"] == 2
    await root.done("adminReinstateUser", "", userId=ana.user_id)
    await guest(server, token)


async def test_guests_are_gone_when_their_link_has_expired(group):
    server, ana, bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    await gast.send(chat_id, "for good")
    async with gast.listening() as socket, bo.listening() as heard:
        assert await ended(server) == 1
        assert (await heard.next())["__typename"] == "MemberLeft"
        assert (await socket.closed())[0] == 4403
    assert await ended(server) == 0
    assert await code(gast, CHAT, id=chat_id) == "UNAUTHENTICATED"
    data = await bo.ask(
        "query($id: ID!) { chat(id: $id) { memberCount messages { nodes { text sender "
        "{ displayName kind } system { what } } } } }",
        id=chat_id,
    )
    sender = {"displayName": "Gast", "kind": "GUEST"}
    assert data["chat"] == {
        "memberCount": 2,
        "messages": {
            "nodes": [
                {"text": "", "sender": sender, "system": {"what": "MEMBER_JOINED"}},
                {"text": "for good", "sender": sender, "system": None},
                {"text": "", "sender": sender, "system": {"what": "MEMBER_LEFT"}},
            ]
        },
    }


async def test_a_guests_session_is_never_renewed_beyond_the_stay(group):
    server, ana, _bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    query = "{ viewer { session { expiresAt } } }"
    link = "query($id: ID!) { chat(id: $id) { guestLinks { expiresAt } } }"
    until = (await ana.ask(link, id=chat_id))["chat"]["guestLinks"][0]["expiresAt"]
    assert (await gast.ask(query))["viewer"]["session"]["expiresAt"] == until
    gast.take(await gast.done("refreshSession", SIGNED_IN, refreshToken=gast.refresh_token))
    assert (await gast.ask(query))["viewer"]["session"]["expiresAt"] == until


@pytest.mark.parametrize("how", ["removed", "left"])
async def test_a_guest_who_is_out_of_the_chat_is_signed_out(group, how):
    server, ana, _bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    async with gast.listening() as socket:
        if how == "removed":
            await ana.done("removeMember", "", chatId=chat_id, userId=gast.user_id)
        else:
            await gast.done("leaveChat", "", chatId=chat_id)
        assert (await socket.closed())[0] == 4403
    assert await code(gast, CHAT, id=chat_id) == "UNAUTHENTICATED"


async def test_nobody_takes_a_guest_into_another_chat(group):
    server, ana, _bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    gast = await guest(server, token)
    other = await ana.group("Other")
    added = await ana.refused("addMembers", "", chatId=other, userIds=[gast.user_id])
    assert added == "NOT_FOUND"
    for kind, title in (("DIRECT", None), ("GROUP", "With a guest")):
        started = await ana.refused(
            "createChat", "", kind=kind, title=title, memberIds=[gast.user_id]
        )
        assert started == "NOT_FOUND"


async def test_a_chat_is_never_handed_to_a_guest(group):
    server, ana, bo, chat_id = group
    _, token = await guest_link(ana, chat_id)
    await ana.done("removeMember", "", chatId=chat_id, userId=bo.user_id)
    gast = await guest(server, token)
    await ana.done("leaveChat", "", chatId=chat_id)
    data = await gast.ask(
        "query($id: ID!) { chat(id: $id) { members { nodes { role } } } }", id=chat_id
    )
    assert data["chat"]["members"]["nodes"] == [{"role": "GUEST"}]


async def test_links_are_made_seen_and_closed_by_who_may_invite_alone(group):
    server, ana, bo, chat_id = group
    cy = await server.registered("cyd")
    link, _ = await guest_link(ana, chat_id)
    query = "query($id: ID!) { chat(id: $id) { guestLinks { id } } }"
    assert (await ana.ask(query, id=chat_id))["chat"]["guestLinks"] == [{"id": link}]
    assert (await bo.ask(query, id=chat_id))["chat"]["guestLinks"] is None
    assert await bo.refused("createGuestLink", "", chatId=chat_id) == "FORBIDDEN"
    assert await cy.refused("createGuestLink", "", chatId=chat_id) == "NOT_FOUND"
    for person in (bo, cy):
        assert await person.refused("revokeGuestLink", "", linkId=link) == "NOT_FOUND"
    direct = (await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[bo.user_id]))[
        "chat"
    ]["id"]
    assert await ana.refused("createGuestLink", "", chatId=direct) == "FORBIDDEN"
    assert (await ana.ask(query, id=chat_id))["chat"]["guestLinks"] == [{"id": link}]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"expiresAt": "2020-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2999-01-01T00:00:00Z"}, ["expiresAt"]),
        ({"expiresAt": "2030-01-01T00:00:00"}, ["expiresAt"]),
        ({"expiresAt": "0001-01-01T00:00:00+23:59"}, ["expiresAt"]),
        ({"maxUses": 0}, ["maxUses"]),
        ({"maxUses": 10_001}, ["maxUses"]),
    ],
)
async def test_a_link_that_cannot_be_is_refused(sqlite_server, change, path):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    payload = await ana.do("createGuestLink", "token", chatId=chat_id, **change)
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", path)


async def test_a_chat_has_so_many_links_at_most(sqlite_server, monkeypatch):
    monkeypatch.setattr(guests, "MAX_LINKS", 2)
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    for _ in range(2):
        await guest_link(ana, chat_id)
    assert await ana.refused("createGuestLink", "", chatId=chat_id) == "CONFLICT"


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"token": ""}, "NOT_FOUND"),
        ({"token": "x" * 100_000}, "NOT_FOUND"),
        ({"token": "guest\x00"}, "NOT_FOUND"),
        ({"displayName": " "}, "INVALID_INPUT"),
        ({"displayName": "x" * 65}, "TOO_LONG"),
        ({"displayName": "A\N{RIGHT-TO-LEFT OVERRIDE}B"}, "INVALID_INPUT"),
        ({"deviceName": "x" * 65}, "TOO_LONG"),
    ],
)
async def test_who_cannot_come_in_leaves_no_trace(sqlite_server, change, refused):
    ana = await sqlite_server.registered("ana")
    chat_id = await ana.group("Picnic")
    _, token = await guest_link(ana, chat_id)
    given = {"token": token, "displayName": "Gast", **change}
    assert await sqlite_server.person().refused("joinAsGuest", "", **given) == refused
    data = await ana.ask(
        "query($id: ID!) { chat(id: $id) { memberCount guestLinks { uses } } }", id=chat_id
    )
    assert data["chat"] == {"memberCount": 1, "guestLinks": [{"uses": 0}]}


async def test_nobody_registers_under_a_guests_name(sqlite_server):
    person = sqlite_server.person()
    refused = await person.refused(
        "register", "", handle="Guest_00", password="correct horse battery", displayName="G"
    )
    assert refused == "INVALID_INPUT"


async def test_a_guest_has_no_password_to_log_in_with(sqlite_server):
    ana = await sqlite_server.registered("ana")
    _, token = await guest_link(ana, await ana.group("Picnic"))
    gast = await guest(sqlite_server, token)
    for password in ("", "correct horse battery"):
        refused = await sqlite_server.person().refused(
            "logIn", "", handle=gast.handle, password=password
        )
        assert refused == "BAD_CREDENTIALS"
