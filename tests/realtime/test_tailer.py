"""The tailer: every committed event once and in order, whatever the transactions do."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
import sqlalchemy as sa

from models import chats, events
from models.base import new_key
from models.chats import Chat
from models.database import Database
from models.events import EventKind
from realtime.log import DatabaseLog
from realtime.tailer import Tailer
from realtime.tasks import end
from resolvers.services import utc_now
from tests.parts.people import PATIENCE


@pytest.fixture
async def db(migrated_database_url):
    made = Database(migrated_database_url)
    yield made
    await made.close()


async def new_chat(db):
    """Store a chat without anybody in it and return its id."""
    owner, chat_id, now = new_key(), new_key(), utc_now()
    async with db.writing() as connection:
        await connection.execute(
            sa.text(
                "INSERT INTO users (id, handle, display_name, password_hash, created_at)"
                " VALUES (:id, :handle, 'X', 'x', :now)"
            ).bindparams(sa.bindparam("id", type_=sa.Uuid)),
            {"id": owner, "handle": owner.hex, "now": now if db.dialect != "sqlite" else str(now)},
        )
        chat = Chat(chat_id, "group", "T", None, owner, now, 0, 0, now, 0)
        await chats.create(connection, chat, pair=None)
    return chat_id


async def record(connection, chat_id):
    await chats.lock(connection, [chat_id])
    seq = await chats.next_event_seq(connection, chat_id)
    await events.record(connection, EventKind.CHAT_CREATED, now=utc_now(), chat_id=chat_id, seq=seq)
    return seq


def place(delivery):
    """Return the chat and the number of what was delivered."""
    return delivery.event.chat.id, delivery.event.seq


async def read(tailer):
    """Return what one read delivers, as (chat, number)."""
    delivered: list[tuple[UUID, int]] = []
    tailer.on_batch(lambda batch: delivered.extend(map(place, batch)))
    await tailer.read()
    tailer._listeners.clear()
    return delivered


async def test_what_is_committed_is_delivered_once_and_in_order(db):
    one, other = await new_chat(db), await new_chat(db)
    tailer = Tailer(DatabaseLog(db))
    await tailer.start()
    assert await read(tailer) == []
    for chat_id in (one, other, one):
        async with db.writing() as connection:
            await record(connection, chat_id)
    assert await read(tailer) == [(one, 1), (other, 1), (one, 2)]
    assert await read(tailer) == []


async def test_what_is_rolled_back_is_never_delivered(db):
    chat_id = await new_chat(db)
    tailer = Tailer(DatabaseLog(db))
    await tailer.start()
    with suppress(ZeroDivisionError):
        async with db.writing() as connection:
            await record(connection, chat_id)
            1 / 0  # noqa: B018
    assert await read(tailer) == []
    async with db.writing() as connection:
        await record(connection, chat_id)
    assert await read(tailer) == [(chat_id, 1)]


async def test_a_transaction_that_began_first_and_commits_last_is_not_lost(
    migrated_postgresql_url,
):
    # Its id is lower than what has been delivered by then: a reader that compares ids loses it.
    db = Database(migrated_postgresql_url)
    try:
        slow_chat, quick_chat = await new_chat(db), await new_chat(db)
        tailer = Tailer(DatabaseLog(db))
        await tailer.start()
        async with db.writing() as slow:
            await record(slow, slow_chat)
            for expected in (1, 2, 3):
                async with db.writing() as quick:
                    await record(quick, quick_chat)
                assert await read(tailer) == [(quick_chat, expected)]
        assert await read(tailer) == [(slow_chat, 1)]
        assert await read(tailer) == []
    finally:
        await db.close()


async def roll_back(db):
    """Take the number of a transaction on PostgreSQL, and give the transaction up."""
    with suppress(ZeroDivisionError):
        async with db.writing() as connection:
            await connection.execute(sa.text("SELECT pg_current_xact_id()"))
            1 / 0  # noqa: B018


async def test_a_place_without_news_misses_nothing_after_postgresql_crashed(own_postgres):
    postgres, url = own_postgres
    db = Database(url)
    tailer = Tailer(DatabaseLog(db))
    try:
        chat_id = await new_chat(db)
        await tailer.start()
        await roll_back(db)
        assert await read(tailer) == []
        await asyncio.to_thread(postgres.kill)
        await asyncio.to_thread(postgres.start)
        await db.close()  # its connections are dead
        # What was rolled back last need not be on disk: its number may be given away again.
        async with db.writing() as connection:
            await record(connection, chat_id)
        assert await read(tailer) == [(chat_id, 1)]
    finally:
        await db.close()


async def test_reading_an_idle_log_writes_nothing(migrated_postgresql_url):
    db = Database(migrated_postgresql_url)
    try:
        tailer = Tailer(DatabaseLog(db))
        await tailer.start()
        await roll_back(db)
        await read(tailer)
        async with db.reading() as connection:
            before = await touched(connection)
        for _ in range(5):
            await read(tailer)
        async with db.reading() as connection:
            assert await touched(connection) == before
    finally:
        await db.close()


async def touched(connection):
    return (await connection.execute(sa.text("SELECT touched FROM log_state"))).scalar_one()


async def test_writers_of_every_speed_are_all_delivered_in_order_of_each_chat(db):
    chat_ids = [await new_chat(db) for _ in range(4)]
    tailer = Tailer(DatabaseLog(db))
    delivered: list[tuple[UUID, int]] = []
    tailer.on_batch(lambda batch: delivered.extend(map(place, batch)))
    await tailer.start()

    async def write(number):
        async with db.writing() as connection:
            await record(connection, chat_ids[number % 4])
            for _ in range(number % 5):
                await connection.execute(sa.text("SELECT 1"))

    async def tail():
        while True:
            await tailer.read()

    tailing = asyncio.create_task(tail())
    await asyncio.gather(*(write(number) for number in range(120)))
    tailing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await tailing
    await tailer.read()
    assert len(delivered) == len(set(delivered)) == 120
    for chat_id in chat_ids:
        assert [seq for chat, seq in delivered if chat == chat_id] == list(range(1, 31))


async def test_a_read_that_fails_is_repeated_from_the_same_place(db, monkeypatch):
    chat_id = await new_chat(db)
    tailer = Tailer(DatabaseLog(db))
    await tailer.start()
    async with db.writing() as connection:
        await record(connection, chat_id)
    reached = []
    tailer.at_boundary(lambda: reached.append(True))

    async def fail(*_):
        raise ConnectionError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr("realtime.log.load", fail)
        with pytest.raises(ConnectionError):
            await tailer.read()
    assert not reached
    assert await read(tailer) == [(chat_id, 1)]
    assert reached


async def test_without_a_doorbell_the_log_is_read_all_the_same(db, monkeypatch):
    monkeypatch.setattr("realtime.tailer.POLL_INTERVAL", 0.01)
    chat_id = await new_chat(db)
    tailer = Tailer(DatabaseLog(db))
    delivered = asyncio.get_running_loop().create_future()
    tailer.on_batch(lambda batch: delivered.set_result([place(each) for each in batch]))
    await tailer.start()
    running = asyncio.create_task(tailer.run())
    async with db.writing() as connection:
        await record(connection, chat_id)
    async with asyncio.timeout(10):
        assert await delivered == [(chat_id, 1)]
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def ring_all_the_time(tailer):
    while True:
        tailer.ring()
        await asyncio.sleep(0)


async def cut_connections(db):
    """Cut everybody else's connections to the database."""
    async with db.reading() as connection:
        await connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


@pytest.mark.slow
async def test_it_ends_when_it_is_cancelled_while_its_connection_is_cut(migrated_postgresql_url):
    # The driver's error took the place of the cancellation in one of fourteen.
    elsewhere = Database(migrated_postgresql_url)
    for attempt in range(100):
        db = Database(migrated_postgresql_url)
        tailer = Tailer(DatabaseLog(db))
        await tailer.start()
        tailing = asyncio.create_task(tailer.run())
        ringing = asyncio.create_task(ring_all_the_time(tailer))
        await asyncio.sleep(0.005)  # into the middle of its reading
        cutting = asyncio.create_task(cut_connections(elsewhere))
        await asyncio.sleep(attempt * 4e-5)
        tailing.cancel()
        ended, _ = await asyncio.wait([tailing], timeout=PATIENCE)
        assert ended, f"cancelled {attempt * 40} µs after the cut, it lives on"
        await end([ringing])
        await cutting
        await db.close()
    await elsewhere.close()
