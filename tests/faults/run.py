"""One run: a world is set up, clients talk while nemeses rage, all heals, the end is noted."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.faults import stored
from tests.faults.checker import check
from tests.faults.clients import Client, Room, World
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.history import Final, Kind, State, Writer, read
from tests.faults.nemeses import Episode, Schedule, Trouble
from tests.faults.verdict import Verdict
from tests.faults.views import views_of
from tests.parts.people import Person

# After the last nemesis everybody should have heard everything soon; who has heard nothing new for
# so long never will. No finding depends on it being short.
QUIET = 15.0  # seconds; the tailer polls every one
SETTLING = 180.0  # seconds, at most
REPLAYS = 2  # devices that are told the whole run again at its end


@dataclass(frozen=True, slots=True)
class Options:
    """What to run; the same options give the same choices, though not the same timing."""

    seconds: float = 60
    nodes: int = 3
    clients: int = 50
    seed: int = 1
    rate: float = 250  # doings per second, of all clients together, at most
    pause: float = 5  # seconds between two nemeses of a lane, about
    hardness: float = 1.0
    fault: str = ""  # planted in the nodes
    only: frozenset[str] = frozenset()  # these nemeses


@dataclass
class Run:
    """A run while it goes on, for the display, and what came of it."""

    options: Options
    directory: Path
    history: Writer
    phase: str = "starting"
    schedule: Schedule | None = None
    verdict: Verdict | None = None
    timeline: list[tuple[float, int, int]] = field(default_factory=list)  # time, sends, receives
    healed_at: float = 0.0

    @property
    def episodes(self) -> list[Episode]:
        return self.schedule.episodes if self.schedule else []


async def run(run_: Run) -> Verdict:
    """Carry out a run and return the verdict; its files are in the run's directory."""
    options, history = run_.options, run_.history
    rng = random.Random(options.seed)
    async with running_cluster(run_.directory, options.nodes, options.fault) as cluster:
        run_.phase = "setting up"
        world = World(cluster.proxies, history, rate=options.rate / options.clients)
        async with contextlib.AsyncExitStack() as stack:
            people = await _people(cluster, options.clients, stack, world)
            await _rooms(world, people, rng)
            final = await _talk(run_, cluster, world, people, rng)
    run_.phase = "checking"
    history.close()
    final.write(run_.directory / "final.json")
    run_.verdict = await asyncio.to_thread(check, read(history.path), final)
    run_.phase = "done"
    return run_.verdict


async def _people(
    cluster: Cluster, count: int, stack: contextlib.AsyncExitStack, world: World
) -> list[Person]:
    people = [Person(cluster.nodes[n % len(cluster.nodes)].url) for n in range(count)]
    for person in people:
        stack.push_async_callback(person.close)
    for n, person in enumerate(people):
        await person.register(f"u{n:03}")
        world.user_ids[person.handle] = person.user_id
    return people


async def _rooms(world: World, people: list[Person], rng: random.Random) -> None:
    """Start about as many groups as half the people, of two to eight; and one of nearly all."""
    sizes = [rng.randint(2, min(8, len(people))) for _ in range(max(2, len(people) // 2))]
    for n, size in enumerate([*sizes, min(len(people), 20)]):
        members = rng.sample(people, size)
        name = f"c{n:03}"
        id_ = await members[0].group(name, *members[1:])
        world.rooms[id_] = Room(name, id_, members[0].handle, [each.handle for each in members])


async def _talk(
    run_: Run, cluster: Cluster, world: World, people: list[Person], rng: random.Random
) -> Final:
    options = run_.options
    clients = [Client(world, person, random.Random(rng.random())) for person in people]
    replays = [Client(world, people[n], random.Random(0), "/replay") for n in range(REPLAYS)]
    for client, person in zip([*clients, *replays], [*people, *people[:REPLAYS]], strict=True):
        client.cursor = (await person.ask("{ viewer { cursor } }"))["viewer"]["cursor"]
        client.inside = {id_ for id_, room in world.rooms.items() if client.handle in room.roster}
    connection = await cluster.connect()
    start = await stored.last_events(connection)
    await connection.close()

    listening = [asyncio.create_task(client.listen()) for client in clients]
    working = [asyncio.create_task(client.work()) for client in clients]
    watching = asyncio.create_task(_sample(run_))
    run_.schedule = Schedule(
        Trouble(cluster, world, rng, options.hardness), options.pause, options.only
    )
    trouble = asyncio.create_task(run_.schedule.run())
    try:
        run_.phase = "talking"
        await _sleep_unless_ended(options.seconds, [trouble, *listening, *working])
        run_.phase = "healing"
        run_.schedule.stopped = True
        await trouble
        await cluster.heal()
        run_.healed_at = run_.history.now
        # After a rolling restart all are on one node: spread them, or nobody would need the others.
        for proxy in cluster.proxies:
            proxy.cut_all()
        await asyncio.sleep(3)  # talk once more with everything healed, then fall silent
        world.stopped = True
        _, cut_off = await asyncio.wait(working, timeout=SETTLING)
        cluster.deaths += [f"{len(cut_off)} clients found no node any more"] if cut_off else []
        run_.phase = "settling"
        return await _settled(run_, cluster, world, clients, replays, start)
    finally:
        tasks = [*listening, *working, watching, trouble]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _sleep_unless_ended(seconds: float, tasks: list[asyncio.Task[None]]) -> None:
    """Sleep; a client or a nemesis that ends by itself is a bug of the harness, and raised."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _sample(run_: Run) -> None:
    while True:
        history = run_.history
        sends = history.count(Kind.SEND, State.OK)
        run_.timeline.append((history.now, sends, history.count(Kind.RECEIVE, State.OK)))
        await asyncio.sleep(1)


async def _settled(
    run_: Run,
    cluster: Cluster,
    world: World,
    clients: list[Client],
    replays: list[Client],
    start: dict[str, int],
) -> Final:
    """Wait until everybody has heard everything, and note how it ended.

    Then some people's second devices are told all of the run from its start, once more.
    """
    connection = await cluster.connect()
    replaying: list[asyncio.Task[None]] = []
    try:
        # Who subscribes anew rings the bell for all on the node: it has to be told by now.
        silent = await _until_heard(run_, connection, clients, start)
        run_.phase = "replaying"
        replaying = [asyncio.create_task(client.listen()) for client in replays]
        await _until_heard(run_, connection, [*clients, *replays], start)
        final = Final(
            users=[client.name for client in [*clients, *replays]],
            start=start,
            log=await stored.whole_log(connection),
            messages=await stored.whole_messages(connection),
            stays=await stored.all_stays(connection),
            problems=[*cluster.deaths, *silent],
        )
    finally:
        for task in replaying:
            task.cancel()
        await asyncio.gather(*replaying, return_exceptions=True)
        await connection.close()
    run_.phase = "reading histories"
    final.views.extend(await views_of(clients, world, final, cluster))
    return final


async def _until_heard(
    run_: Run, connection: asyncpg.Connection, clients: list[Client], start: dict[str, int]
) -> list[str]:
    """Return when everybody has heard everything, or nobody hears anything any more.

    What is returned says who has not been told what.
    """
    missing: list[str] = []
    for _ in _patiently(lambda: run_.history.count(Kind.RECEIVE, State.OK)):
        last = await stored.last_events(connection)
        due: dict[str, list[tuple[str, int]]] = {}
        for stay in await stored.all_stays(connection):
            seq = stay.left or last[stay.chat]
            if seq > start[stay.chat]:
                due.setdefault(stay.user, []).append((stay.chat, seq))
        missing = [
            f"{client.name} was not told event {seq} of {chat} before all fell silent"
            for client in clients
            for chat, seq in due.get(client.handle, ())
            if client.last_heard.get(chat, 0) < seq
        ]
        if not missing:
            break
        await asyncio.sleep(0.25)
    return missing


def _patiently(progress: Callable[[], int]) -> Iterator[None]:
    """Go on while there is progress, and not for ever."""
    deadline = time.monotonic() + SETTLING
    seen, changed = progress(), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() < changed + QUIET:
        yield
        if progress() != seen:
            seen, changed = progress(), time.monotonic()
