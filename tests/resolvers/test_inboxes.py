"""The list of who is in many chats: kept in memory, and never another than the database's."""

import random

import pytest

from models import chat_lists, members
from models.chat_lists import Wanted
from models.chats import ChatKind
from models.members import FOR_EVER
from resolvers import chat_lists as list_cases
from resolvers import chats as chat_cases
from resolvers import direct, inboxes, keeping
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import receipts as receipt_cases
from resolvers.chat_details import Details
from resolvers.services import utc_now
from tests.parts.world import open_world

SEEDS = range(4)
STEPS = 60


# Everything, and every condition both ways.
LISTS = [
    Wanted(),
    Wanted(kind=ChatKind.DIRECT),
    Wanted(archived=True),
    Wanted(archived=False),
    Wanted(muted=True),
    Wanted(muted=False),
    Wanted(unread=True),
    Wanted(unread=False),
    Wanted(pinned=False),
    Wanted(unread=True, archived=False),
]


async def said_by_the_database(world, viewer):
    now = utc_now()
    async with world.services.db.reading() as connection:
        lists = [
            [
                (listed.chat.id, listed.chat.last_message_seq)
                for listed in await chat_lists.page(
                    connection, viewer.user_id, wanted, now=now, after=None, limit=100
                )
            ]
            for wanted in LISTS
        ]
        unread = await members.unread_total(connection, viewer.user_id)
    return lists, unread


async def said_by_the_inbox(world, viewer):
    lists = [
        [
            (listed.chat.id, listed.chat.last_message_seq)
            for listed in await list_cases.page(
                world.services, viewer, wanted, after=None, limit=100
            )
        ]
        for wanted in LISTS
    ]
    return lists, await world.services.inboxes.unread_total(viewer.user_id)


@pytest.mark.parametrize("seed", SEEDS)
async def test_an_inbox_is_what_the_database_says_after_every_step(
    migrated_database_url, monkeypatch, seed
):
    monkeypatch.setattr(inboxes, "MANY", 0)
    chance = random.Random(seed)
    async with (
        open_world(migrated_database_url) as here,
        open_world(migrated_database_url) as far,
        here.services.node.running(),
    ):
        people = [await here.person(name) for name in ("ana", "ben", "cleo")]
        groups = [await here.group(people[0], *people[1:]) for _ in range(3)]
        for step in range(STEPS):
            # What another node does, this one hears of a second later.
            world = chance.choice([here, far])
            who, group = chance.choice(people), chance.choice(groups)
            await _something(chance, world, who, people, group, groups)
            asking = chance.choice(people)
            told = await said_by_the_inbox(here, asking)
            assert told == await said_by_the_database(here, asking), step


async def _something(chance, world, who, people, group, groups):
    services = world.services
    async with services.db.reading() as connection:
        present = await members.of_chats(connection, who.user_id, [group.id])
    closed = group.kind in (ChatKind.DIRECT, ChatKind.SELF)
    if not present:
        if closed:
            return
        await member_cases.add(services, people[0], chat_id=group.id, user_ids=[who.user_id])
        return
    doings = ["send", "send", "send", "read", "edit", "keep", "keep", "pair"]
    match chance.choice(doings if closed else [*doings, "leave", "start"]):
        case "send":
            await world.send(who, group)
        case "read":
            seq = chance.randrange(10)
            await receipt_cases.mark_read(services, who, chat_id=group.id, seq=seq)
        case "edit":
            sent = await world.send(who, group)
            key = (group.id, sent.seq)
            await message_cases.edit(services, who, key=key, text="Another text")
        case "leave" if who is not people[0]:
            await member_cases.leave(services, who, chat_id=group.id)
        case "start":
            groups.append(await world.group(people[0], *people[1:]))
            details: Details = {"title": "Another title"}
            await chat_cases.update(services, people[0], chat_id=group.id, details=details)
        case "keep":
            ways: list[keeping.Keeping] = [
                {"archived": True},
                {"archived": False},
                {"muted_until": FOR_EVER},
                {"muted_until": None},
                {"pinned": True},
                {"pinned": False},
            ]
            way = chance.choice(ways)
            await keeping.keep(services, who, chat_id=group.id, changes=way)
        case "pair":
            other = chance.choice(people)
            path = ["memberIds"]
            groups.append(await direct.with_user(services, who, other.user_id, path=path))


async def test_an_inbox_misses_nothing_that_is_told_while_it_is_read(world, monkeypatch):
    monkeypatch.setattr(inboxes, "MANY", 0)
    ana, ben = await world.person("ana"), await world.person("ben")
    groups = [await world.group(ana, ben)]
    services = world.services
    read_whole = services.db.read_whole

    async def slowly(reading):
        found = await read_whole(reading)
        # Between the database's answer and its arrival somebody writes, and the tailer tells of it.
        monkeypatch.setattr(services.db, "read_whole", read_whole)
        await world.send(ana, groups[-1])
        await services.node.tailer.read()
        return found

    async with services.node.running():
        for _ in ("when it is read at first", "when a chat is new in it"):
            monkeypatch.setattr(services.db, "read_whole", slowly)
            await services.inboxes.unread_total(ben.user_id)
            assert await services.inboxes.unread_total(ben.user_id) == len(groups)
            groups.append(await world.group(ana, ben))


async def test_a_page_goes_on_after_the_place_of_the_last_one(world, monkeypatch):
    monkeypatch.setattr(inboxes, "MANY", 0)
    ana = await world.person("ana")
    groups = [await world.group(ana) for _ in range(5)]
    async with world.services.node.running():
        kept = world.services.inboxes
        first = await kept.page(ana.user_id, after=None, limit=3, wanted=lambda _: True)
        last = groups[2]
        place = (last.last_activity_at, last.id)
        rest = await kept.page(ana.user_id, after=place, limit=3, wanted=lambda _: True)
    assert first == [group.id for group in reversed(groups[2:])]
    assert rest == [group.id for group in reversed(groups[:2])]


async def test_of_who_is_in_few_chats_nothing_is_kept(world):
    ana = await world.person("ana")
    await world.group(ana)
    async with world.services.node.running():
        assert await world.services.inboxes.unread_total(ana.user_id) is None
