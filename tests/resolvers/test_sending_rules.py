"""Who may send what and when, decided under the chat's lock, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import uuid_utils.compat

from models import messages as message_table
from models.chats import chats
from models.errors import Forbidden, InvalidInput, NotFound, RateLimited
from models.members import FOR_EVER, members
from models.sending import Extras, Outgoing, Reaction, Verdict
from models.threads import thread_follows, threads
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import pins
from resolvers import reactions as reaction_cases

new_key = uuid_utils.compat.uuid4


def outgoing(viewer, chat, *, key=None, content=b"content", **more):
    return Outgoing(
        chat_id=chat.id,
        sender_id=viewer.user_id,
        client_message_id=key or new_key(),
        text="Hello",
        reply_to=None,
        content_hash=content.ljust(32),
        **more,
    )


async def together(world, *items):
    """Submit items so that they share a batch, and return what became of each."""
    return await asyncio.gather(*(world.services.sending.submit(item) for item in items))


async def set_chat(world, chat, **values):
    async with world.services.db.writing() as connection:
        await connection.execute(chats.update().where(chats.c.id == chat.id).values(**values))


async def set_member(world, chat, viewer, **values):
    async with world.services.db.writing() as connection:
        await connection.execute(
            members.update()
            .where(members.c.chat_id == chat.id, members.c.user_id == viewer.user_id)
            .values(**values)
        )


async def stored(world, message):
    async with world.services.db.reading() as connection:
        return await message_table.by_key(connection, message.chat_id, message.seq)


async def rows(world, table, *order):
    async with world.services.db.reading() as connection:
        found = await connection.execute(sa.select(table).order_by(*order))
        return [row._asdict() for row in found]


@pytest.fixture
async def people(world):
    return [await world.person(name) for name in ("ana", "ben", "cyd")]


async def test_in_a_channel_owner_and_admins_write_and_the_others_read(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await set_chat(world, chat, kind="channel")
    await set_member(world, chat, ben, role="admin")
    outcomes = await together(world, *(outgoing(viewer, chat) for viewer in people))
    verdicts = [outcome.verdict for outcome in outcomes]
    assert verdicts == [Verdict.STORED, Verdict.STORED, Verdict.MAY_NOT_WRITE]
    with pytest.raises(Forbidden):
        await world.send(cyd, chat)
    assert len(await world.stored(chat)) == 2


async def test_who_is_silenced_may_not_write_until_that_is_over(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    for until in (FOR_EVER, datetime.now(UTC) + timedelta(hours=1)):
        await set_member(world, chat, ben, silenced_until=until)
        with pytest.raises(Forbidden) as refused:
            await world.send(ben, chat)
        assert refused.value.path == ("chatId",)
        assert (await world.send(ana, chat)).seq
    await set_member(world, chat, ben, silenced_until=datetime.now(UTC) - timedelta(seconds=1))
    assert (await world.send(ben, chat)).seq == 3


async def test_who_is_silenced_may_not_react_but_may_take_a_reaction_back(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    message = await world.send(ana, chat)
    key = (chat.id, message.seq)
    await reaction_cases.react(world.services, ben, key=key, emoji="👍", wanted=True)
    await set_member(world, chat, ben, silenced_until=FOR_EVER)
    with pytest.raises(Forbidden):
        await reaction_cases.react(world.services, ben, key=key, emoji="🎉", wanted=True)
    again = await together(world, Reaction(chat.id, 1, ben.user_id, "👍", wanted=True))
    assert [outcome.verdict for outcome in again] == [Verdict.REACTED]
    gone = await together(world, Reaction(chat.id, 1, ben.user_id, "👍", wanted=False))
    assert [outcome.verdict for outcome in gone] == [Verdict.REACTED]
    assert await rows(world, sa.table("reactions", sa.column("emoji"))) == []


async def test_a_duplicate_is_answered_first_whatever_has_changed_since(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    key = new_key()
    await set_chat(world, chat, slow_mode=60)
    first = await world.send(ben, chat, key=key)
    assert await world.send(ben, chat, key=key) == first
    await set_member(world, chat, ben, silenced_until=FOR_EVER)
    assert await world.send(ben, chat, key=key) == first
    await set_chat(world, chat, kind="channel")
    assert await world.send(ben, chat, key=key) == first


async def test_slow_mode_holds_for_members_alone(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await set_chat(world, chat, slow_mode=30)
    await set_member(world, chat, cyd, role="admin")
    for viewer in (ana, cyd):
        for _ in range(3):
            await world.send(viewer, chat)
    await world.send(ben, chat)
    with pytest.raises(RateLimited) as refused:
        await world.send(ben, chat)
    assert 1 <= refused.value.retry_after <= 30
    await set_member(world, chat, ben, last_sent_at=datetime.now(UTC) - timedelta(seconds=31))
    await world.send(ben, chat)
    with pytest.raises(RateLimited):
        await world.send(ben, chat)
    await set_chat(world, chat, slow_mode=None)
    await world.send(ben, chat)
    assert len(await world.stored(chat)) == 9


async def test_slow_mode_counts_what_one_person_sends_in_one_batch(world, people):
    ana, ben, cyd = people
    chat, other = await world.group(ana, ben, cyd), await world.group(ana, ben)
    await set_chat(world, chat, slow_mode=30)
    outcomes = await together(
        world,
        outgoing(ben, chat, extras=Extras(thread_root_seq=99)),  # refused, so it does not count
        *(outgoing(viewer, chat) for viewer in (ben, cyd, ben, cyd, ben)),
        outgoing(ben, other),
        outgoing(ben, other),
    )
    stored_, soon = Verdict.STORED, Verdict.TOO_SOON
    assert [outcome.verdict for outcome in outcomes] == [
        *(Verdict.NO_THREAD, stored_, stored_, soon, soon, soon),
        *(stored_, stored_),
    ]
    assert [outcome.retry_after for outcome in outcomes[3:6]] == [30, 30, 30]
    assert len(await world.stored(chat)) == 2


async def test_messages_are_in_the_order_of_their_times_also_when_clocks_differ(
    world, people, monkeypatch
):
    ana = people[0]
    ahead, behind = await world.group(ana), await world.group(ana)
    for chat in (ahead, behind):
        await world.send(ana, chat)
        await set_chat(world, chat, message_ttl=3600)
    # The clock of this node goes an hour before that of the database, and later an hour after it.
    for chat, by in ((ahead, timedelta(hours=1)), (behind, -timedelta(hours=1))):
        monkeypatch.setattr(pins, "utc_now", lambda by=by: datetime.now(UTC) + by)
        await pins.pin(world.services, ana, key=(chat.id, 1))
    items = [
        outgoing(ana, chat, extras=Extras(thread_root_seq=1)) for chat in (ahead, behind, ahead)
    ]
    late, right, last = [outcome.message for outcome in await together(world, *items)]
    for chat in (ahead, behind):
        await world.stored(chat)  # looks after the order
    # One chat's time is none of another's, and all that is stored of a message has the same.
    assert right.created_at < datetime.now(UTC) < late.created_at <= last.created_at
    for message in (late, right, last):
        assert await stored(world, message) == message
        assert message.expires_at - message.created_at == timedelta(hours=1)
    counted = {row["chat_id"]: row["last_reply_at"] for row in await rows(world, threads)}
    assert counted == {ahead.id: last.created_at, behind.id: right.created_at}


async def test_a_message_expires_when_it_says_or_when_the_chat_says_whichever_is_first(
    world, people
):
    ana = people[0]
    chat = await world.group(ana)
    soon = datetime.now(UTC).replace(microsecond=123456) + timedelta(minutes=1)
    late = soon + timedelta(days=1)
    never = await world.send(ana, chat)
    own = (await together(world, outgoing(ana, chat, extras=Extras(expires_at=late))))[0].message
    await set_chat(world, chat, message_ttl=3600)
    of_chat = await world.send(ana, chat)
    items = [outgoing(ana, chat, extras=Extras(expires_at=when)) for when in (soon, late)]
    first, capped = [outcome.message for outcome in await together(world, *items)]
    hour = timedelta(hours=1)
    assert (never.expires_at, own.expires_at, first.expires_at) == (None, late, soon)
    assert of_chat.expires_at - of_chat.created_at == hour
    assert capped.expires_at - capped.created_at == hour
    for message in (never, own, of_chat, first, capped):
        assert await stored(world, message) == message


async def test_what_has_expired_is_neither_answered_nor_reacted_to(world, people):
    ana = people[0]
    chat = await world.group(ana)
    past = Extras(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    (gone,) = await together(world, outgoing(ana, chat, extras=past))
    reply = outgoing(ana, chat)
    reply = type(reply)(
        **{**{n: getattr(reply, n) for n in reply.__slots__}, "reply_to": (chat.id, 1)}
    )
    outcomes = await together(
        world,
        reply,
        outgoing(ana, chat, extras=Extras(thread_root_seq=1)),
        Reaction(chat.id, 1, ana.user_id, "👍", wanted=True),
    )
    assert gone.verdict == Verdict.STORED
    assert [outcome.verdict for outcome in outcomes] == [
        *(Verdict.NO_REPLY_TARGET, Verdict.NO_THREAD, Verdict.NO_MESSAGE)
    ]


async def test_a_chat_with_a_set_of_reactions_takes_no_others(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    key = (chat.id, (await world.send(ana, chat)).seq)
    await reaction_cases.react(world.services, ben, key=key, emoji="🎉", wanted=True)
    await set_chat(world, chat, reaction_set=["👍", "it's"])
    for emoji in ("👍", "it's"):
        await reaction_cases.react(world.services, ana, key=key, emoji=emoji, wanted=True)
    for emoji in ("🎉", "👎"):
        with pytest.raises(InvalidInput) as refused:
            await reaction_cases.react(world.services, ana, key=key, emoji=emoji, wanted=True)
        assert refused.value.path == ("emoji",)
    # What was there before stays until it is taken back, which is for good.
    await reaction_cases.react(world.services, ben, key=key, emoji="🎉", wanted=True)
    await reaction_cases.react(world.services, ben, key=key, emoji="🎉", wanted=False)
    with pytest.raises(InvalidInput):
        await reaction_cases.react(world.services, ben, key=key, emoji="🎉", wanted=True)


# --- threads --------------------------------------------------------------------------------------


async def reply(world, viewer, chat, root_seq):
    (outcome,) = await together(
        world, outgoing(viewer, chat, extras=Extras(thread_root_seq=root_seq))
    )
    return outcome


async def test_replies_are_numbered_in_their_thread_and_counted(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await world.send(ana, chat)
    await world.send(ben, chat)
    outcomes = await together(
        world,
        *(
            outgoing(viewer, chat, extras=Extras(thread_root_seq=root))
            for viewer, root in ((ben, 1), (cyd, 1), (cyd, 2), (ben, 1))
        ),
        outgoing(ana, chat),
    )
    sent = [outcome.message for outcome in outcomes]
    assert [(each.seq, each.thread_root_seq, each.thread_number) for each in sent] == [
        *((3, 1, 1), (4, 1, 2), (5, 2, 1), (6, 1, 3), (7, None, None))
    ]
    for message in sent:
        assert await stored(world, message) == message
    counted = await rows(world, threads, threads.c.root_seq)
    assert [(row["root_seq"], row["reply_count"], row["last_reply_seq"]) for row in counted] == [
        *((1, 3, 6), (2, 1, 5))
    ]
    more = await reply(world, cyd, chat, 2)
    assert more.message.thread_number == 2
    counted = await rows(world, threads, threads.c.root_seq)
    assert counted[1]["reply_count"] == 2
    assert counted[1]["last_reply_at"] == more.message.created_at


async def test_who_writes_and_whose_message_it_is_follow_a_thread(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await world.send(ana, chat)
    await reply(world, ben, chat, 1)
    await reply(world, cyd, chat, 1)

    async def follows():
        found = await rows(world, thread_follows)
        return {row["user_id"]: (row["following"], row["read_count"]) for row in found}

    assert await follows() == {
        ana.user_id: (True, 0),
        ben.user_id: (True, 1),
        cyd.user_id: (True, 2),
    }
    async with world.services.db.writing() as connection:
        await connection.execute(thread_follows.update().values(following=False))
    await together(
        world, *(outgoing(ben, chat, extras=Extras(thread_root_seq=1)) for _ in range(2))
    )
    # Who did not want to hear of it any more hears of it again once they write there.
    assert await follows() == {
        ana.user_id: (False, 0),
        ben.user_id: (True, 4),
        cyd.user_id: (False, 2),
    }
    await reply(world, ana, chat, 1)
    assert (await follows())[ana.user_id] == (True, 5)


async def test_who_has_left_follows_no_thread_of_their_message(world, people):
    ana, ben, _ = people
    chat = await world.group(ana, ben)
    await world.send(ben, chat)
    await member_cases.leave(world.services, ben, chat_id=chat.id)
    await reply(world, ana, chat, 1)
    assert [row["user_id"] for row in await rows(world, thread_follows)] == [ana.user_id]


async def test_a_thread_starts_from_a_message_that_is_there_and_in_no_thread(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben)
    await world.send(ana, chat)
    await world.send(ana, chat)
    await message_cases.delete(world.services, ana, key=(chat.id, 2))
    in_thread = (await reply(world, ben, chat, 1)).message
    told = await together(world, outgoing(ana, chat, extras=Extras(kind="system")))
    await member_cases.add(world.services, ana, chat_id=chat.id, user_ids=[cyd.user_id])
    for viewer, root in (
        *((ana, 2), (ana, in_thread.seq), (ana, told[0].message.seq), (ana, 99), (ana, -1)),
        (cyd, 1),  # from before they came
    ):
        assert (await reply(world, viewer, chat, root)).verdict == Verdict.NO_THREAD
    with pytest.raises(NotFound) as refused:
        await message_cases.send(
            world.services,
            ana,
            chat_id=chat.id,
            text="Hello",
            client_message_id=new_key(),
            extras=Extras(thread_root_seq=99),
        )
    assert refused.value.path == ("threadId",)
    assert [row["reply_count"] for row in await rows(world, threads)] == [1]


async def test_replies_sent_at_once_are_counted_once_each(world, people):
    ana, ben, cyd = people
    chat = await world.group(ana, ben, cyd)
    await world.send(ana, chat)
    outcomes = await together(
        world,
        *(
            outgoing(viewer, chat, extras=Extras(thread_root_seq=1))
            for _ in range(30)
            for viewer in people
        ),
    )
    numbers = [outcome.message.thread_number for outcome in outcomes]
    assert sorted(numbers) == list(range(1, 91))
    assert [row["reply_count"] for row in await rows(world, threads)] == [90]
