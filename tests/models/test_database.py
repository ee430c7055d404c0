"""Connections: who finds none is told to come back, and what must go on has its own."""

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from models.database import CONNECTIONS, Database
from models.errors import Overloaded
from models.viewer import Viewer
from resolvers import messages
from resolvers.services import utc_now
from schema.ids import Kind, decode
from tests.parts.running import running


async def hold_every_connection(stack, db):
    for _ in range(CONNECTIONS):
        await stack.enter_async_context(db.reading())


async def test_while_requests_hold_every_connection_events_arrive_and_the_node_is_ready(server):
    ana, ben = await server.registered("ana"), await server.registered("ben")
    chat_id = await ana.group("Talk", ben)
    services = server.program.services
    user_id = decode(Kind.USER, ana.user_id)
    async with ben.listening() as socket, AsyncExitStack() as stack:
        await hold_every_connection(stack, services.db)
        await messages.send(
            services,
            Viewer(user_id, user_id, utc_now()),
            chat_id=decode(Kind.CHAT, chat_id),
            text="all the same",
            client_message_id=uuid4(),
        )
        assert (await socket.next())["message"]["text"] == "all the same"
        assert (await ana.get("/readyz")).json()["status"] == "ok"


async def test_who_finds_no_connection_is_told_that_the_server_is_busy(
    migrated_database_url, monkeypatch
):
    monkeypatch.setattr("models.database.TURN_TIMEOUT", 0.05)
    async with running(migrated_database_url) as server:
        ana = await server.registered("ana")
        monkeypatch.setattr("server.authentication.RECHECK_AFTER", 0)
        async with AsyncExitStack() as stack:
            await hold_every_connection(stack, server.program.services.db)
            for query in ("{ viewer { unreadCount } }", "{ viewer { cursor } }"):
                answer = await ana.run(query)
                codes = {error["extensions"]["code"] for error in answer["errors"]}
                assert codes == {"OVERLOADED"}
            async with ana.socket(init=False) as socket:
                await socket.send(
                    type="connection_init", payload={"authorization": f"Bearer {ana.token}"}
                )
                assert (await socket.closed())[0] == 1013
        assert await ana.ask("{ viewer { unreadCount } }") == {"viewer": {"unreadCount": 0}}


async def test_too_many_connections_for_postgresql_mean_that_the_server_is_busy(postgres):
    guest = f"guest_{uuid4().hex}"
    postgres.sql(f"CREATE ROLE {guest} LOGIN CONNECTION LIMIT 1")
    db = Database(postgres.url("postgres").replace("hubbub@", f"{guest}@"))
    try:
        async with db.reading():
            with pytest.raises(Overloaded):
                async with db.reading():
                    pass
        await db.ping()
    finally:
        await db.close()
        postgres.sql(f"DROP ROLE {guest}")
