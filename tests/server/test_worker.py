"""Background jobs: what they delete, and what they leave."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import log_state
from models.events import events
from models.sessions import sessions
from resolvers.services import utc_now
from server import worker
from tests.journeys.test_resume import cursor_of, hear, texts
from tests.parts.running import running

PATIENCE_OF_A_MONTH = timedelta(days=31)


async def test_sessions_that_ended_long_ago_are_deleted_and_the_others_stay(server):
    people = [await server.registered(name) for name in ("ana", "ben", "cyd")]
    db = server.program.services.db
    ended = {"ben": timedelta(days=29), "cyd": PATIENCE_OF_A_MONTH}
    async with db.writing() as connection:
        rows = (await connection.execute(sa.select(sessions.c.id).order_by(sessions.c.id))).all()
        for row, person in zip(rows, people, strict=True):
            if person.handle in ended:
                moment = utc_now() - ended[person.handle]
                change = sessions.update().where(sessions.c.id == row.id).values(revoked_at=moment)
                await connection.execute(change)
    await worker.prune_sessions(server.program.services, server.settings)
    async with db.reading() as connection:
        left = (await connection.execute(sa.select(sessions.c.id))).scalars().all()
    assert set(left) == {row.id for row in rows[:2]}


@pytest.mark.parametrize("reason", ["age", "size"])
async def test_old_events_are_deleted_and_cursors_from_before_them_are_refused(
    server, monkeypatch, reason
):
    monkeypatch.setattr(worker, "BATCH", 3)
    ana = await server.registered("ana")
    chat_id = await ana.group("Talk")
    old = await cursor_of(ana)
    for n in range(8):
        await ana.send(chat_id, f"old {n}")
    fresh = await cursor_of(ana)
    db = server.program.services.db
    if reason == "age":
        async with db.writing() as connection:
            past = utc_now() - PATIENCE_OF_A_MONTH
            await connection.execute(events.update().values(created_at=past))
        settings = server.settings
    else:
        settings = server.settings.model_copy(update={"log_events": 0})
    await worker.prune_log(server.program.services, settings)
    await ana.send(chat_id, "new")
    async with db.reading() as connection:
        assert (
            await connection.execute(sa.select(sa.func.count()).select_from(events))
        ).scalar_one() == 1
        assert (await log_state.present(connection)).oldest > 1
    (event,) = await hear(ana, old, 1)
    assert (event["__typename"], event["reason"]) == ("ResyncRequired", "EXPIRED")
    assert texts(await hear(ana, fresh, 1)) == ["new"]


async def test_a_chat_whose_events_are_all_pruned_does_not_spoil_resuming(server):
    ana = await server.registered("ana")
    await ana.group("Quiet")
    await worker.prune_log(
        server.program.services, server.settings.model_copy(update={"log_events": 0})
    )
    fresh = await cursor_of(ana)
    chat_id = await ana.group("Busy")
    await ana.send(chat_id, "hello")
    assert texts(await hear(ana, fresh, 2)) == ["hello"]


async def test_beside_a_slow_writer_a_fresh_cursor_is_never_too_old(migrated_postgresql_url):
    async with running(migrated_postgresql_url) as server:
        ana = await server.registered("ana")
        chat_id = await ana.group("Talk")
        db = server.program.services.db
        async with db.writing() as slow:
            await slow.execute(sa.text("SELECT pg_current_xact_id()"))  # as if it had written
            for n in range(3):
                await ana.send(chat_id, f"before {n}")
            await worker.prune_log(
                server.program.services, server.settings.model_copy(update={"log_events": 0})
            )
            fresh = await cursor_of(ana)
            await ana.send(chat_id, "after")
            assert texts(await hear(ana, fresh, 1)) == ["after"]


async def test_what_is_young_and_few_is_left_alone(server):
    ana = await server.registered("ana")
    old = await cursor_of(ana)
    chat_id = await ana.group("Talk")
    await ana.send(chat_id, "still there")
    await worker.prune_log(server.program.services, server.settings)
    assert texts(await hear(ana, old, 2)) == ["still there"]


async def test_a_job_that_fails_is_tried_again(server, monkeypatch):
    tried: asyncio.Queue[bool] = asyncio.Queue()

    async def fail(*_):
        tried.put_nowait(True)
        raise RuntimeError("on purpose")

    monkeypatch.setattr(worker, "JOBS", [worker.Job("fails", timedelta(seconds=0.01), fail)])
    task = asyncio.create_task(worker.run(server.program.services, server.settings))
    async with asyncio.timeout(10):
        for _ in range(3):
            await tried.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_worker_ends_when_it_is_told_to_though_a_job_has_swallowed_that(
    server, monkeypatch
):
    begun = asyncio.Event()

    async def swallow(*_):
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(worker, "JOBS", [worker.Job("swallows", timedelta(seconds=0.01), swallow)])
    task = asyncio.create_task(worker.run(server.program.services, server.settings))
    await begun.wait()
    task.cancel()
    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await task
