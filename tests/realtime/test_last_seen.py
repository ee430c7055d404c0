"""When a session was last seen: by requests and by sockets, without a write for each."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa

from models import sessions
from realtime import last_seen
from realtime.sockets import Sockets
from tests.parts.running import running

LAST_SEEN = "{ viewer { session { lastSeenAt } } }"


async def age(server, by):
    """Let every session have been seen so much longer ago."""
    async with server.program.services.db.writing() as connection:
        await connection.execute(sessions.sessions.update().values(last_seen_at=NOW - by))


async def seen_ago(person):
    """Return how long before the test a person's session was seen, as they are told."""
    told = (await person.ask(LAST_SEEN))["viewer"]["session"]["lastSeenAt"]
    return NOW - datetime.fromisoformat(told)


NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


async def test_a_session_that_asks_has_been_seen(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    await age(server, HOUR)
    await ana.ask(LAST_SEEN)
    await server.program.services.node.last_seen.write(NOW)
    assert await seen_ago(ana) == timedelta(0)
    assert await seen_ago(ben) == HOUR  # had asked nothing until then


async def test_a_session_with_a_socket_has_been_seen_although_it_asks_nothing(server):
    ana = await server.registered("ana")
    async with ana.listening():
        await server.program.services.node.last_seen.write(NOW)
        await age(server, HOUR)
        await server.program.services.node.last_seen.write(NOW)
        assert await seen_ago(ana) == timedelta(0)


async def test_what_was_seen_a_moment_ago_is_not_written_again(server):
    ana = await server.registered("ana")
    await age(server, timedelta(minutes=2))
    await ana.ask(LAST_SEEN)
    await server.program.services.node.last_seen.write(NOW)
    assert await seen_ago(ana) == timedelta(minutes=2)


async def test_any_number_of_requests_between_is_one_statement(sqlite_server, monkeypatch):
    marked = []
    mark = sessions.mark_seen

    async def counting(connection, ids, *arguments, **more):
        marked.append(len(ids))
        await mark(connection, ids, *arguments, **more)

    monkeypatch.setattr(sessions, "mark_seen", counting)
    ana, ben = await sqlite_server.registered("ana"), await sqlite_server.registered("ben")
    for _ in range(10):
        await ana.ask(LAST_SEEN)
        await ben.ask(LAST_SEEN)
    assert marked == []
    await sqlite_server.program.services.node.last_seen.write(NOW)
    assert marked == [2]


async def test_a_session_that_has_ended_is_seen_no_more(server):
    ana, other = await server.registered("ana"), server.person()
    await other.log_in("ana")
    await other.ask(LAST_SEEN)
    await other.ask("mutation { logOut { errors { code } } }")
    await age(server, HOUR)
    await ana.ask(LAST_SEEN)
    await server.program.services.node.last_seen.write(NOW)
    async with server.program.services.db.reading() as connection:
        seen = await connection.execute(
            sa.select(sessions.sessions.c.last_seen_at).order_by(sessions.sessions.c.id)
        )
        assert list(seen.scalars()) == [NOW, NOW - HOUR]


async def test_what_could_not_be_written_is_the_next_time(server, monkeypatch):
    ana = await server.registered("ana")
    await age(server, HOUR)
    await ana.ask(LAST_SEEN)

    async def failing(*_, **__):
        raise ConnectionError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(sessions, "mark_seen", failing)
        with pytest.raises(ConnectionError):
            await server.program.services.node.last_seen.write(NOW)
    await server.program.services.node.last_seen.write(NOW)
    assert await seen_ago(ana) == timedelta(0)


async def test_two_nodes_that_have_seen_the_same_do_not_wait_for_each_other(
    migrated_postgresql_url,
):
    async with running(migrated_postgresql_url) as server:
        for handle in ("ana", "ben", "cyd"):
            await server.registered(handle)
        await age(server, HOUR)
        db = server.program.services.db
        async with db.reading() as connection:
            ids = list((await connection.execute(sa.select(sessions.sessions.c.id))).scalars())
        async with db.writing() as one, db.writing() as other:
            await sessions.mark_seen(one, ids[:2], NOW, unless_since=NOW)
            await sessions.mark_seen(other, ids[::-1], NOW, unless_since=NOW)


def test_no_more_is_kept_than_memory_is_meant_for(monkeypatch):
    monkeypatch.setattr(last_seen, "MAX_NOTED", 3)
    seen = last_seen.LastSeen(None, Sockets())  # type: ignore[arg-type]
    for number in range(10):
        seen.note(UUID(int=number))
    assert len(seen._noted) == 3
