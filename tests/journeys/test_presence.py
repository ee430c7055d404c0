"""Who is there, as clients see it: told as it is, when it changes, and only to who may know."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from realtime import presence_state
from tests.parts.people import PATIENCE

PRESENCE = """subscription($ids: [ID!]!) {
  presence(userIds: $ids) { user { handle } state lastSeenAt }
}"""
OF_USER = "query($id: ID!) { node(id: $id) { ... on User { presence { state lastSeenAt } } } }"


@pytest.fixture(autouse=True)
def short_lingering(monkeypatch):
    """Who goes counts as gone in a moment; how long that really takes is tested with a clock."""
    monkeypatch.setattr(presence_state, "LINGER", timedelta(seconds=0.2))
    monkeypatch.setattr("realtime.presence_looks.TICK", 0.1)


@asynccontextmanager
async def watching(person, *others):
    """Open a socket on which somebody hears of others; yields it when all of them were told."""
    async with person.socket() as socket:
        await socket.subscribe("presence", PRESENCE, ids=[other.user_id for other in others])
        socket.at_first = [await heard(socket) for _ in others]
        yield socket


async def heard(socket):
    told = await socket.next("presence")
    return told["user"]["handle"], told["state"]


async def seen(person, other):
    """Return how somebody sees somebody."""
    node = (await person.ask(OF_USER, id=other.user_id))["node"]
    return node and node["presence"]


async def until_seen(person, other, state):
    async with asyncio.timeout(PATIENCE):
        while (now := await seen(person, other)) is None or now["state"] != state:
            pass
    return now


async def set_up(person, **settings):
    await person.done("updateSettings", "errors { code }", **settings)


async def test_who_listens_is_told_how_it_is_and_then_of_each_change(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with watching(ana, ben, ana) as socket:
        assert socket.at_first == [("ben", "OFFLINE"), ("ana", "ONLINE")]
        async with ben.socket():
            assert await heard(socket) == ("ben", "ONLINE")
            await until_seen(ana, ben, "ONLINE")
        told = await socket.next("presence")
        assert (told["user"]["handle"], told["state"]) == ("ben", "OFFLINE")
        age = datetime.now(UTC) - datetime.fromisoformat(told["lastSeenAt"])
        assert timedelta() < age < timedelta(seconds=PATIENCE)
        assert await seen(ana, ben) == {"state": "OFFLINE", "lastSeenAt": told["lastSeenAt"]}


async def test_somebody_is_away_when_none_of_their_devices_is_used(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    phone = server.person()
    await phone.log_in("ben")
    async with watching(ana, ben) as socket, ben.socket():
        assert await heard(socket) == ("ben", "ONLINE")
        async with phone.socket():
            await until_seen(ben, ben, "ONLINE")
            payload = await phone.done("setPresence", "presence { state }", state="AWAY")
            assert payload["presence"]["state"] == "ONLINE"
            await ben.done("setPresence", "presence { state }", state="AWAY")
            assert await heard(socket) == ("ben", "AWAY")
            await phone.done("setPresence", "presence { state }", state="ONLINE")
            assert await heard(socket) == ("ben", "ONLINE")
        assert await heard(socket) == ("ben", "AWAY")
    # Who goes is until then what they were, not there again for a moment.
    assert (await until_seen(ana, ben, "OFFLINE"))["lastSeenAt"]


@pytest.mark.parametrize("state", ["OFFLINE"])
async def test_nobody_can_say_to_be_what_others_find_out(server, state):
    ana = await server.registered("ana")
    assert await ana.refused("setPresence", "", state=state) == "INVALID_INPUT"


async def test_who_shows_it_to_nobody_sees_nobodys(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with watching(ana, ben) as at_ana, watching(ben, ana) as at_ben:
        assert (at_ana.at_first, at_ben.at_first) == ([("ben", "OFFLINE")], [("ana", "ONLINE")])
        assert await heard(at_ana) == ("ben", "ONLINE")
        await set_up(ben, whoSeesLastSeen="NOBODY")
        assert await heard(at_ana) == ("ben", None)
        assert await heard(at_ben) == ("ana", None)
        assert await seen(ana, ben) is None
        assert await seen(ben, ana) is None
        assert (await seen(ben, ben))["state"] == "ONLINE"
        await set_up(ben, whoSeesLastSeen="CONTACTS")
        await ana.group("Now they know each other", ben)
        assert await heard(at_ana) == ("ben", "ONLINE")
        assert await heard(at_ben) == ("ana", "ONLINE")


async def test_who_writes_to_somebody_shows_them_from_then_on_what_they_show_contacts(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await set_up(ben, whoSeesLastSeen="CONTACTS")
    payload = await ana.done("createChat", "chat { id }", kind="DIRECT", memberIds=[ben.user_id])
    chat_id = payload["chat"]["id"]
    await ana.send(chat_id, "Hi, do you know me?")
    async with watching(ana, ben) as at_ana, watching(ben, ana) as at_ben:
        assert (at_ana.at_first, at_ben.at_first) == ([("ben", None)], [("ana", None)])
        await ben.send(chat_id, "I do now")
        assert await heard(at_ana) == ("ben", "ONLINE")
        assert await heard(at_ben) == ("ana", "ONLINE")


async def test_who_is_invisible_seems_offline_to_all_but_themselves(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    phone = server.person()
    await phone.log_in("ben")
    async with watching(ana, ben) as at_ana, watching(phone, ben) as at_phone:
        assert at_phone.at_first == [("ben", "ONLINE")]
        assert await heard(at_ana) == ("ben", "ONLINE")
        await set_up(ben, invisible=True)
        told = await at_ana.next("presence")
        assert (told["state"], told["lastSeenAt"] is not None) == ("OFFLINE", True)
        # What they do from now on leaves no trace.
        async with ben.socket():
            await until_seen(phone, ben, "ONLINE")
        assert await seen(ana, ben) == {"state": "OFFLINE", "lastSeenAt": told["lastSeenAt"]}
        assert (await seen(phone, ben))["state"] == "ONLINE"
        await set_up(ben, invisible=False)
        assert await heard(at_ana) == ("ben", "ONLINE")
        # Their own device has heard of nothing, for nothing has changed.
        await phone.done("setPresence", "errors { code }", state="AWAY")
        assert await heard(at_phone) == ("ben", "AWAY")


async def test_who_blocks_somebody_is_not_seen_by_them_nor_sees_them(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    async with watching(ana, ben) as at_ana, watching(ben, ana) as at_ben:
        assert await heard(at_ana) == ("ben", "ONLINE")
        await ana.done("blockUser", "", userId=ben.user_id)
        assert await heard(at_ana) == ("ben", None)
        assert await heard(at_ben) == ("ana", None)
        assert await seen(ana, ben) is None
        assert await seen(ben, ana) is None


async def test_of_whom_one_cannot_see_one_hears_nothing(server):
    ana, ben, cyd = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    await set_up(ben, hides=True)
    async with ana.socket() as socket:
        await socket.subscribe("presence", PRESENCE, ids=[ben.user_id, cyd.user_id])
        assert await heard(socket) == ("cyd", "OFFLINE")
        async with ben.socket(), cyd.socket():
            assert await heard(socket) == ("cyd", "ONLINE")
            await ben.group("Not hidden from these", ana)
            assert await heard(socket) == ("ben", "ONLINE")
    assert await seen(cyd, ben) is None
