"""The list of who is in many chats: kept in memory, and never another than the database's."""

import random

import pytest

from models import chats, members
from resolvers import chats as chat_cases
from resolvers import inboxes
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import receipts as receipt_cases
from tests.parts.world import open_world

SEEDS = range(4)
STEPS = 60


async def said_by_the_database(world, viewer):
    async with world.services.db.reading() as connection:
        listed = await chats.page_of_viewer(connection, viewer.user_id, after=None, limit=100)
        unread = await members.unread_total(connection, viewer.user_id)
    return [(chat.id, chat.last_message_seq) for chat in listed], unread


async def said_by_the_inbox(world, viewer):
    page = {"after": None, "limit": 100, "wanted": lambda _: True}
    listed = await world.services.inboxes.page(viewer.user_id, **page)
    unread = await world.services.inboxes.unread_total(viewer.user_id)
    async with world.services.db.reading() as connection:
        found = await chats.readable_many(connection, viewer.user_id, listed)
    return [(chat_id, found[chat_id].last_message_seq) for chat_id in listed], unread


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
    if not present:
        await member_cases.add(services, people[0], chat_id=group.id, user_ids=[who.user_id])
        return
    match chance.choice(["send", "send", "send", "read", "edit", "leave", "start"]):
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
            details: chat_cases.Details = {"title": "Another title"}
            await chat_cases.update(services, people[0], chat_id=group.id, details=details)


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
