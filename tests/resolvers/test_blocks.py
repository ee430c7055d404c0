"""Blocks: what they keep apart, and that who is blocked cannot tell."""

import asyncio
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models import blocks as stored
from models import own_data
from models.chats import chats
from models.members import FOR_EVER, members
from resolvers import blocks as use_cases
from schema.ids import Kind, decode
from tests.parts.people import until_subscribed
from tests.parts.running import running
from tests.resolvers.test_joining import told

BLOCKS = """query($first: Int, $after: String) { viewer { blocks(first: $first, after: $after) {
  nodes { handle viewerBlocks } pageInfo { hasNextPage endCursor } } } }"""
USER = "query($handle: String!) { user(handle: $handle) { handle viewerBlocks } }"
SEARCH = """query($search: String!, $first: Int, $after: String) {
  users(search: $search, first: $first, after: $after) {
    nodes { handle } pageInfo { hasNextPage endCursor } } }"""
NODE = "query($id: ID!) { node(id: $id) { id } }"
UNREAD = "query($id: ID!) { chat(id: $id) { viewerMembership { unreadCount } } }"


@pytest.fixture
async def people(server):
    return server, await server.registered("ana"), await server.registered("bob")


async def direct(person, other):
    payload = await person.done(
        "createChat", "chat { id }", kind="DIRECT", memberIds=[other.user_id]
    )
    return payload["chat"]["id"]


async def silenced(server, chat_id):
    """Return until when each member of a chat may not write."""
    async with server.program.services.db.reading() as connection:
        rows = await connection.execute(
            sa.select(members.c.silenced_until).where(
                members.c.chat_id == decode(Kind.CHAT, chat_id)
            )
        )
        return rows.scalars().all()


async def test_who_is_blocked_finds_nobody_there_and_starts_nothing(people):
    _server, ana, bob = people
    payload = await ana.done("blockUser", "user { handle viewerBlocks }", userId=bob.user_id)
    assert payload["user"] == {"handle": "bob", "viewerBlocks": True}
    assert await bob.ask(USER, handle="ana") == {"user": None}
    assert await bob.ask(NODE, id=ana.user_id) == {"node": None}
    assert (await bob.ask(SEARCH, search="an"))["users"]["nodes"] == []
    for kind, title in (("DIRECT", None), ("GROUP", "Us")):
        given = {"kind": kind, "title": title, "memberIds": [ana.user_id]}
        assert await bob.refused("createChat", "", **given) == "NOT_FOUND"
    assert await bob.refused("blockUser", "", userId=ana.user_id) == "NOT_FOUND"
    # Who blocks goes on finding them, or could not end it.
    assert (await ana.ask(USER, handle="bob"))["user"] == {"handle": "bob", "viewerBlocks": True}
    given = {"kind": "DIRECT", "memberIds": [bob.user_id]}
    assert await ana.refused("createChat", "", **given) == "FORBIDDEN"
    await ana.done("unblockUser", "user { viewerBlocks }", userId=bob.user_id)
    await direct(bob, ana)


async def test_a_block_looks_like_somebody_who_hides_and_wants_to_hear_of_nobody(people):
    """To the byte, with a chat in common and without."""
    server, ana, bob = people
    cleo = await server.registered("cleo")
    for person in (ana, cleo):
        await person.group("In common", bob)
    await cleo.done("updateSettings", "", hides=True, whoMayMessage="NOBODY", whoMayAdd="NOBODY")
    await ana.done("blockUser", "", userId=bob.user_id)
    dan = await server.registered("dan")
    await ana.done("blockUser", "", userId=dan.user_id)
    for asking in (bob, dan):
        seen = []
        for subject in (ana, cleo):
            chat = {"kind": "DIRECT", "memberIds": [subject.user_id]}
            group = {"kind": "GROUP", "title": "x", "memberIds": [subject.user_id]}
            seen.append(
                [
                    (await asking.do("createChat", "chat { id }", **chat))["errors"],
                    (await asking.do("createChat", "chat { id }", **group))["errors"],
                    (await asking.ask(SEARCH, search=subject.handle))["users"]["nodes"],
                    (await asking.ask(USER, handle=subject.handle))["user"] is None,
                    (await asking.ask(NODE, id=subject.user_id))["node"] is None,
                ]
            )
        assert seen[0] == seen[1]
        assert seen[0][0] != []


async def test_in_a_direct_chat_nobody_writes_while_one_blocks_the_other(people):
    server, ana, bob = people
    chat_id = await direct(ana, bob)
    for person, other in ((ana, bob), (bob, ana)):
        await person.done("blockUser", "", userId=other.user_id)
        assert await silenced(server, chat_id) == [FOR_EVER, FOR_EVER]
    await ana.done("unblockUser", "", userId=bob.user_id)
    assert await silenced(server, chat_id) == [FOR_EVER, FOR_EVER]
    await bob.done("unblockUser", "", userId=ana.user_id)
    assert await silenced(server, chat_id) == [None, None]
    await bob.send(chat_id, "hello again")


async def test_who_is_blocked_cannot_tell_from_the_chat_that_they_have(people):
    _server, ana, bob = people
    chat_id = await direct(ana, bob)
    chat = """query($id: ID!) { chat(id: $id) { title lastActivityAt
      viewerMembership { silencedUntil }
      members { nodes { silencedUntil user { handle bio } } } } }"""
    before = await bob.ask(chat, id=chat_id)
    async with bob.listening() as socket:
        await ana.done("blockUser", "", userId=bob.user_id)
        assert await bob.ask(chat, id=chat_id) == before
        shared = await bob.group("Still there")
        # The next that they hear is of something else.
        assert (await socket.next())["chat"]["id"] == shared
    assert (await bob.ask(USER, handle="ana"))["user"] == {"handle": "ana", "viewerBlocks": False}


async def test_in_groups_both_go_on_writing(people):
    server, ana, bob = people
    chat_id = await ana.group("Picnic", bob)
    await ana.done("blockUser", "", userId=bob.user_id)
    assert await silenced(server, chat_id) == [None, None]
    await bob.send(chat_id, "hello")
    query = """query($id: ID!) { chat(id: $id) { messages { nodes { text
      sender { handle viewerBlocks } } } } }"""
    (message,) = (await ana.ask(query, id=chat_id))["chat"]["messages"]["nodes"]
    assert message == {"text": "hello", "sender": {"handle": "bob", "viewerBlocks": True}}


async def test_one_s_own_devices_hear_of_a_block_and_nobody_else(people):
    server, ana, bob = people
    second = server.person()
    await second.log_in("ana")
    query = """subscription { events { __typename
      ... on BlocksChanged { user { handle viewerBlocks } } } }"""
    async with second.socket() as socket:
        await socket.subscribe("events", query)
        await until_subscribed(server.url, 1)
        for mutation in ("blockUser", "blockUser", "unblockUser"):
            await ana.done(mutation, "", userId=bob.user_id)
        first, last = [await told(socket), await told(socket)]
    assert (first["__typename"], first["user"]["handle"]) == ("BlocksChanged", "bob")
    assert last["user"] == {"handle": "bob", "viewerBlocks": False}


async def test_blocks_are_listed_page_by_page(people):
    server, ana, bob = people
    cleo = await server.registered("cleo")
    for person in (cleo, bob):
        await ana.done("blockUser", "", userId=person.user_id)
    page = (await ana.ask(BLOCKS, first=1))["viewer"]["blocks"]
    assert page["nodes"] == [{"handle": "bob", "viewerBlocks": True}]
    page = (await ana.ask(BLOCKS, after=page["pageInfo"]["endCursor"]))["viewer"]["blocks"]
    assert page["nodes"] == [{"handle": "cleo", "viewerBlocks": True}]
    assert not page["pageInfo"]["hasNextPage"]


async def test_who_blocks_leaves_no_gap_in_what_is_found(server):
    """A page is as long as it is asked for, whoever of those found blocks who asks."""
    ana = await server.registered("ana")
    for number in range(6):
        person = await server.registered(f"zoe{number}{'x' * 6}")
        if number in (0, 1, 2, 4):
            await person.done("blockUser", "", userId=ana.user_id)
    page = (await ana.ask(SEARCH, search="zoe", first=1))["users"]
    assert [each["handle"][:4] for each in page["nodes"]] == ["zoe3"]
    assert page["pageInfo"]["hasNextPage"]
    after = page["pageInfo"]["endCursor"]
    page = (await ana.ask(SEARCH, search="zoe", first=1, after=after))["users"]
    assert [each["handle"][:4] for each in page["nodes"]] == ["zoe5"]
    assert not page["pageInfo"]["hasNextPage"]


async def test_of_a_block_and_a_chat_in_the_same_moment_the_later_one_finds_the_earlier(server):
    for number in range(8):
        ana, bob = [await server.registered(f"{name}{number}") for name in ("ana", "bob")]
        given = {"kind": "DIRECT", "memberIds": [ana.user_id]}
        started = bob.do("createChat", "chat { id }", **given)
        blocked = ana.done("blockUser", "", userId=bob.user_id)
        both = (started, blocked) if number % 2 else (blocked, started)
        await asyncio.gather(*both)
        async with server.program.services.db.reading() as connection:
            ids = [decode(Kind.USER, person.user_id) for person in (ana, bob)]
            key = ":".join(sorted(each.hex for each in ids))
            found = await connection.execute(
                sa.select(members.c.silenced_until)
                .join(chats, chats.c.id == members.c.chat_id)
                .where(chats.c.direct_key == key)
            )
            assert set(found.scalars()) <= {FOR_EVER}


async def test_of_a_block_and_a_message_in_the_same_moment_one_is_first(server):
    """What was acknowledged is there; and after both, nobody writes there."""
    ana, bob = await server.registered("ana"), await server.registered("bob")
    chat_id = await direct(ana, bob)
    sent = bob.do(
        "sendMessage", "message { seq }", chatId=chat_id, text="hi", clientMessageId=str(uuid4())
    )
    payload, _ = await asyncio.gather(sent, ana.done("blockUser", "", userId=bob.user_id))
    query = "query($id: ID!) { chat(id: $id) { messages { nodes { seq } } } }"
    stored_now = (await ana.ask(query, id=chat_id))["chat"]["messages"]["nodes"]
    assert stored_now == ([payload["message"]] if payload["message"] else [])
    assert await silenced(server, chat_id) == [FOR_EVER, FOR_EVER]


async def test_nobody_blocks_themselves_or_somebody_who_is_not_there(sqlite_server):
    ana = await sqlite_server.registered("ana")
    hider = await sqlite_server.registered("hider")
    await hider.done("updateSettings", "", hides=True)
    for mutation in ("blockUser", "unblockUser"):
        for user_id in (hider.user_id, "dQAAAAAAAAAAAAAAAAAAAAA"):
            assert await ana.refused(mutation, "", userId=user_id) == "NOT_FOUND"
        assert await ana.refused(mutation, "", userId="x") == "INVALID_ID"
    assert await ana.refused("blockUser", "", userId=ana.user_id) == "INVALID_INPUT"


async def test_who_goes_out_of_sight_can_be_let_go_of(sqlite_server):
    ana, bob = await sqlite_server.registered("ana"), await sqlite_server.registered("bob")
    await ana.done("blockUser", "", userId=bob.user_id)
    await bob.done("updateSettings", "", hides=True)
    await ana.done("unblockUser", "user { handle }", userId=bob.user_id)
    assert (await ana.ask(BLOCKS))["viewer"]["blocks"]["nodes"] == []


async def test_somebody_blocks_so_many_and_so_often(migrated_sqlite_url, monkeypatch):
    monkeypatch.setattr(use_cases, "MAX_BLOCKS", 1)
    async with running(migrated_sqlite_url) as server:
        ana, bob = await server.registered("ana"), await server.registered("bob")
        cleo = await server.registered("cleo")
        await ana.done("blockUser", "", userId=bob.user_id)
        assert await ana.refused("blockUser", "", userId=cleo.user_id) == "CONFLICT"
        async with server.program.services.db.reading() as connection:
            assert await stored.count(connection, decode(Kind.USER, ana.user_id)) == 1


def test_an_export_does_not_tell_who_is_blocked_in_a_direct_chat():
    for part in (own_data.MEMBERSHIPS, own_data.PAST_MEMBERSHIPS):
        assert "silenced_until" in part.withheld
    assert own_data.BLOCKS.owner.name == "user_id"


async def unread(person, chat_id):
    return (await person.ask(UNREAD, id=chat_id))["chat"]["viewerMembership"]["unreadCount"]


@pytest.fixture
async def blocked(people):
    """Two people with a direct chat: Ana has read Bob's message, and blocked him."""
    _, ana, bob = people
    chat_id = await direct(bob, ana)
    message = await bob.send(chat_id, "hi")
    await ana.done("markRead", "", chatId=chat_id, seq=message["seq"])
    await ana.done("blockUser", "user { id }", userId=bob.user_id)
    return ana, bob, chat_id, message


async def test_who_is_blocked_puts_nothing_into_the_direct_chat_by_pinning(blocked):
    ana, bob, chat_id, message = blocked
    for mutation in ("pinMessage", "unpinMessage"):
        assert await bob.refused(mutation, "", messageId=message["id"]) == "FORBIDDEN"
    assert await unread(ana, chat_id) == 0
    await ana.done("unblockUser", "", userId=bob.user_id)
    await bob.done("pinMessage", "", messageId=message["id"])
    assert await unread(ana, chat_id) == 1


async def test_who_is_blocked_puts_nothing_into_the_direct_chat_by_its_settings(blocked):
    ana, bob, chat_id, _ = blocked
    for person in (bob, ana):
        assert await person.refused("updateChat", "", chatId=chat_id, messageTtl=60) == "FORBIDDEN"
    assert await unread(ana, chat_id) == 0
    await ana.done("unblockUser", "", userId=bob.user_id)
    await bob.done("updateChat", "", chatId=chat_id, messageTtl=60)
    assert await unread(ana, chat_id) == 1


async def test_who_is_blocked_votes_in_no_poll_of_the_direct_chat(people):
    _, ana, bob = people
    chat_id = await direct(bob, ana)
    given = {"chatId": chat_id, "clientMessageId": str(uuid4())}
    poll = {"question": "Tea?", "options": ["Yes", "No"]}
    payload = await ana.done("sendMessage", "message { id }", **given, poll=poll)
    await ana.done("blockUser", "", userId=bob.user_id)
    given = {"messageId": payload["message"]["id"], "options": [0]}
    assert await bob.refused("votePoll", "", **given) == "FORBIDDEN"
