"""The way in for messages, on real databases: what becomes of each, whatever else goes on."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest
import sqlalchemy as sa
import uuid_utils.compat

from models import chats as chat_table
from models import events as log_table
from models import members as member_table
from models import messages as message_table
from models import sending_postgresql
from models.database import Database
from models.errors import Conflict, NotFound, Overloaded
from models.messages import Message
from models.sending import Mark, Outgoing, Verdict
from models.viewer import Viewer
from resolvers import group_commit
from resolvers import members as member_cases
from resolvers import messages as message_cases
from resolvers import receipts as receipt_cases
from tests.parts.world import World, open_world

new_key = uuid_utils.compat.uuid4


def outgoing(viewer, chat, text="Hello", *, key=None, reply_to=None, content=b"content"):
    return Outgoing(
        chat_id=chat.id,
        sender_id=viewer.user_id,
        client_message_id=key or new_key(),
        text=text,
        reply_to=reply_to,
        content_hash=content.ljust(32),
    )


async def together(world, items):
    """Submit items so that they share a batch, and return what became of each, or its error."""
    submitted = (world.services.sending.submit(item) for item in items)
    return await asyncio.gather(*submitted, return_exceptions=True)


async def test_a_batch_of_every_kind_gives_each_its_own_outcome(world):
    ana, ben, outsider = [await world.person(name) for name in ("ana", "ben", "out")]
    one, other = await world.group(ana, ben), await world.group(ana)
    used, taken = new_key(), new_key()
    await world.services.sending.submit(outgoing(ana, one, "first", key=used))
    await world.services.sending.submit(outgoing(ana, other, "elsewhere", key=taken))
    gone = await world.send(ana, one, "gone")
    await message_cases.delete(world.services, ana, key=(one.id, gone.seq))
    outcomes = await together(
        world,
        [
            outgoing(ana, one, "new"),
            outgoing(ana, one, "first", key=used),
            outgoing(ben, one, "same id, another person", key=used),
            outgoing(outsider, one, "not for me"),
            outgoing(ben, other, "nor for me"),
            outgoing(ben, one, "answer", reply_to=(one.id, 1)),
            outgoing(ben, one, "to what was deleted", reply_to=(one.id, gone.seq)),
            outgoing(ben, one, "to what is elsewhere", reply_to=(other.id, 1)),
            outgoing(ben, one, "to what is not there", reply_to=(one.id, 99)),
            outgoing(ana, other, "something else", key=taken, content=b"other"),
            outgoing(ana, other, "last"),
        ],
    )
    assert [outcome.verdict for outcome in outcomes] == [
        Verdict.STORED,
        Verdict.DUPLICATE,
        Verdict.STORED,
        Verdict.NO_CHAT,
        Verdict.NO_CHAT,
        Verdict.STORED,
        Verdict.NO_REPLY_TARGET,
        Verdict.NO_REPLY_TARGET,
        Verdict.NO_REPLY_TARGET,
        Verdict.CONFLICT,
        Verdict.STORED,
    ]
    told = [(o.message.chat_id, o.message.seq, o.message.text) for o in outcomes if o.message]
    assert told == [
        (one.id, 3, "new"),
        (one.id, 1, "first"),
        (one.id, 4, "same id, another person"),
        (one.id, 5, "answer"),
        (other.id, 2, "last"),
    ]
    assert max((await world.stored(one)).values()) == 5
    assert max((await world.stored(other)).values()) == 2


async def test_what_is_returned_is_what_is_stored(world):
    ana = await world.person("ana")
    chat = await world.group(ana)
    key = new_key()
    sent = await world.send(ana, chat, "Hello", key)
    for change in (
        None,
        lambda: message_cases.edit(world.services, ana, key=(chat.id, 1), text="Hallo"),
        lambda: message_cases.delete(world.services, ana, key=(chat.id, 1)),
    ):
        if change:
            await change()
        async with world.services.db.reading() as connection:
            stored = await message_table.by_key(connection, chat.id, sent.seq)
            now = await chat_table.readable_by(connection, ana.user_id, chat.id)
        assert await world.send(ana, chat, "Hello", key) == stored
        assert change or sent == stored
        assert now.last_activity_at == sent.created_at >= chat.created_at


async def test_the_sender_has_read_what_was_there_and_nobody_else(world):
    ana, ben = await world.person("ana"), await world.person("ben")
    chat = await world.group(ana, ben)
    await together(world, [outgoing(ana, chat) for _ in range(3)])

    async def read_seq(viewer):
        async with world.services.db.reading() as connection:
            mine = await member_table.of_chats(connection, viewer.user_id, [chat.id])
        return mine[chat.id].read_seq

    assert (await read_seq(ana), await read_seq(ben)) == (3, 0)


@pytest.mark.parametrize("text", ["half a pair: \ud800", "nul: \x00"])
async def test_a_row_that_cannot_be_stored_fails_alone(postgres_world, text):
    world = postgres_world
    ana = await world.person("ana")
    chat = await world.group(ana)
    items = [outgoing(ana, chat, str(number)) for number in range(40)]
    items.insert(17, outgoing(ana, chat, text))
    outcomes = await together(world, items)
    assert isinstance(outcomes.pop(17), Exception)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.STORED}
    assert len(await world.stored(chat)) == 40


async def test_a_row_that_sqlite_cannot_store_fails_alone(migrated_sqlite_url):
    async with open_world(migrated_sqlite_url) as world:
        ana = await world.person("ana")
        chat = await world.group(ana)
        items = [outgoing(ana, chat, str(number)) for number in range(40)]
        items.insert(17, outgoing(ana, chat, "half a pair: \ud800"))
        outcomes = await together(world, items)
        assert isinstance(outcomes.pop(17), UnicodeEncodeError)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.STORED}
        assert len(await world.stored(chat)) == 40


async def test_nobody_sends_after_being_removed(world, elsewhere):
    ana, ben = await world.person("ana"), await world.person("ben")
    chat = await world.group(ana, ben)
    async with elsewhere.writing() as connection:
        # Somebody else is in the middle of removing ben.
        await chat_table.lock(connection, [chat.id])
        seq = await chat_table.next_event_seq(connection, chat.id)
        (ben_here,) = (await member_table.among(connection, chat.id, [ben.user_id])).values()
        sending = asyncio.create_task(world.send(ben, chat))
        others = asyncio.create_task(world.send(ana, chat))
        await asyncio.sleep(0.1)
        await member_table.leave(connection, ben_here.id, seq)
        await log_table.record(
            connection,
            log_table.EventKind.MEMBER_LEFT,
            now=chat.created_at,
            chat_id=chat.id,
            seq=seq,
        )
        assert not sending.done()
        assert not others.done()
    with pytest.raises(NotFound):
        await sending
    assert (await others).seq == 1
    assert len(await world.stored(chat)) == 1


async def test_removals_and_sends_at_once_leave_nothing_after_the_removal(world):
    ana, *others = [await world.person(name) for name in ("ana", "ben", "cyd", "dan")]
    chat = await world.group(ana, *others)

    async def talk(viewer):
        with suppress(NotFound):
            for _ in range(200):
                await world.send(viewer, chat)

    talking = [asyncio.create_task(talk(viewer)) for viewer in others]
    for viewer in others:
        await asyncio.sleep(0.05)
        await member_cases.remove(world.services, ana, chat_id=chat.id, user_id=viewer.user_id)
    await asyncio.gather(*talking)
    await world.stored(chat)
    async with world.services.db.reading() as connection:
        rows = await connection.execute(
            sa.text(
                "SELECT count(*) FROM events AS sent JOIN events AS left_ ON"
                " left_.kind = 'member_left' AND left_.subject_id = sent.actor_id"
                " WHERE sent.kind = 'message_sent' AND sent.seq > left_.seq"
            )
        )
        assert rows.scalar_one() == 0


async def test_a_chat_that_somebody_holds_delays_its_own_sends_alone(postgres_world):
    world = postgres_world
    ana = await world.person("ana")
    held, free = await world.group(ana), await world.group(ana)
    elsewhere = Database(world.url)
    async with elsewhere.writing() as connection:
        await chat_table.lock(connection, [held.id])
        waiting = [asyncio.create_task(world.send(ana, held, str(n))) for n in range(5)]
        outcomes = await together(
            world, [outgoing(ana, replace(free, id=new_key())), Mark(free.id, ana.user_id, 1)]
        )
        assert [outcome.verdict for outcome in outcomes] == [Verdict.NO_CHAT, Verdict.MARKED]
        for number in range(20):
            assert (await world.send(ana, free)).seq == number + 1
            assert not any(task.done() for task in waiting)
    assert [(await task).seq for task in waiting] == [1, 2, 3, 4, 5]
    assert [(await task).text for task in waiting] == list("01234")
    await elsewhere.close()


async def test_a_pointer_that_somebody_holds_delays_its_own_send_alone(postgres_world):
    world = postgres_world
    ana, ben = await world.person("ana"), await world.person("ben")
    chat, other = await world.group(ana, ben), await world.group(ana, ben)
    elsewhere = Database(world.url)
    async with elsewhere.writing() as connection:
        # As marking as read does: a member's row without the chat.
        await connection.execute(
            member_table.members.update()
            .where(member_table.members.c.user_id == ben.user_id)
            .where(member_table.members.c.chat_id == chat.id)
            .values(read_seq=0)
        )
        waiting = asyncio.create_task(world.send(ben, chat))
        for _ in range(5):
            await world.send(ana, other)
            await world.send(ben, other)
        assert not waiting.done()
    assert (await waiting).seq == 1
    await elsewhere.close()


async def test_killed_connections_lose_nothing_and_double_nothing(postgres_world):
    world = postgres_world
    people = [await world.person(f"person{number}") for number in range(8)]
    chats = [await world.group(*people) for _ in range(4)]
    acknowledged = {}
    stopping = False

    async def talk(viewer):
        while not stopping:
            key, chat = new_key(), random.choice(chats)
            acknowledged[key] = (chat, (await world.send(viewer, chat, key=key)).seq)

    killed = 0
    elsewhere = Database(world.url)
    async with asyncio.TaskGroup() as tasks:
        for person in people:
            tasks.create_task(talk(person))
        while killed < 10:
            await asyncio.sleep(random.random() * 0.03)
            async with elsewhere.writing() as connection:
                rows = await connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE application_name = 'hubbub sends' AND datname = current_database()"
                    )
                )
                killed += len(rows.all())
        stopping = True
    await elsewhere.close()
    stored = {chat.id: await world.stored(chat) for chat in chats}
    assert sum(map(len, stored.values())) == len(acknowledged)
    for key, (chat, seq) in acknowledged.items():
        assert stored[chat.id][key] == seq


async def test_a_server_that_falls_silent_is_left(postgres_world, monkeypatch):
    monkeypatch.setattr(sending_postgresql, "STATEMENT_TIMEOUT", 0.3)
    ana = await postgres_world.person("ana")
    async with open_world(postgres_world.url) as world:
        chat = await world.group(ana)
        await world.send(ana, chat)
        async with world.services.db.reading() as connection:
            rows = await connection.execute(
                sa.text(
                    "SELECT pid FROM pg_stat_activity"
                    " WHERE application_name = 'hubbub sends' AND datname = current_database()"
                )
            )
            (backend,) = rows.scalars()
        os.kill(backend, signal.SIGSTOP)
        try:
            assert (await world.send(ana, chat)).seq == 2
        finally:
            os.kill(backend, signal.SIGCONT)
        assert len(await world.stored(chat)) == 2


async def test_two_nodes_that_send_the_same_ids_store_each_once(world):
    ana = await world.person("ana")
    one, other = await world.group(ana), await world.group(ana)
    async with open_world(world.url) as twin:
        keys = [new_key() for _ in range(60)]
        sent = await asyncio.gather(
            *(node.send(ana, one, key=key) for key in keys for node in (world, twin))
        )
        assert sent[::2] == sent[1::2]
        assert await world.stored(one) == {m.client_message_id: m.seq for m in sent}
        # The same id into two chats: whoever is first has it.
        keys = [new_key() for _ in range(60)]
        results = await asyncio.gather(
            *(
                node.send(ana, chat, key=key)
                for key in keys
                for node, chat in ((world, one), (twin, other))
            ),
            return_exceptions=True,
        )
        for here, there in zip(results[::2], results[1::2], strict=True):
            assert sorted([type(here).__name__, type(there).__name__]) == ["Conflict", "Message"]
    total = len(await world.stored(one)) + len(await world.stored(other))
    assert total == 120


async def test_one_id_with_several_contents_at_once_is_stored_once(world):
    ana = await world.person("ana")
    chat = await world.group(ana)
    key = new_key()
    results = await asyncio.gather(
        *(world.send(ana, chat, text, key) for text in "abcabc"), return_exceptions=True
    )
    assert [getattr(result, "text", type(result)) for result in results] == [
        "a",
        Conflict,
        Conflict,
        "a",
        Conflict,
        Conflict,
    ]
    assert len(await world.stored(chat)) == 1


async def test_cancelled_senders_lose_nothing_and_double_nothing(world):
    ana, ben = await world.person("ana"), await world.person("ben")
    chat = await world.group(ana, ben)
    keys = [new_key() for _ in range(200)]
    tasks = []
    for key in keys:
        tasks.append(asyncio.create_task(world.send(ana, chat, key=key)))
        if random.random() < 0.5:
            await asyncio.sleep(random.random() * 0.002)
        if random.random() < 0.5:
            random.choice(tasks).cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    told = {
        task.result().client_message_id: task.result().seq for task in tasks if not task.cancelled()
    }
    again = await asyncio.gather(*(world.send(ana, chat, key=key) for key in keys))
    stored = await world.stored(chat)
    assert {m.client_message_id: m.seq for m in again} == stored
    assert told.items() <= stored.items()
    assert stored.keys() == set(keys)


async def test_what_was_acknowledged_before_a_send_began_has_the_lower_number(world):
    people = [await world.person(f"person{number}") for number in range(6)]
    chat = await world.group(*people)
    clock = count()
    history: list[tuple[int, int, int]] = []  # invoked, acknowledged, number

    async def talk(viewer: Viewer, node: World) -> None:
        for _ in range(60):
            invoked = next(clock)
            seq = (await node.send(viewer, chat)).seq
            history.append((invoked, next(clock), seq))

    async with open_world(world.url) as twin:
        await asyncio.gather(
            *(talk(viewer, node) for viewer, node in zip(people, [world, twin] * 3, strict=True))
        )
    for invoked, _, seq in history:
        assert all(s < seq for _, acknowledged, s in history if acknowledged < invoked)
    assert len(await world.stored(chat)) == 360


async def test_at_shutdown_every_send_is_stored_or_refused(migrated_database_url):
    async with open_world(migrated_database_url) as world:
        ana = await world.person("ana")
        chat = await world.group(ana)
    async with open_world(migrated_database_url) as world:
        # Having looked up the word filters once, a send goes to the queue at its first step.
        first = await world.send(ana, chat)
        tasks = [asyncio.create_task(world.send(ana, chat)) for _ in range(1500)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Overloaded)]
    kept = {m.client_message_id: m.seq for m in results if isinstance(m, Message)}
    assert len(refused) + len(kept) == 1500
    kept[first.client_message_id] = first.seq
    async with open_world(migrated_database_url) as world:
        assert await world.stored(chat) == kept


async def test_at_shutdown_what_waits_for_a_held_chat_is_refused(
    migrated_postgresql_url, monkeypatch
):
    monkeypatch.setattr(group_commit, "CLOSING_TIMEOUT", 0.2)
    async with open_world(migrated_postgresql_url) as world:
        ana = await world.person("ana")
        chat = await world.group(ana)
        elsewhere = Database(world.url)
    async with elsewhere.writing() as connection:
        await chat_table.lock(connection, [chat.id])
        async with open_world(migrated_postgresql_url) as world:
            tasks = [asyncio.create_task(world.send(ana, chat)) for _ in range(300)]
            await asyncio.sleep(0.05)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} == {Overloaded}
    await elsewhere.close()
    async with open_world(migrated_postgresql_url) as world:
        assert await world.stored(chat) == {}


async def test_sends_and_other_writes_take_turns(world, elsewhere):
    """In one process by a queue, between processes by the busy timeout: nobody sees a lock."""
    ana, ben = await world.person("ana"), await world.person("ben")
    chat = await world.group(ana, ben)
    await world.send(ana, chat)
    stopping = False
    sent = 0

    async def talk() -> None:
        nonlocal sent
        while not stopping:
            await world.send(ana, chat)
            sent += 1

    async def another_process() -> None:
        for _ in range(20):
            async with elsewhere.writing() as connection:
                await connection.execute(
                    member_table.members.update()
                    .where(member_table.members.c.user_id == ben.user_id)
                    .values(role="admin")
                )

    async with asyncio.TaskGroup() as tasks:
        for _ in range(16):
            tasks.create_task(talk())
        writing = tasks.create_task(another_process())
        for number in range(5):
            await asyncio.gather(
                *(
                    message_cases.edit(world.services, ana, key=(chat.id, 1), text=f"{number} {n}")
                    for n in range(20)
                )
            )
            await receipt_cases.mark_read(world.services, ben, chat_id=chat.id, seq=number)
        await writing
        stopping = True
    assert sent > 0
    assert len(await world.stored(chat)) == sent + 1


async def test_read_pointers_share_batches_with_messages_and_each_other(world):
    ana, ben, outsider = [await world.person(name) for name in ("ana", "ben", "out")]
    chat, other = await world.group(ana, ben), await world.group(ana, ben)
    await together(world, [outgoing(ana, chat) for _ in range(5)])
    outcomes = await together(
        world,
        [
            Mark(chat.id, ben.user_id, 2, 2),
            outgoing(ana, chat),
            Mark(chat.id, ben.user_id, 4, 4),
            Mark(chat.id, ben.user_id, 3, 3),
            Mark(chat.id, outsider.user_id, 3, 3),
            Mark(new_key(), ben.user_id, 3, 3),
            Mark(other.id, ben.user_id, 99, 99),
            Mark(chat.id, ben.user_id, 4, 4),
        ],
    )
    no_chat = Verdict.NO_CHAT
    assert [outcome.verdict for outcome in outcomes] == [
        *(Verdict.MARKED, Verdict.STORED, Verdict.MARKED, Verdict.MARKED),
        *(no_chat, no_chat, Verdict.MARKED, Verdict.MARKED),
    ]
    async with world.services.db.reading() as connection:
        found = await chat_table.readable_many(connection, ben.user_id, [chat.id, other.id])
        mine = await member_table.of_chats(connection, ben.user_id, [chat.id, other.id])
    assert outcomes[0].chat == outcomes[2].chat == found[chat.id]
    assert outcomes[6].chat == found[other.id]
    assert (mine[chat.id].read_seq, mine[other.id].read_seq) == (4, 0)


async def test_the_doorbell_rings_after_a_commit_that_stored_something(world, monkeypatch):
    ana = await world.person("ana")
    chat = await world.group(ana)
    rung = []

    def ring() -> None:
        rung.append(True)

    await world.send(ana, chat)
    monkeypatch.setattr(world.services.node.tailer, "ring", ring)
    key = new_key()
    await asyncio.gather(*(world.send(ana, chat, key=key) for _ in range(20)))
    assert len(rung) == 1
    with pytest.raises(Conflict):
        await world.send(ana, chat, "other", key=key)
    assert len(rung) == 1
