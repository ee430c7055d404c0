"""Keys that sign access tokens: made once, changed without signing anybody out, ended at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from models import signing_keys as stored_keys
from models.database import Database
from resolvers import signing_keys
from server import worker
from tests.parts.hubbub import SECRET_KEY, run_hubbub
from tests.parts.people import PATIENCE, SIGNED_IN
from tests.parts.running import running

HANDLE = "{ viewer { user { handle } } }"


@pytest.fixture
async def nodes(migrated_database_url, monkeypatch):
    """Two nodes that hear of another's keys only when they meet a token of one."""
    monkeypatch.setattr(signing_keys, "READ_INTERVAL", 3600.0)
    monkeypatch.setattr(signing_keys, "LOOK_INTERVAL", 0.0)
    async with running(migrated_database_url) as one, running(migrated_database_url) as other:
        yield one, other


@pytest.fixture
def at_once(monkeypatch):
    """A key that is made signs at once."""
    monkeypatch.setattr(signing_keys, "SIGNS_AFTER", timedelta(0))


def keys_of(node):
    return node.program.services.credentials.signing_keys


def key_id(person):
    """Return the id of the key that signed a person's access token."""
    return jwt.get_unverified_header(person.token)["kid"]


async def rotate(node, **more):
    return await keys_of(node).rotate(datetime.now(UTC), **more)


async def works(person):
    return (await person.run(HANDLE)).get("errors") is None


def bearing(kid):
    """Return a token that names a key and was signed by another one."""
    claims = {"sub": str(uuid4()), "exp": datetime.now(UTC) + timedelta(minutes=5)}
    return jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": kid})


async def test_nodes_that_start_at_once_on_an_empty_database_have_one_key(
    migrated_database_url,
):
    async with (
        running(migrated_database_url) as one,
        running(migrated_database_url) as other,
    ):
        db = one.program.services.db
        async with db.writing() as connection:
            await connection.execute(stored_keys.signing_keys.delete())
        # Both see that there is none, and both make one.
        await asyncio.gather(*(keys_of(node).load() for node in (one, other) * 2))
        async with db.reading() as connection:
            assert len(await stored_keys.stored(connection)) == 1
        now = datetime.now(UTC)
        assert keys_of(one).ring.ids(now) == keys_of(other).ring.ids(now)


async def test_a_change_of_keys_signs_nobody_out(nodes, at_once):
    one = nodes[0]
    ana = await one.registered("ana")
    before = key_id(ana)
    async with ana.listening() as socket:
        new = await rotate(one)
        assert await works(ana)
        ben = await one.registered("ben")
        assert key_id(ben) == new.id != before
        for node in nodes:
            for token in (ana.token, ben.token):
                there = node.person()
                there.token = token
                assert await works(there)
        ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token))
        assert key_id(ana) == new.id
        await ana.group("Still there")
        assert (await socket.next())["__typename"] == "ChatCreated"


async def test_a_new_key_signs_only_once_every_node_had_time_to_learn_it(server):
    before = key_id(await server.registered("ana"))
    new = await rotate(server)
    assert key_id(await server.registered("ben")) == before
    assert new.signs_from - datetime.now(UTC) > timedelta(seconds=50)
    ring = keys_of(server).ring
    assert ring.signing(new.signs_from) == new
    # The last token of the old key is signed just before, and good for a quarter of an hour.
    assert ring.verifying(before, new.signs_from + timedelta(minutes=15)) is not None
    assert ring.verifying(before, new.signs_from + timedelta(minutes=16)) is None


async def test_keys_changed_twice_in_a_row_sign_nobody_out_either(server):
    ana = await server.registered("ana")
    await rotate(server)
    last = await rotate(server)
    assert await works(ana)
    assert await works(await server.registered("ben"))
    assert keys_of(server).ring.signing(last.signs_from) == last


async def test_keys_that_are_changed_at_once_all_come_to_be(nodes):
    made = await asyncio.gather(*(rotate(node) for node in nodes for _ in range(2)))
    assert len({key.number for key in made}) == 4


async def test_a_node_hears_of_a_key_although_nobody_uses_it(migrated_database_url, monkeypatch):
    monkeypatch.setattr(signing_keys, "READ_INTERVAL", 0.01)
    async with running(migrated_database_url) as one, running(migrated_database_url) as other:
        new = await rotate(one)
        async with asyncio.timeout(PATIENCE):
            while keys_of(other).ring.verifying(new.id, datetime.now(UTC)) is None:
                await other.person().get("/healthz")


async def test_tokens_with_made_up_keys_have_the_table_read_once_in_a_while(
    sqlite_server, monkeypatch
):
    read = 0
    reading = stored_keys.stored

    async def counting(connection):
        nonlocal read
        read += 1
        return await reading(connection)

    monkeypatch.setattr(stored_keys, "stored", counting)
    monkeypatch.setattr(signing_keys, "READ_INTERVAL", 3600.0)
    monkeypatch.setattr(signing_keys, "LOOK_INTERVAL", 3600.0)
    keys_of(sqlite_server)._read_at = None
    for number in range(20):
        mallory = sqlite_server.person()
        mallory.token = bearing(f"{number:016x}")
        assert not await works(mallory)
    assert read <= 2  # one of them may be the node's own, that was due


async def test_revoked_keys_end_every_access_token_and_socket_at_once(nodes):
    one, other = nodes
    ana, ben = await one.registered("ana"), await other.registered("ben")
    async with ana.listening() as at_ana, ben.listening() as at_ben:
        new = await rotate(one, revoke=True)
        assert (await at_ana.closed())[0] == 4403
        assert not await works(ana)
        # The other node learns of it by the first token of the new key, if not by itself before.
        ana.take(await ana.done("refreshSession", SIGNED_IN, refreshToken=ana.refresh_token))
        assert key_id(ana) == new.id
        elsewhere = other.person()
        elsewhere.token = ana.token
        assert await works(elsewhere)
        assert (await at_ben.closed())[0] == 4403
    assert not await works(ben)
    ben.take(await ben.done("refreshSession", SIGNED_IN, refreshToken=ben.refresh_token))
    assert await works(ben)


async def test_a_node_with_another_secret_disturbs_nobody(migrated_database_url):
    async with running(migrated_database_url) as one:
        ana = await one.registered("ana")
        async with running(migrated_database_url, secret_key="wrong " * 8) as wrong:
            there = wrong.person()
            there.token = ana.token
            assert not await works(there)
            assert await works(await wrong.registered("ben"))
        await keys_of(one).load()
        assert await works(ana)
        assert key_id(await one.registered("cyd")) == key_id(ana)


async def test_the_worker_deletes_keys_whose_tokens_have_expired(server, at_once):
    ana = await server.registered("ana")
    await rotate(server)
    db: Database = server.program.services.db
    await worker.prune_signing_keys(server.program.services, server.settings)
    assert await works(ana)
    new = await rotate(server, revoke=True)
    await worker.prune_signing_keys(server.program.services, server.settings)
    async with db.reading() as connection:
        assert [key.id for key in await stored_keys.stored(connection)] == [new.id]


async def test_keys_are_changed_from_the_command_line(server, tmp_path):
    def keys(*arguments):
        return run_hubbub(
            "keys",
            *arguments,
            directory=tmp_path,
            HUBBUB_DATABASE_URL=server.settings.database_url,
            HUBBUB_SECRET_KEY=SECRET_KEY,
        ).stdout

    def states():
        states = [line.split("UTC", 1)[1].strip() for line in keys("list").splitlines()[1:]]
        return [state.split(" 20")[0] for state in states]  # without the moment

    ana = await server.registered("ana")
    assert key_id(ana) in keys("list")
    assert states() == ["signs"]
    assert "signs from 20" in keys("rotate")
    assert states() == ["signs", "signs from"]
    assert "no longer good" in keys("rotate", "--revoke")
    assert states() == ["ended", "ended", "signs"]
    await keys_of(server).load()
    assert not await works(ana)


async def test_no_key_is_stored_that_could_sign(server):
    signing = keys_of(server).ring.signing(datetime.now(UTC))
    async with server.program.services.db.reading() as connection:
        (stored,) = await stored_keys.stored(connection)
    assert signing.secret not in (stored.salt, stored.id.encode())
    assert signing.secret.hex() not in repr(signing)
    assert repr(signing.secret) not in repr(signing)
