"""Connections: who finds none is told to come back, and what must go on has its own."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
import sqlalchemy as sa

from models.database import CONNECTIONS, SERVER_SETTINGS, Database
from models.errors import Overloaded
from models.viewer import Viewer
from resolvers import messages
from resolvers.services import utc_now
from schema.ids import Kind, decode
from tests.house.checkout import ROOT
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


FREEZES = """
import asyncio, sys, uuid
from models import chats
from models.database import Database

async def hold(url, chat_id):
    async with Database(url).writing() as connection:
        await chats.lock(connection, [uuid.UUID(chat_id)])
        print("locked", flush=True)
        await asyncio.sleep(3600)

asyncio.run(hold(*sys.argv[1:]))
"""


@pytest.mark.slow
async def test_what_a_frozen_node_has_locked_is_free_again_before_sends_give_up(postgres_world):
    world = postgres_world
    ana = await world.person("ana")
    held, free = await world.group(ana), await world.group(ana)
    node = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FREEZES, world.url, held.id.hex, cwd=ROOT, stdout=PIPE
    )
    try:
        assert node.stdout
        assert await node.stdout.readline() == b"locked\n"
        node.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(world.send(ana, held))
        while not waiting.done():
            await world.send(ana, free)  # others are not held up
        assert (await waiting).seq == 1
    finally:
        node.kill()
        await node.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a system may not have them all")
async def test_postgresql_is_told_to_give_up_on_a_node_that_is_gone(postgres_url):
    db = Database(postgres_url)
    try:
        async with db.reading() as connection:
            for name, value in SERVER_SETTINGS.items():
                shown = (await connection.execute(sa.text(f"SHOW {name}"))).scalar_one()
                assert shown == value
    finally:
        await db.close()
