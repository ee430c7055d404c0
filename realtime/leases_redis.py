"""Leases in Redis, which lets go of them by itself.

One hash per start of a node, which expires as a whole:

    hubbub:lease:<run>    node, started, version, sockets, people
                          u:<person>    the person's sessions there, as JSON
                          s:<session>   the session's person
    hubbub:leases         the set of runs; one whose hash has expired is dropped by the next reader

So a killed node leaves nothing behind that somebody had to clean up, and looking somebody up costs
one field per running node.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import WatchError

from models.leases import Found, HeldSession, Lease
from realtime.leases import Changes

T = TypeVar("T")

RUNS = "hubbub:leases"
CONNECTIONS = 8  # at most; a node writes with one, the others are for who asks
TIMEOUT = 2.0  # seconds for connecting, and for every answer
AT_ONCE = 500  # people in one command: others get their turn in between, here and in Redis
_LEASE_FIELDS = ("node", "started", "version", "sockets", "people")


class RedisLeases:
    """Keeps leases in the Redis that carries the bus."""

    def __init__(self, url: str) -> None:
        """Connect on first use."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            decode_responses=True,
            # Once more, on a new connection: the one in the pool may be from before a restart.
            retry=Retry(NoBackoff(), 1),
        )
        self._redis = Redis.from_pool(pool)

    async def begin(
        self, lease: Lease, people: Mapping[UUID, Sequence[HeldSession]], *, lasts: float
    ) -> None:
        # Beside the old one, which nobody shall find half empty meanwhile.
        key = f"{_key(lease.run)}:new"
        await self._redis.delete(key)
        await self._hold(key, people, lasts)
        async with self._redis.pipeline(transaction=True) as commands:
            _renew(commands, key, lease, lasts)
            commands.rename(key, _key(lease.run))
            await commands.execute()

    async def renew(self, lease: Lease, changes: Changes, *, lasts: float) -> bool:
        key = _key(lease.run)
        await self._hold(key, changes.people, lasts)
        nobody = [f"u:{user_id.hex}" for user_id, held in changes.people.items() if not held]
        for some in _parts([*nobody, *(f"s:{session_id.hex}" for session_id in changes.gone)]):
            await self._redis.hdel(key, *some)
        # Last, so that a version stands for everything up to it.
        async with self._redis.pipeline(transaction=True) as commands:
            commands.hget(key, "version")
            _renew(commands, key, lease, lasts)
            stored, *_ = await commands.execute()
        return stored is not None and int(stored) == lease.version - 1

    async def end(self, run: UUID) -> None:
        async with self._redis.pipeline(transaction=True) as commands:
            commands.delete(_key(run))
            commands.srem(RUNS, run.hex)
            await commands.execute()

    async def nodes(self) -> list[Lease]:
        found = await self._fields(await self._runs(), _LEASE_FIELDS)
        if expired := [run for run, fields in found if None in fields]:
            await self._drop(expired)
        leases = [_lease(run, *fields) for run, fields in found if None not in fields]
        return sorted(leases, key=lambda lease: lease.node_id)

    async def of_people(self, user_ids: Collection[UUID]) -> list[Found]:
        if not user_ids:
            return []
        found = []
        asked = ["node", *(f"u:{user_id.hex}" for user_id in user_ids)]
        for run, (node, *people) in await self._fields(await self._runs(), asked):
            if node is not None:
                for user_id, sessions in zip(user_ids, people, strict=True):
                    found += [Found(run, node, each) for each in _read(user_id, sessions)]
        return sorted(found, key=lambda each: each.held.since)

    async def of_session(self, session_id: UUID) -> list[Found]:
        holders = await self._fields(await self._runs(), [f"s:{session_id.hex}"])
        user_ids = {UUID(user_id) for _, (user_id,) in holders if user_id is not None}
        found = await self.of_people(user_ids)
        return [each for each in found if each.held.session_id == session_id]

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)

    async def _hold(
        self, key: str, people: Mapping[UUID, Sequence[HeldSession]], lasts: float
    ) -> None:
        for some in _parts([user_id for user_id, sessions in people.items() if sessions]):
            values: dict[Any, Any] = {}
            for user_id in some:
                values[f"u:{user_id.hex}"] = _written(people[user_id])
                for each in people[user_id]:
                    values[f"s:{each.session_id.hex}"] = user_id.hex
            async with self._redis.pipeline(transaction=True) as commands:
                commands.hset(key, mapping=values)
                commands.pexpire(key, int(lasts * 1000))
                await commands.execute()

    async def _runs(self) -> list[UUID]:
        runs: Collection[Any] = await self._redis.smembers(RUNS)
        return [UUID(run) for run in runs]

    async def _drop(self, runs: Sequence[UUID]) -> None:
        """Take runs whose hashes have expired out of the set, unless they come back meanwhile."""
        async with self._redis.pipeline(transaction=True) as commands:
            with contextlib.suppress(WatchError):
                await commands.watch(*map(_key, runs))
                gone = [run.hex for run in runs if not await commands.exists(_key(run))]
                if gone:
                    commands.multi()  # type: ignore[no-untyped-call]
                    commands.srem(RUNS, *gone)
                    await commands.execute()

    async def _fields(
        self, runs: Sequence[UUID], fields: Sequence[str]
    ) -> list[tuple[UUID, list[Any]]]:
        """Return these fields of every run's hash; None for what is not there."""
        if not runs:
            return []
        async with self._redis.pipeline(transaction=False) as commands:
            for run in runs:
                commands.hmget(_key(run), list(fields))
            return list(zip(runs, await commands.execute(), strict=True))


def _renew(commands: Pipeline, key: str, lease: Lease, lasts: float) -> None:
    values: dict[Any, Any] = {
        "node": lease.node_id,
        "started": lease.started_at.timestamp(),
        "version": lease.version,
        "sockets": lease.sockets,
        "people": lease.people,
    }
    commands.hset(key, mapping=values)
    commands.pexpire(key, int(lasts * 1000))
    commands.sadd(RUNS, lease.run.hex)


def _key(run: UUID) -> str:
    return f"hubbub:lease:{run.hex}"


def _written(sessions: Sequence[HeldSession]) -> bytes:
    return orjson.dumps(
        [(each.session_id.hex, each.sockets, each.since.timestamp()) for each in sessions]
    )


def _lease(run: UUID, node_id: str, started: str, version: str, sockets: str, people: str) -> Lease:
    started_at = datetime.fromtimestamp(float(started), UTC)
    return Lease(run, node_id, started_at, int(version), int(sockets), int(people))


def _read(user_id: UUID, sessions: str | None) -> list[HeldSession]:
    if sessions is None:
        return []
    return [
        HeldSession(UUID(session_id), user_id, sockets, datetime.fromtimestamp(since, UTC))
        for session_id, sockets, since in orjson.loads(sessions)
    ]


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]
