"""Bans and silence: who keeps order, whom they may touch, and what the log tells of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from models import bans as stored
from models import chat_acts
from models.base import new_key
from models.database import Database
from models.events import events
from models.members import members
from resolvers import bans as use_cases
from schema.ids import Kind, decode
from tests.parts.roles import bot, guest, guest_link, join_link, join_request

BANS = """query($id: ID!, $first: Int, $after: String) { chat(id: $id) { memberCount
  bans(first: $first, after: $after) {
    nodes { user { handle } bannedBy { handle } reason until }
    pageInfo { hasNextPage endCursor }
} } }"""
LOG = """query($id: ID!, $first: Int, $after: String) { chat(id: $id) {
  auditLog(first: $first, after: $after) {
    nodes { act actor { handle } subject { handle } messageId details { name value } }
    pageInfo { hasNextPage endCursor }
} } }"""
SILENCED = "membership { silencedUntil user { handle } }"


@pytest.fixture
async def group(server):
    ana, bob, cleo = [await server.registered(name) for name in ("ana", "bob", "cleo")]
    return server, ana, bob, cleo, await ana.group("Picnic", bob, cleo)


async def make_admin(server, person, chat_id):
    """Have somebody be an admin of a chat, as its owner would."""
    async with server.program.services.db.writing() as connection:
        await connection.execute(
            members.update()
            .where(
                members.c.chat_id == decode(Kind.CHAT, chat_id),
                members.c.user_id == decode(Kind.USER, person.user_id),
            )
            .values(role="admin")
        )


async def test_who_is_banned_is_gone_and_is_let_in_by_nobody(group):
    _server, ana, bob, cleo, chat_id = group
    async with bob.listening() as socket:
        payload = await ana.done(
            "banMember",
            "ban { user { handle } reason } chat { memberCount }",
            chatId=chat_id,
            userId=bob.user_id,
            reason="Spam",
        )
        left = await socket.next()
        assert (left["__typename"], left["actor"]) == ("MemberLeft", {"handle": "ana"})
    assert payload["ban"] == {"user": {"handle": "bob"}, "reason": "Spam"}
    assert payload["chat"] == {"memberCount": 2}
    assert await bob.ask(BANS, id=chat_id) == {"chat": None}
    again = {"chatId": chat_id, "userIds": [bob.user_id]}
    assert await ana.refused("addMembers", "", **again) == "FORBIDDEN"
    _, token = await join_link(ana, chat_id)
    assert await bob.refused("joinChat", "", token=token) == "NOT_FOUND"
    assert await bob.ask("query($t: String!) { joinLink(token: $t) { title } }", t=token) == {
        "joinLink": None
    }
    (ban,) = (await ana.ask(BANS, id=chat_id))["chat"]["bans"]["nodes"]
    assert (ban["user"], ban["bannedBy"], ban["until"]) == (
        {"handle": "bob"},
        {"handle": "ana"},
        None,
    )
    assert (await cleo.ask(BANS, id=chat_id))["chat"]["bans"] is None
    await ana.done("unbanMember", "chat { id }", chatId=chat_id, userId=bob.user_id)
    await bob.done("joinChat", "chat { id }", token=token)
    assert (await ana.ask(BANS, id=chat_id))["chat"]["bans"]["nodes"] == []


async def test_a_ban_that_is_over_keeps_nobody_out(group):
    server, ana, bob, _cleo, chat_id = group
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id, until=until)
    again = {"chatId": chat_id, "userIds": [bob.user_id]}
    assert await ana.refused("addMembers", "", **again) == "FORBIDDEN"
    async with server.program.services.db.writing() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(stored.bans.update().values(until=past))
    assert (await ana.ask(BANS, id=chat_id))["chat"]["bans"]["nodes"] == []
    await ana.done("addMembers", "", **again)


async def test_somebody_is_banned_who_never_came(group):
    server, ana, _bob, _cleo, chat_id = group
    dan = await server.registered("dan")
    await ana.done("banMember", "", chatId=chat_id, userId=dan.user_id)
    again = {"chatId": chat_id, "userIds": [dan.user_id]}
    assert await ana.refused("addMembers", "", **again) == "FORBIDDEN"


async def test_a_new_ban_takes_the_place_of_the_one_before(group):
    _server, ana, bob, _cleo, chat_id = group
    for reason in ("Once", "Twice"):
        await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id, reason=reason)
    (ban,) = (await ana.ask(BANS, id=chat_id))["chat"]["bans"]["nodes"]
    assert ban["reason"] == "Twice"


async def test_bans_are_listed_page_by_page_the_newest_first(group):
    _server, ana, bob, cleo, chat_id = group
    for person in (bob, cleo):
        await ana.done("banMember", "", chatId=chat_id, userId=person.user_id)
    page = (await ana.ask(BANS, id=chat_id, first=1))["chat"]["bans"]
    assert [each["user"]["handle"] for each in page["nodes"]] == ["cleo"]
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    rest = (await ana.ask(BANS, id=chat_id, after=after))["chat"]["bans"]
    assert [each["user"]["handle"] for each in rest["nodes"]] == ["bob"]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_who_is_banned_does_not_come_back_by_a_link_that_they_have_made(group):
    server, ana, bob, _cleo, chat_id = group
    await make_admin(server, bob, chat_id)
    _, theirs = await join_link(bob, chat_id)
    _, for_guests = await guest_link(bob, chat_id)
    visitor = await guest(server, for_guests)
    await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id)
    dan = await server.registered("dan")
    assert await dan.refused("joinChat", "", token=theirs) == "NOT_FOUND"
    joining = {"token": for_guests, "displayName": "Bob"}
    assert await server.person().refused("joinAsGuest", "", **joining) == "NOT_FOUND"
    answer = await visitor.run("{ viewer { user { id } } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def incoming(person, chat_id):
    payload = await person.done("createIncomingWebhook", "url", chatId=chat_id, name="CI")
    return "/hooks/" + payload["url"].rpartition("/")[2]


async def posted(person, path, text="hello"):
    async with httpx.AsyncClient(base_url=person.url, trust_env=False) as http:
        return (await http.post(path, json={"text": text})).status_code


async def test_who_is_banned_does_not_write_by_their_incoming_webhook(group):
    server, ana, bob, cleo, chat_id = group
    for person in (bob, cleo):
        await make_admin(server, person, chat_id)
    theirs, hers = await incoming(bob, chat_id), await incoming(cleo, chat_id)
    elsewhere = await incoming(bob, await bob.group("Own"))
    await ana.done("banMember", "chat { id }", chatId=chat_id, userId=bob.user_id)
    assert await posted(bob, theirs, "I am still here") == 404
    assert (await posted(bob, hers), await posted(bob, elsewhere)) == (204, 204)
    shown = "query($id: ID!) { chat(id: $id) { memberCount incomingWebhooks { id } } }"
    chat = (await ana.ask(shown, id=chat_id))["chat"]
    assert (chat["memberCount"], len(chat["incomingWebhooks"])) == (3, 1)


async def test_who_is_banned_does_not_read_on_by_a_bot_of_theirs(group):
    server, ana, bob, cleo, chat_id = group
    await make_admin(server, bob, chat_id)
    robot, other = await bot(server, bob, "robot"), await bot(server, cleo, "other")
    for each in (robot, other):
        given = {"chatId": chat_id, "userIds": [each.user_id]}
        await ana.done("addMembers", "chat { id }", **given)
    await make_admin(server, robot, chat_id)
    await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id)
    await ana.send(chat_id, "now that bob is gone")
    history = "query($id: ID!) { chat(id: $id) { messages { nodes { text } } } }"
    assert "bob is gone" not in str(await robot.run(history, id=chat_id))
    assert "bob is gone" in str(await other.run(history, id=chat_id))


async def test_a_ban_takes_out_neither_a_bot_that_owns_the_chat_nor_one_that_bans(group):
    server, _ana, bob, cleo, _ = group
    keeper = await bot(server, bob, "keeper")
    made = await keeper.done(
        "createChat", "chat { id }", kind="GROUP", title="Ours", memberIds=[bob.user_id]
    )
    chat_id = made["chat"]["id"]
    await keeper.done("addMembers", "", chatId=chat_id, userIds=[cleo.user_id])
    await make_admin(server, cleo, chat_id)
    await cleo.done("banMember", "chat { memberCount }", chatId=chat_id, userId=bob.user_id)
    await keeper.done("banMember", "chat { memberCount }", chatId=chat_id, userId=bob.user_id)


async def test_who_asks_to_be_let_in_can_be_banned_even_if_they_hide(server):
    ana, cleo = [await server.registered(name) for name in ("ana", "cleo")]
    chat_id = await ana.group("Talk")
    _, token = await join_link(ana, chat_id, requiresApproval=True)
    await cleo.done("updateSettings", "", hides=True)
    await join_request(cleo, token)
    query = "query($id: ID!) { chat(id: $id) { joinRequests { nodes { user { id } } } } }"
    (asked,) = (await ana.ask(query, id=chat_id))["chat"]["joinRequests"]["nodes"]
    assert asked["user"]["id"] == cleo.user_id, "she may see her, then"
    eve = await server.registered("eve")
    given = {"userId": cleo.user_id, "reason": "SPAM"}
    assert await eve.refused("reportUser", "", **given) == "NOT_FOUND"
    assert await eve.refused("blockUser", "", userId=cleo.user_id) == "NOT_FOUND"
    await ana.done("reportUser", "", **given)
    await ana.done("blockUser", "user { handle }", userId=cleo.user_id)
    await ana.done("banMember", "", chatId=chat_id, userId=cleo.user_id)
    assert (await ana.ask(query, id=chat_id))["chat"]["joinRequests"]["nodes"] == []


async def test_nobody_touches_who_is_not_below_them(group):
    server, ana, bob, cleo, chat_id = group
    await make_admin(server, bob, chat_id)
    await make_admin(server, cleo, chat_id)
    for mutation in ("banMember", "silenceMember"):
        for subject in (ana, cleo):
            given = {"chatId": chat_id, "userId": subject.user_id}
            assert await bob.refused(mutation, "", **given) == "FORBIDDEN"
    assert await bob.refused("banMember", "", chatId=chat_id, userId=bob.user_id) == (
        "INVALID_INPUT"
    )
    await ana.done("banMember", "", chatId=chat_id, userId=cleo.user_id)


async def test_members_keep_no_order_and_a_direct_chat_has_none(group):
    _server, ana, bob, cleo, chat_id = group
    direct = await bob.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ana.user_id])
    for chat in (chat_id, direct["chat"]["id"]):
        for mutation in ("banMember", "unbanMember", "silenceMember", "unsilenceMember"):
            given = {"chatId": chat, "userId": cleo.user_id}
            assert await bob.refused(mutation, "", **given) == "FORBIDDEN", mutation


async def test_a_bot_that_is_an_admin_keeps_order(group):
    server, ana, bob, _cleo, chat_id = group
    keeper = await bot(server, ana, "keeper")
    await ana.done("addMembers", "", chatId=chat_id, userIds=[keeper.user_id])
    given = {"chatId": chat_id, "userId": bob.user_id}
    assert await keeper.refused("banMember", "", **given) == "FORBIDDEN"
    await make_admin(server, keeper, chat_id)
    await keeper.done("silenceMember", SILENCED, **given)
    await keeper.done("banMember", "chat { memberCount }", **given)


async def test_everybody_in_the_chat_hears_who_is_to_be_silent_and_until_when(group):
    server, ana, bob, cleo, chat_id = group
    until = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    query = """subscription { events { __typename ... on MemberSilenced {
      actor { handle } membership { silencedUntil user { handle } } } } }"""
    async with cleo.socket() as socket:
        await socket.subscribe("events", query)
        # What is asked for after the subscription is there is answered after it.
        await socket.subscribe("ready", "{ viewer { cursor } }")
        while (await socket.receive())["id"] != "ready":
            pass
        payload = await ana.done(
            "silenceMember", SILENCED, chatId=chat_id, userId=bob.user_id, until=until.isoformat()
        )
        while (event := await socket.receive())["type"] != "next":
            pass
        told = event["payload"]["data"]["events"]
    assert told["__typename"] == "MemberSilenced"
    assert told["actor"] == {"handle": "ana"}
    assert told["membership"] == payload["membership"]
    assert datetime.fromisoformat(payload["membership"]["silencedUntil"]) == until
    async with server.program.services.db.reading() as connection:
        rows = await connection.execute(
            sa.select(members.c.silenced_until).where(members.c.silenced_until.is_not(None))
        )
        assert rows.scalars().all() == [until]
    payload = await ana.done("unsilenceMember", SILENCED, chatId=chat_id, userId=bob.user_id)
    assert payload["membership"]["silencedUntil"] is None
    payload = await ana.done("silenceMember", SILENCED, chatId=chat_id, userId=bob.user_id)
    assert payload["membership"]["silencedUntil"].startswith("9999-01-01")


async def test_what_moderators_did_is_on_record_for_the_others_who_may(group):
    _server, ana, bob, cleo, chat_id = group
    message = await bob.send(chat_id, "Buy!")
    await ana.done("updateChat", "", chatId=chat_id, title="Outing")
    await ana.done("deleteMessage", "", messageId=message["id"])
    await ana.done("silenceMember", "", chatId=chat_id, userId=bob.user_id)
    await ana.done("silenceMember", "", chatId=chat_id, userId=bob.user_id)  # no news
    await ana.done("removeMember", "", chatId=chat_id, userId=bob.user_id)
    await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id, reason="Spam")
    await ana.done("unbanMember", "", chatId=chat_id, userId=bob.user_id)
    await ana.done("unbanMember", "", chatId=chat_id, userId=bob.user_id)  # no news
    page = (await ana.ask(LOG, id=chat_id, first=4))["chat"]["auditLog"]
    assert page["pageInfo"]["hasNextPage"]
    rest = await ana.ask(LOG, id=chat_id, after=page["pageInfo"]["endCursor"])
    entries = page["nodes"] + rest["chat"]["auditLog"]["nodes"]
    assert [entry["act"] for entry in entries] == [
        "MEMBER_UNBANNED",
        "MEMBER_BANNED",
        "MEMBER_REMOVED",
        "MEMBER_SILENCED",
        "MESSAGE_DELETED",
        "DETAILS_CHANGED",
    ]
    assert {entry["actor"]["handle"] for entry in entries} == {"ana"}
    assert entries[4]["messageId"] == message["id"]
    assert entries[4]["subject"] == {"handle": "bob"}
    assert (await cleo.ask(LOG, id=chat_id))["chat"]["auditLog"] is None


@pytest.mark.parametrize("change", ["UPDATE chat_acts SET act = 'x'", "DELETE FROM chat_acts"])
async def test_what_is_on_record_stays_there(migrated_database_url, change):
    db = Database(migrated_database_url)
    try:
        async with db.writing() as connection:
            await chat_acts.record(
                connection,
                chat_acts.ChatAct.MEMBER_BANNED,
                now=datetime.now(UTC),
                chat_id=new_key(),
                actor_id=None,
            )
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            async with db.writing() as connection:
                await connection.execute(sa.text(change))
    finally:
        await db.close()


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"reason": "x" * 501}, "TOO_LONG", ["reason"]),
        ({"reason": "a\x00"}, "INVALID_INPUT", ["reason"]),
        ({"until": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", ["until"]),
        ({"until": "9999-06-01T00:00:00Z"}, "INVALID_INPUT", ["until"]),
        ({"until": "2090-01-01T00:00:00"}, "INVALID_INPUT", ["until"]),
        ({"userId": "x"}, "INVALID_ID", ["userId"]),
        ({"userId": "dQAAAAAAAAAAAAAAAAAAAAA"}, "NOT_FOUND", ["userId"]),
        ({"chatId": "YwAAAAAAAAAAAAAAAAAAAAA"}, "NOT_FOUND", ["chatId"]),
    ],
)
async def test_a_ban_that_cannot_be_is_refused(sqlite_server, change, code, path):
    ana, bob = await sqlite_server.registered("ana"), await sqlite_server.registered("bob")
    chat_id = await ana.group("Picnic", bob)
    given = {"chatId": chat_id, "userId": bob.user_id, **change}
    (error,) = (await ana.do("banMember", "", **given))["errors"]
    assert (error["code"], error["path"]) == (code, path)
    assert (await ana.ask(BANS, id=chat_id))["chat"]["memberCount"] == 2


async def test_a_chat_has_so_many_bans(sqlite_server, monkeypatch):
    monkeypatch.setattr(use_cases, "MAX_BANS", 1)
    ana, bob = await sqlite_server.registered("ana"), await sqlite_server.registered("bob")
    cleo = await sqlite_server.registered("cleo")
    chat_id = await ana.group("Picnic", bob, cleo)
    await ana.done("banMember", "", chatId=chat_id, userId=bob.user_id)
    given = {"chatId": chat_id, "userId": cleo.user_id}
    assert await ana.refused("banMember", "", **given) == "CONFLICT"


async def test_of_a_ban_and_a_joining_in_the_same_moment_the_log_tells_one_story(group):
    """Whoever is first: who is banned is out, and every stay begins and ends in the log."""
    server, ana, _bob, _cleo, chat_id = group
    _, token = await join_link(ana, chat_id)
    orders = set()
    for number in range(12):
        dan = await server.registered(f"dan{number}")
        given = {"chatId": chat_id, "userId": dan.user_id}
        coming, banning = dan.do("joinChat", "", token=token), ana.do("banMember", "", **given)
        first, second = (coming, banning) if number % 2 else (banning, coming)
        await asyncio.gather(first, second, ana.do("addMembers", "", **_added(given)))
        async with server.program.services.db.reading() as connection:
            user_id = decode(Kind.USER, dan.user_id)
            told = (
                await connection.execute(
                    sa.select(events.c.kind)
                    .where(events.c.subject_id == user_id, events.c.chat_id.is_not(None))
                    .order_by(events.c.seq)
                )
            ).scalars()
            orders.add(tuple(told))
            stays = await connection.execute(
                sa.select(members.c.left_seq).where(members.c.user_id == user_id)
            )
            assert all(left is not None for left in stays.scalars())
        assert await dan.refused("joinChat", "", token=token) == "NOT_FOUND"
    assert orders <= {(), ("member_joined", "member_left")}
    assert (await ana.ask(BANS, id=chat_id))["chat"]["memberCount"] == 3


def _added(given):
    return {"chatId": given["chatId"], "userIds": [given["userId"]]}


async def test_who_is_silenced_neither_votes_nor_pins(server):
    ana, bob = [await server.registered(name) for name in ("ana", "bob")]
    chat_id = await ana.group("Talk", bob)
    await ana.done("changeMemberRole", "", chatId=chat_id, userId=bob.user_id, role="ADMIN")
    given = {"chatId": chat_id, "clientMessageId": str(uuid4())}
    poll = {"question": "Tea?", "options": ["Yes", "No"]}
    payload = await ana.done("sendMessage", "message { id }", **given, poll=poll)
    message_id = payload["message"]["id"]
    await ana.done("silenceMember", SILENCED, chatId=chat_id, userId=bob.user_id)
    assert await bob.refused("votePoll", "", messageId=message_id, options=[0]) == "FORBIDDEN"
    assert await bob.refused("pinMessage", "", messageId=message_id) == "FORBIDDEN"
    await ana.done("unsilenceMember", SILENCED, chatId=chat_id, userId=bob.user_id)
    await bob.done("votePoll", "", messageId=message_id, options=[0])


async def test_silence_is_not_left_behind_by_leaving_and_coming_back(server):
    ana, bob, cleo = [await server.registered(name) for name in ("ana", "bob", "cleo")]
    chat_id = await ana.group("Talk", bob, cleo)
    _, token = await join_link(ana, chat_id)
    of_bob = {"chatId": chat_id, "userId": bob.user_id}
    payload = await ana.done("silenceMember", SILENCED, **of_bob)
    silenced = payload["membership"]["silencedUntil"]
    given = {"chatId": chat_id, "text": "spam"}
    query = """subscription { events { __typename
      ... on MemberJoined { membership { silencedUntil } } } }"""
    async with ana.socket() as socket:
        await socket.subscribe("events", query)
        # What is asked for after the subscription is there is answered after it.
        await socket.subscribe("ready", "{ viewer { cursor } }")
        while (await socket.receive())["type"] != "complete":
            pass
        for _ in range(2):  # from a past stay, and from one that had it from a past stay
            await bob.done("leaveChat", "", chatId=chat_id)
            await bob.done("joinChat", "chat { id }", token=token)
            joined = await socket.next()
            while joined["__typename"] != "MemberJoined":
                joined = await socket.next()
            assert joined["membership"]["silencedUntil"] == silenced
            refused = await bob.refused("sendMessage", "", **given, clientMessageId=str(uuid4()))
            assert refused == "FORBIDDEN"
    payload = await ana.done("unsilenceMember", SILENCED, **of_bob)
    assert payload["membership"]["silencedUntil"] is None
    await bob.send(chat_id, "sorry")
    # Of several who come at once each has what was theirs.
    for person in (bob, cleo):
        await person.done("leaveChat", "", chatId=chat_id)
    ids = [bob.user_id, cleo.user_id]
    payload = await ana.done(
        "addMembers", "memberships { silencedUntil }", chatId=chat_id, userIds=ids
    )
    assert payload["memberships"] == [{"silencedUntil": None}] * 2


async def test_slow_mode_is_not_left_behind_by_leaving_and_coming_back(server):
    ana, bob = [await server.registered(name) for name in ("ana", "bob")]
    chat_id = await ana.group("Talk", bob)
    _, token = await join_link(ana, chat_id)
    await ana.done("updateChat", "chat { id }", chatId=chat_id, slowMode=3600)
    await bob.send(chat_id, "one")
    await bob.done("leaveChat", "", chatId=chat_id)
    await bob.done("joinChat", "chat { id }", token=token)
    given = {"chatId": chat_id, "text": "two", "clientMessageId": str(uuid4())}
    assert await bob.refused("sendMessage", "", **given) == "RATE_LIMITED"
