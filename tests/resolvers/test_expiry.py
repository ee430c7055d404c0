"""Messages that last for a time: gone for everybody at that moment, and off the disk soon after."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
import uuid_utils.compat

from models import events, messages, personal
from models.chats import chats
from models.errors import InvalidInput, NotFound
from models.events import EventKind
from models.members import members
from models.own_data import MESSAGES
from models.reactions import reactions
from models.search import search_entries
from models.sending import Extras
from realtime.events import MessageExpired, MessageSent
from realtime.loading import load
from resolvers import contents, expiry, retention
from resolvers import messages as message_cases
from resolvers import reactions as reaction_cases
from resolvers.services import utc_now
from tests.journeys.test_resume import cursor_of
from tests.parts.world import World, open_world

MINUTE = timedelta(minutes=1)
TOLD = "subscription($after: Cursor) { events(after: $after) { __typename chat { expiredSeq } } }"
UNREAD = "query($id: ID!) { chat(id: $id) { expiredSeq viewerMembership { unreadCount } } }"


@pytest.fixture
async def ana(world):
    return await world.person("ana")


@pytest.fixture
async def team(world, ana):
    return await world.group(ana, await world.person("ben"))


async def let_expire(world: World, chat, *seqs: int, ago: timedelta = MINUTE) -> None:
    """Have messages of a chat expired since a while; nobody has taken anything away yet."""
    table = messages.messages
    async with world.services.db.writing() as connection:
        await connection.execute(
            table.update()
            .where(table.c.chat_id == chat.id, table.c.seq.in_(seqs))
            .values(expires_at=utc_now() - ago)
        )


async def row(world: World, chat, seq: int):
    table = messages.messages
    async with world.services.db.reading() as connection:
        found = await connection.execute(
            sa.select(table).where(table.c.chat_id == chat.id, table.c.seq == seq)
        )
        return found.one()


async def chat_now(world: World, chat):
    async with world.services.db.reading() as connection:
        return (await connection.execute(sa.select(chats).where(chats.c.id == chat.id))).one()


# --- before anybody comes by --------------------------------------------------------------------


async def test_an_expired_message_is_read_as_deleted_wherever_it_is_read(world, ana, team):
    sent = await world.send(ana, team, "for a minute")
    await let_expire(world, team, sent.seq)
    key = (team.id, sent.seq)
    async with world.services.db.reading() as connection:
        stored = await messages.by_key(connection, *key)
        by_keys = (await messages.by_keys(connection, [key]))[key]
        readable = (await messages.readable_by_keys(connection, ana.user_id, [key]))[key]
        logged = (await connection.execute(sa.select(*events.LOGGED_COLUMNS))).all()
        told = await load(connection, [events.LoggedEvent(*each) for each in logged])
    (event,) = [each for each in told if isinstance(each, MessageSent)]
    expired_at = (await row(world, team, sent.seq)).expires_at
    for seen in (stored, by_keys, readable, event.message):
        assert seen is not None
        assert (seen.text, seen.deleted_at) == ("", expired_at)


async def test_a_reaction_to_what_has_expired_is_not_told(world, ana, team):
    sent = await world.send(ana, team)
    await reaction_cases.react(
        world.services, ana, key=(team.id, sent.seq), emoji="👍", wanted=True
    )
    await let_expire(world, team, sent.seq)
    async with world.services.db.reading() as connection:
        logged = (await connection.execute(sa.select(*events.LOGGED_COLUMNS))).all()
        told = await load(connection, [events.LoggedEvent(*each) for each in logged])
    assert [[*event.reactions] for event in told if hasattr(event, "reactions")] == [[], []]


async def test_what_has_expired_is_not_answered_edited_or_reacted_to(world, ana, team):
    sent = await world.send(ana, team)
    await let_expire(world, team, sent.seq)
    key = (team.id, sent.seq)
    for refused in (
        message_cases.send(
            world.services,
            ana,
            chat_id=team.id,
            text="Yes",
            client_message_id=uuid_utils.compat.uuid4(),
            reply_to=key,
        ),
        message_cases.edit(world.services, ana, key=key, text="Other"),
        reaction_cases.react(world.services, ana, key=key, emoji="👍", wanted=True),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_a_repetition_of_what_has_expired_answers_without_its_text(world, ana, team):
    key = uuid_utils.compat.uuid4()
    sent = await world.send(ana, team, "once", key)
    await let_expire(world, team, sent.seq)
    for _ in range(2):
        again = await world.send(ana, team, "once", key)
        assert (again.seq, again.text) == (sent.seq, "")
        await expiry.expire_due(world.services)


async def test_an_export_has_nothing_of_what_has_expired(world, ana, team):
    for text in ("stays", "goes"):
        await world.send(ana, team, text)
    await let_expire(world, team, 2)
    async with world.services.db.reading() as connection:
        page = await personal.page(connection, MESSAGES, ana.user_id, after=None, limit=9)
    assert sorted(each["text"] for each in page.rows) == ["", "stays"]


def lasting(seconds):
    return Extras(expires_at=expiry.until(seconds, sent_at=utc_now(), path=["expiresInSeconds"]))


# --- how long -----------------------------------------------------------------------------------


async def test_a_message_is_sent_for_a_time(world, ana, team):
    before = utc_now()
    sent = await message_cases.send(
        world.services,
        ana,
        chat_id=team.id,
        text="soon gone",
        client_message_id=uuid_utils.compat.uuid4(),
        extras=lasting(60),
    )
    assert sent.expires_at is not None
    assert before + MINUTE <= sent.expires_at <= utc_now() + MINUTE


@pytest.mark.parametrize("seconds", [-1, 0, expiry.MIN_SECONDS - 1, expiry.MAX_SECONDS + 1, 2**31])
def test_no_other_times_are_taken(seconds):
    with pytest.raises(InvalidInput) as refused:
        lasting(seconds)
    assert refused.value.path == ("expiresInSeconds",)


async def test_a_repetition_that_says_how_long_is_the_same_message(world, ana, team):
    key = uuid_utils.compat.uuid4()
    first, again = [
        await message_cases.send(
            world.services,
            ana,
            chat_id=team.id,
            text="once",
            client_message_id=key,
            extras=lasting(60),
        )
        for _ in range(2)
    ]
    assert again == first


# --- taking it off the disk ---------------------------------------------------------------------


async def test_what_has_expired_is_taken_off_the_disk_with_all_that_hangs_on_it(world, ana, team):
    sent = await world.send(ana, team, "first")
    key = (team.id, sent.seq)
    await message_cases.edit(world.services, ana, key=key, text="second")
    await reaction_cases.react(world.services, ana, key=key, emoji="👍", wanted=True)
    kept = await world.send(ana, team, "lasting")
    await let_expire(world, team, sent.seq)
    shown = await message_of(world, key)
    assert await expiry.expire_due(world.services) == 1
    assert await message_of(world, key) == shown  # what was served before is what there is now
    stored = await row(world, team, sent.seq)
    assert (stored.text, stored.deleted_at) == ("", stored.expires_at)
    async with world.services.db.reading() as connection:
        entries = (await connection.execute(sa.select(search_entries.c.seq))).scalars().all()
        assert entries == [kept.seq]
        for table in (reactions, sa.table("message_edits")):
            rows = await connection.execute(sa.select(sa.literal(1)).select_from(table))
            assert rows.all() == []
        logged = (await connection.execute(sa.select(*events.LOGGED_COLUMNS))).all()
        told = await load(connection, [events.LoggedEvent(*each) for each in logged])
    (expired,) = [event for event in told if isinstance(event, MessageExpired)]
    assert (expired.message_seq, expired.actor) == (sent.seq, None)
    assert expired.seq == (await chat_now(world, team)).last_event_seq
    assert await expiry.expire_due(world.services) == 0


async def message_of(world, key):
    async with world.services.db.reading() as connection:
        return await messages.by_key(connection, *key)


async def test_what_lasts_stays_as_it_is(world, ana, team):
    sent = [await world.send(ana, team, f"message {n}") for n in range(3)]
    await let_expire(world, team, sent[1].seq)
    table = messages.messages
    async with world.services.db.writing() as connection:
        await connection.execute(
            table.update().where(table.c.seq == 3).values(expires_at=utc_now() + MINUTE)
        )
    assert await expiry.expire_due(world.services) == 1
    assert [(await row(world, team, n)).text for n in (1, 2, 3)] == ["message 0", "", "message 2"]


async def test_the_beginning_that_has_expired_is_counted(world, ana, team):
    for number in range(6):
        await world.send(ana, team, f"message {number}")
    for gone, counted in (((2, 3), 0), ((1,), 3), ((5,), 3), ((4,), 5), ((6,), 6)):
        await let_expire(world, team, *gone)
        await expiry.expire_due(world.services)
        assert (await chat_now(world, team)).expired_seq == counted


async def test_what_somebody_deleted_is_not_told_as_expired(world, ana, team):
    sent = await world.send(ana, team)
    await let_expire(world, team, sent.seq, ago=-MINUTE)
    await message_cases.delete(world.services, ana, key=(team.id, sent.seq))
    await let_expire(world, team, sent.seq)
    assert await expiry.expire_due(world.services) == 0


async def test_more_than_a_batch_goes_and_each_chat_has_its_numbers(world, ana, team, monkeypatch):
    monkeypatch.setattr(expiry, "BATCH", 4)
    other = await world.group(ana)
    for number in range(9):
        await world.send(ana, (team, other)[number % 2], f"message {number}")
    await let_expire(world, team, *range(1, 6))
    await let_expire(world, other, *range(1, 5))
    assert await expiry.expire_due(world.services) == 9
    for chat in (team, other):
        now = await chat_now(world, chat)
        assert now.expired_seq == now.last_message_seq
        async with world.services.db.reading() as connection:
            seqs = await connection.execute(
                sa.select(events.events.c.seq)
                .where(events.events.c.chat_id == chat.id)
                .order_by(events.events.c.id)
            )
        assert [*seqs.scalars()] == [*range(1, now.last_event_seq + 1)]


async def test_several_workers_tell_of_each_message_once(world, ana, team):
    for number in range(20):
        await world.send(ana, team, f"message {number}")
    await let_expire(world, team, *range(1, 21))
    async with open_world(world.url) as elsewhere:
        counts = await asyncio.gather(
            *(expiry.expire_due(each.services) for each in (world, elsewhere) * 2)
        )
    assert sum(counts) == 20
    async with world.services.db.reading() as connection:
        told = await connection.execute(
            sa.select(sa.func.count())
            .select_from(events.events)
            .where(events.events.c.kind == EventKind.MESSAGE_EXPIRED.value)
        )
        assert told.scalar_one() == 20


async def test_a_worker_that_fails_in_the_middle_leaves_nothing_half_done(
    world, ana, team, monkeypatch
):
    await world.send(ana, team)
    await let_expire(world, team, 1)

    async def fails(*_):
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(contents, "take_away", fails)
        with pytest.raises(ConnectionError):
            await expiry.expire_due(world.services)
    assert (await row(world, team, 1)).text == "Hello"
    assert await expiry.expire_due(world.services) == 1


# --- retention ----------------------------------------------------------------------------------


def keeping(world: World, kept: timedelta):
    return replace(world.services, retention=kept)


async def send_in_the_past(world: World, viewer, chat, ages: list[timedelta]) -> None:
    table = messages.messages
    for number, age in enumerate(ages, 1):
        await world.send(viewer, chat, f"message {number}")
        async with world.services.db.writing() as connection:
            await connection.execute(
                table.update()
                .where(table.c.chat_id == chat.id, table.c.seq == number)
                .values(created_at=utc_now() - age)
            )


async def test_without_retention_nothing_is_given_an_end(world, ana, team):
    await send_in_the_past(world, ana, team, [timedelta(days=9000)])
    assert await retention.apply(world.services) == 0
    assert (await row(world, team, 1)).expires_at is None


async def test_what_is_older_than_is_kept_is_gone_and_what_is_due_within_a_day_has_its_end(
    world, ana, team
):
    days = [timedelta(days=number) for number in (40, 31, 29.5, 28, 1)]
    await send_in_the_past(world, ana, team, days)
    services = keeping(world, timedelta(days=30))
    assert await retention.apply(services) == 3
    ends = [(await row(world, team, n)) for n in range(1, 6)]
    assert [each.expires_at is not None for each in ends] == [True, True, True, False, False]
    assert all(
        each.expires_at == each.created_at + timedelta(days=30) for each in ends if each.expires_at
    )
    assert [(await message_of(world, (team.id, n))).text for n in (1, 2, 3)] == [
        "",
        "",
        "message 3",
    ]
    assert await retention.apply(services) == 0
    # Fewer days take hold of more, more days of nothing that was given its end.
    assert await retention.apply(keeping(world, timedelta(days=20))) == 1
    assert await retention.apply(keeping(world, timedelta(days=300))) == 0


async def test_an_earlier_end_stays_and_batches_go_on(world, ana, team, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "CHATS", 1)
    await world.group(ana)
    await send_in_the_past(world, ana, team, [timedelta(days=50)] * 5)
    early = utc_now() - timedelta(days=49)
    table = messages.messages
    async with world.services.db.writing() as connection:
        await connection.execute(
            table.update().where(table.c.seq.in_([2, 4])).values(expires_at=early)
        )
    assert await retention.apply(keeping(world, timedelta(days=30))) == 5
    assert [(await row(world, team, n)).expires_at == early for n in range(1, 6)] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert await expiry.expire_due(world.services) == 5
    async with world.services.db.reading() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(members))).scalar()


async def test_a_client_is_told_how_much_of_the_beginning_is_unread_no_more(server):
    """Also when the mark passes what was deleted before, of which nothing is told."""
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    sent = [await ana.send(chat_id, text) for text in ("one", "two", "three")]
    await ana.done("deleteMessage", "", messageId=sent[1]["id"])
    after = await cursor_of(ben)
    table = messages.messages
    async with server.program.services.db.writing() as connection:
        await connection.execute(
            table.update().where(table.c.seq == 1).values(expires_at=utc_now() - MINUTE)
        )
    await expiry.expire_due(server.program.services)
    async with ben.socket() as socket:
        await socket.subscribe("events", TOLD, after=after)
        told = await socket.next()
    assert told == {"__typename": "MessageExpired", "chat": {"expiredSeq": 2}}
    assert (await ben.ask(UNREAD, id=chat_id))["chat"] == {
        "expiredSeq": 2,
        "viewerMembership": {"unreadCount": 1},
    }
