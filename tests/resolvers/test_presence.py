"""Who is there: who gets to know it, how it is counted, and what is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from models import chats, presence
from models.viewer import Viewer
from realtime import online_counts
from realtime.people_seen import RESOLUTION
from realtime.presence import MAX_IDS
from resolvers import presence as use_cases
from schema.ids import Kind, decode, encode
from tests.journeys.test_presence import PRESENCE, heard, seen, set_up, until_seen
from tests.parts.people import PATIENCE
from tests.parts.roles import bot, guest, guest_link
from tests.schema.test_query_counts import statements

COUNT = "query($id: ID!) { chat(id: $id) { onlineCount } }"
TYPING = "subscription($id: ID!) { typing(chatId: $id) { typing user { handle } } }"
LISTED = """{ viewer { chats(first: 20) { nodes {
    onlineCount members(first: 9) { nodes { user { presence { state } } } }
} } } }"""


async def counted(person, chat_id):
    return (await person.ask(COUNT, id=chat_id))["chat"]["onlineCount"]


async def test_guests_are_there_and_nobody_hears_since_when_they_are_not(server):
    ana = await server.registered("ana")
    chat_id = await ana.group("Open to guests")
    _, token = await guest_link(ana, chat_id)
    gus = await guest(server, token)
    gus.user_id = (await gus.ask("{ viewer { user { id } } }"))["viewer"]["user"]["id"]
    assert await seen(ana, gus) == {"state": "OFFLINE", "lastSeenAt": None}
    async with gus.socket():
        assert await until_seen(ana, gus, "ONLINE") == {"state": "ONLINE", "lastSeenAt": None}
        assert (await seen(gus, ana))["state"] == "OFFLINE"


async def test_programs_have_no_presence_and_see_none(server):
    ana = await server.registered("ana")
    helper = await bot(server, ana, "helper")
    me = (await helper.ask("{ viewer { user { id presence { state } } } }"))["viewer"]["user"]
    helper.user_id = me["id"]
    assert me["presence"] is None
    async with helper.socket() as socket, ana.socket() as at_ana:
        assert await seen(ana, helper) is None
        assert await seen(helper, ana) is None
        await socket.subscribe("presence", PRESENCE, ids=[ana.user_id])
        refused = await socket.receive()
        assert refused["payload"][0]["extensions"]["code"] == "FORBIDDEN"
        await at_ana.subscribe("presence", PRESENCE, ids=[helper.user_id])
        assert (await heard(at_ana))[1] is None
    answer = await helper.run("mutation { setPresence(input: {state: AWAY}) { errors { code } } }")
    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "INVALID_INPUT"),
        ([encode(Kind.USER, uuid4())] * (MAX_IDS + 1), "INVALID_INPUT"),
        (["nonsense"], "INVALID_ID"),
        ([encode(Kind.CHAT, uuid4())], "INVALID_ID"),
    ],
    ids=["nobody", "too many", "no id", "another id"],
)
async def test_a_subscription_to_nonsense_is_refused(sqlite_server, ids, code):
    ana = await sqlite_server.registered("ana")
    async with ana.socket() as socket:
        await socket.subscribe("presence", PRESENCE, ids=ids)
        refused = await socket.receive()
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"]["code"] == code
    assert len(sqlite_server.program.services.node.presence.watch) == 0


async def test_who_listens_to_too_many_is_refused_until_they_listen_to_fewer(
    sqlite_server, monkeypatch
):
    monkeypatch.setattr("realtime.presence.MAX_PAIRS_OF_VIEWER", 3)
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    async with ana.socket() as socket:
        two = [ana.user_id, ben.user_id]
        await socket.subscribe("one", PRESENCE, ids=two)
        assert {(await socket.next("one"))["user"]["handle"] for _ in two} == {"ana", "ben"}
        await socket.subscribe("two", PRESENCE, ids=two)
        refused = await socket.receive()
        assert refused["payload"][0]["extensions"]["code"] == "OVERLOADED"
        await socket.send(id="one", type="complete")
        await socket.subscribe("three", PRESENCE, ids=two)
        assert {(await socket.next("three"))["user"]["handle"] for _ in two} == {"ana", "ben"}


async def test_nobody_sees_that_an_invisible_person_types(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Team", ben)
    await set_up(ben, invisible=True)
    await told_after(ana, ben, chat_id, lambda: set_up(ben, invisible=False))


async def test_in_a_direct_chat_a_block_hides_that_either_types(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    chat_id = payload["chat"]["id"]

    for one, other in ((ana, ben), (ben, ana)):
        await one.done("blockUser", "", userId=other.user_id)
        unblock = partial(one.done, "unblockUser", "", userId=other.user_id)
        await told_after(ana, ben, chat_id, unblock)


async def told_after(ana, ben, chat_id, change):
    """Check that Ana hears nothing of Ben's typing before a change, and does after it."""
    async with ana.socket() as socket:
        await socket.subscribe("typing", TYPING, id=chat_id)
        payload = await ben.done("setTyping", "expiresAt", chatId=chat_id, typing=True)
        assert payload["expiresAt"]  # Ben's client notices nothing
        await change()
        async with asyncio.timeout(PATIENCE):
            await ben.done("setTyping", "expiresAt", chatId=chat_id, typing=False)
            assert (await socket.next("typing"))["typing"] is False


async def test_a_small_group_is_counted_as_each_may_know(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben, cyd)
    direct = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    async with ben.socket(), cyd.socket():
        await until_seen(ana, ben, "ONLINE")
        await until_seen(ana, cyd, "ONLINE")
        assert await counted(ana, chat_id) == 2
        await set_up(cyd, whoSeesLastSeen="NOBODY")
        assert (await counted(ana, chat_id), await counted(cyd, chat_id)) == (1, 1)
        await set_up(ben, invisible=True)
        assert (await counted(ana, chat_id), await counted(ben, chat_id)) == (0, 1)
        assert await counted(ana, direct["chat"]["id"]) is None


async def test_a_large_group_is_estimated_once_for_all(server, monkeypatch):
    monkeypatch.setattr(use_cases, "COUNTED_UP_TO", 3)
    people = [await server.registered(f"person{number}") for number in range(6)]
    chat_id = await people[0].group("Many", *people[1:])
    async with people[1].socket(), people[2].socket(), people[3].socket():
        for person in people[1:4]:
            await until_seen(people[0], person, "ONLINE")
        await set_up(people[3], whoSeesLastSeen="CONTACTS")
        assert await asyncio.gather(*(counted(person, chat_id) for person in people)) == [2] * 6
        await set_up(people[2], invisible=True)
        assert await counted(people[0], chat_id) == 2  # for a while
        monkeypatch.setattr(online_counts, "COUNT_LASTS", timedelta())
        assert await counted(people[0], chat_id) == 1


@pytest.mark.parametrize("most", [1, 100])
async def test_nobody_counts_who_is_there_in_chats_of_others(server, monkeypatch, most):
    monkeypatch.setattr(use_cases, "COUNTED_UP_TO", most)
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    chat_id = await ana.group("Team", ben)
    services = server.program.services
    async with services.db.reading() as connection:
        found = await chats.by_ids(connection, [decode(Kind.CHAT, chat_id)])
    for person, expected in ((ben, 1), (cyd, None)):
        key = decode(Kind.USER, person.user_id)
        viewer = Viewer(key, session_id=UUID(int=0), expires_at=datetime.now(UTC))
        async with ana.socket():
            await until_seen(ana, ana, "ONLINE")
            counts = await use_cases.online_counts(services, viewer, list(found.values()))
        assert counts == dict.fromkeys(found if expected else [], expected)


async def test_any_number_of_people_takes_as_many_statements(server):
    ana = await server.registered("ana")
    others = [await server.registered(f"person{number}") for number in range(8)]
    db = server.program.services.db

    async def asked():
        with statements(db) as sent:
            await ana.ask(LISTED)
        return len([each for each in sent if "node_sessions" not in each])

    await ana.group("First", others[0])
    few = await asked()
    for number in range(4):
        await ana.group(f"Group {number}", *others)
    assert await asked() <= few


async def test_when_somebody_was_seen_is_written_now_and_then_and_survives(server):
    ana = await server.registered("ana")
    key, node = decode(Kind.USER, ana.user_id), server.program.services.node
    start = datetime.now(UTC)

    async def written():
        async with server.program.services.db.reading() as connection:
            return (await presence.seen(connection, [key]))[key].seen_at

    async with ana.socket():
        await until_seen(ana, ana, "ONLINE")
        await node._people_seen.write([key], start)
        await node._people_seen.write([key], start + RESOLUTION / 2)
        assert await written() < start + RESOLUTION / 2
        later = start + 2 * RESOLUTION
        await node._people_seen.write([key], later)
        assert await written() == later
        await set_up(ana, invisible=True)
        await node._people_seen.write([key], later + 2 * RESOLUTION)
        assert await written() < later


async def test_what_is_asked_of_many_in_parts_is_the_same(server, monkeypatch):
    monkeypatch.setattr(use_cases, "AT_ONCE", 2)
    monkeypatch.setattr("realtime.presence_looks.AT_ONCE", 1)
    monkeypatch.setattr("realtime.presence_state.AT_ONCE", 2)
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    for number in range(5):
        await ana.group(f"Group {number}", ben, *[cyd] * (number % 2))
    async with ben.socket(), cyd.socket() as at_cyd, ana.socket() as at_ana:
        for socket in (at_ana, at_cyd):
            await socket.subscribe("presence", PRESENCE, ids=[ben.user_id])
        await until_seen(ana, cyd, "ONLINE")
        listed = (await ana.ask(LISTED))["viewer"]["chats"]["nodes"]
        assert sorted(chat["onlineCount"] for chat in listed) == [2, 2, 2, 3, 3]
        await until_seen(cyd, ben, "ONLINE")
        for socket in (at_ana, at_cyd):
            while (await heard(socket))[1] != "ONLINE":
                pass
        await set_up(ben, whoSeesLastSeen="NOBODY")
        assert [await heard(socket) for socket in (at_ana, at_cyd)] == [("ben", None)] * 2


async def test_who_may_not_write_in_a_chat_types_unseen(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    payload = await ana.done(
        "createChat", "chat { id }", kind="CHANNEL", title="News", memberIds=[ben.user_id]
    )
    of_ben = {"chatId": payload["chat"]["id"], "userId": ben.user_id}
    promote = partial(ana.done, "changeMemberRole", "", **of_ben, role="ADMIN")
    await told_after(ana, ben, of_ben["chatId"], promote)
    await ana.done("silenceMember", "", **of_ben)
    unsilence = partial(ana.done, "unsilenceMember", "", **of_ben)
    await told_after(ana, ben, of_ben["chatId"], unsilence)
