"""Sockets of a session that has ended are closed, also when nobody says that it has."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from models import sessions
from models.base import new_key
from realtime import session_watch
from resolvers.services import utc_now


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(session_watch, "CHECK_INTERVAL", 0.05)


async def end(db, how):
    """End every session as another process might, which tells nobody."""
    table, past = sessions.sessions, utc_now() - timedelta(seconds=1)
    change = {
        "revoked": table.update().values(revoked_at=past),
        "expired": table.update().values(expires_at=past),
        "deleted": table.delete(),
    }[how]
    async with db.writing() as connection:
        await connection.execute(change)


@pytest.mark.parametrize("how", ["revoked", "expired", "deleted"])
async def test_sockets_of_a_session_that_ended_elsewhere_are_closed(server, how):
    ana = await server.registered("ana")
    async with ana.socket() as one, ana.socket() as other, server.person().socket() as nobodys:
        await end(server.program.services.db, how)
        assert await one.closed() == (4403, "The session has ended")
        assert await other.closed() == (4403, "The session has ended")
        await nobodys.subscribe("still", "{ server { name } }")
        assert (await nobodys.receive())["type"] == "next"
    answer = await ana.run("{ viewer { email } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_sockets_are_closed_also_when_the_database_was_away_meanwhile(postgres_server):
    postgres, server = postgres_server
    ana = await server.registered("ana")
    async with ana.socket() as socket:
        await end(server.program.services.db, "revoked")
        postgres.kill()
        postgres.start()
        assert (await socket.closed())[0] == 4403


async def test_more_sessions_can_be_asked_about_than_a_statement_takes_parameters(server):
    await server.registered("ana")
    db = server.program.services.db
    async with db.reading() as connection:
        (mine,) = (await connection.execute(sa.select(sessions.sessions.c.id))).scalars()
        asked = [new_key() for _ in range(40_000)] + [mine]
        assert await sessions.live_among(connection, asked, utc_now()) == {mine}
