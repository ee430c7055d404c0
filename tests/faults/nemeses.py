"""The nemeses: each hurts something, waits, and heals it again. All chance comes from a seed.

They run in lanes, one at a time in each: what happens to nodes, to what nodes store in, and to the
network goes on side by side, as in bad weeks. In a lane, whoever ran least is next.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.cluster import Cluster
from tests.faults.world import World
from tests.parts.hubbub import ORDERLY

Nemesis = Callable[["Trouble"], Awaitable[str]]
PATIENCE = 40.0  # seconds for a node to end in order; it gives requests ten
LANES: dict[str, list[Nemesis]] = {"nodes": [], "stores": [], "network": []}
# Longer pauses where a nemesis is quickly over, so that all strike about equally often.
PAUSES = {"nodes": 0.5, "stores": 1.0, "network": 2.5}


@dataclass
class Trouble:
    """What a nemesis may lay its hands on."""

    cluster: Cluster
    world: World
    rng: random.Random
    hardness: float = 1.0  # stretches how long faults last


@dataclass(slots=True)
class Episode:
    """One nemesis at work."""

    name: str
    lane: str
    began: float
    ended: float | None = None
    note: str = ""


class Schedule:
    """Runs nemeses until it is told to stop."""

    def __init__(self, trouble: Trouble, pause: float, only: frozenset[str] = frozenset()) -> None:
        self._trouble = trouble
        self._pause = pause
        self._only = only
        self._stopping = asyncio.Event()
        self.episodes: list[Episode] = []
        self.strikes: Counter[str] = Counter(dict.fromkeys(only or names(), 0))

    @property
    def active(self) -> list[str]:
        """The nemeses at work now."""
        return [each.name for each in self.episodes if each.ended is None]

    def stop(self) -> None:
        """Let what is at work heal what it hurt, and begin nothing new."""
        self._stopping.set()

    async def run(self) -> None:
        """Return after `stop` was called and every nemesis has healed what it hurt."""
        async with asyncio.TaskGroup() as tasks:
            for lane, nemeses in LANES.items():
                chosen = [each for each in nemeses if not self._only or name_of(each) in self._only]
                if chosen:
                    # Its own, so that other lanes' timing does not change its choices.
                    rng = random.Random(self._trouble.rng.random())
                    tasks.create_task(self._run_lane(lane, chosen, rng))

    async def run_once(self, nemesis: Nemesis, after: float) -> None:
        """Let one nemesis strike after some seconds of peace; return as `run` does."""
        if not await self._stopped_within(after):
            await self._strike("stores", nemesis, self._trouble)
        await self._stopping.wait()

    async def _run_lane(self, lane: str, nemeses: list[Nemesis], rng: random.Random) -> None:
        trouble = Trouble(self._trouble.cluster, self._trouble.world, rng, self._trouble.hardness)
        while not await self._stopped_within(rng.uniform(0.5, 1.5) * self._pause * PAUSES[lane]):
            rarest = min(nemeses, key=lambda each: (self.strikes[name_of(each)], rng.random()))
            await self._strike(lane, rarest, trouble)

    async def _strike(self, lane: str, nemesis: Nemesis, trouble: Trouble) -> None:
        name, history = name_of(nemesis), trouble.world.history
        episode = Episode(name, lane, history.now)
        self.episodes.append(episode)
        try:
            episode.note = await nemesis(trouble)
            self.strikes[name] += 1
        finally:
            episode.ended = history.now

    async def _stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()


def name_of(nemesis: Nemesis) -> str:
    return nemesis.__name__


def names() -> list[str]:
    return [name_of(each) for nemeses in LANES.values() for each in nemeses]


def lane(name: str) -> Callable[[Nemesis], Nemesis]:
    """Put a nemesis into a lane."""

    def register(nemesis: Nemesis) -> Nemesis:
        LANES[name].append(nemesis)
        return nemesis

    return register


# --- nodes ------------------------------------------------------------------------------------


@lane("nodes")
async def kill_node(trouble: Trouble) -> str:
    """Kill -9 a node; its supervisor brings it back."""
    number = trouble.rng.randrange(len(trouble.cluster.nodes))
    node = trouble.cluster.nodes[number]
    await asyncio.to_thread(node.kill)
    await asyncio.sleep(trouble.rng.uniform(0.2, 2) * trouble.hardness)
    await trouble.cluster.start_node(node)
    return f"node {number}"


@lane("nodes")
async def freeze_node(trouble: Trouble) -> str:
    """SIGSTOP a node, so that it holds its sockets and locks, and let it go on later."""
    number = trouble.rng.randrange(len(trouble.cluster.nodes))
    node = trouble.cluster.nodes[number]
    duration = trouble.rng.choice([0.5, 3, 9]) * trouble.hardness
    node.freeze()
    try:
        await asyncio.sleep(duration)
    finally:
        node.thaw()
    return f"node {number} for {duration:g} s"


@lane("nodes")
async def rolling_restart(trouble: Trouble) -> str:
    """SIGTERM one node after the other, each back before the next."""
    for node in trouble.cluster.nodes:
        asked = trouble.world.history.now
        try:
            code = await asyncio.to_thread(node.process.terminate, PATIENCE)
            problem = "" if code in ORDERLY else f"ended with {code}"
        except TimeoutError:  # it has been killed now
            problem = f"lived on for {PATIENCE} s"
        if problem:
            said = f"{node.process.name} {problem} after SIGTERM at {asked:.1f} s"
            trouble.cluster.deaths.append(said)
        await trouble.cluster.start_node(node)
    return ""


# --- stores -----------------------------------------------------------------------------------


@lane("stores")
async def kill_postgres(trouble: Trouble) -> str:
    """Kill -9 PostgreSQL, and start it again."""
    await asyncio.to_thread(trouble.cluster.postgres.kill)
    await asyncio.sleep(trouble.rng.uniform(0, 1) * trouble.hardness)
    await asyncio.to_thread(trouble.cluster.postgres.start)
    return ""


@lane("stores")
async def kill_redis(trouble: Trouble) -> str:
    """Kill -9 Redis, and start it again, empty."""
    duration = trouble.rng.choice([0.2, 2, 8]) * trouble.hardness
    await asyncio.to_thread(trouble.cluster.redis.kill)
    await asyncio.sleep(duration)
    await asyncio.to_thread(trouble.cluster.redis.start)
    return f"for {duration:g} s"


@lane("stores")
async def flush_redis(trouble: Trouble) -> str:
    """Let Redis forget every key."""
    await asyncio.to_thread(trouble.cluster.redis.flush)
    return ""


@lane("stores")
async def slow_transaction(trouble: Trouble) -> str:
    """Hold a chat's row lock in an open transaction that has written, then commit or roll back."""
    duration = trouble.rng.uniform(0.5, 5) * trouble.hardness
    room = trouble.rng.choice(list(trouble.world.rooms.values()))
    connection = await trouble.cluster.connect()
    try:
        transaction = connection.transaction()
        await transaction.start()
        # Writing gives it a transaction id, older than all that commit meanwhile.
        await connection.execute("UPDATE chats SET title = title WHERE title = $1", room.name)
        await asyncio.sleep(duration)
        commits = trouble.rng.random() < 0.5
        await (transaction.commit() if commits else transaction.rollback())
    finally:
        await connection.close()
    return f"on {room.name} for {duration:.1f} s, {'committed' if commits else 'rolled back'}"


# --- network ----------------------------------------------------------------------------------


@lane("network")
async def cut_mid_frame(trouble: Trouble) -> str:
    """Cut some sockets after a few more bytes, so in the middle of a frame."""
    cut = sum(proxy.cut_some(trouble.rng, 0.4, 600) for proxy in trouble.cluster.proxies)
    await asyncio.sleep(1.5)
    return f"{cut} sockets"


@lane("network")
async def swallow_answers(trouble: Trouble) -> str:
    """Cut some sockets between the COMMIT of a send and its answer."""
    lost = sum(proxy.swallow(trouble.rng, 0.4) for proxy in trouble.cluster.proxies)
    await asyncio.sleep(1.5)
    return f"{lost} answers"


@lane("network")
async def herd(trouble: Trouble) -> str:
    """Cut every socket, and let all clients come back at once."""
    trouble.world.hurry = True
    cut = sum(proxy.cut_all() for proxy in trouble.cluster.proxies)
    await asyncio.sleep(2)
    trouble.world.hurry = False
    return f"{cut} sockets"
