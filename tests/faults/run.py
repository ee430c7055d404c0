"""One run: a world is set up, clients talk while nemeses rage, all heals, the end is noted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import check
from tests.faults.clients import Device
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.doings import Client
from tests.faults.goals import Goal, Goals
from tests.faults.history import Final, Kind, State, Writer, read
from tests.faults.nemeses import Episode, Nemesis, Schedule, Trouble
from tests.faults.settling import SETTLING, Settling, Start
from tests.faults.verdict import Verdict
from tests.faults.world import Room, World
from tests.parts.people import Person

# After the last nemesis everybody should have heard everything soon; who has heard nothing new for
# so long never will. No finding depends on it being short.
QUIET = 15.0  # seconds; the tailer polls every one
CALM = 3.0  # seconds of talking with everything healed, before all fall silent
NARROW = 5  # devices that listen to some of their person's chats only


@dataclass(frozen=True, slots=True)
class Options:
    """What to run; the same options give the same choices, though not the same timing."""

    seconds: float = 60
    nodes: int = 3
    clients: int = 50
    seed: int = 1
    rate: float = 320  # doings per second, of all clients together, at most
    pause: float = 5  # seconds between two nemeses of a lane, about
    hardness: float = 1.0
    quiet: float = QUIET
    replays: int = 2  # devices that are told the whole run again at its end
    fault: str = ""  # planted in the nodes
    only: frozenset[str] = frozenset()  # these nemeses
    once: Nemesis | None = None  # this one alone, once, after some seconds
    once_after: float = 0
    mute: frozenset[int] = frozenset()  # nodes through which people only listen
    goals: Goals = field(default_factory=Goals)


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
    loads: list[float] = field(default_factory=list)  # the machine's, each second
    talking_since: float = 0.0
    healed_at: float = 0.0

    @property
    def episodes(self) -> list[Episode]:
        """Every time that a nemesis struck."""
        return self.schedule.episodes if self.schedule else []

    @property
    def strikes(self) -> Counter[str]:
        """How often each nemesis struck and was healed; also those that did not yet."""
        return self.schedule.strikes if self.schedule else Counter()

    @property
    def sends(self) -> int:
        """How many sends were acknowledged."""
        return self.history.count(Kind.SEND, State.OK)

    @property
    def goals(self) -> list[Goal]:
        """The goals that were set, and how far the run came."""
        return self.options.goals.of(self.history.counts, self.strikes)

    def enter(self, phase: str) -> None:
        """Say what the run is about now."""
        self.phase = phase


async def run(run_: Run) -> Verdict:
    """Carry out a run and return the verdict; its files are in the run's directory."""
    options, history = run_.options, run_.history
    rng = random.Random(options.seed)
    async with running_cluster(run_.directory, options.nodes, options.fault) as cluster:
        run_.enter("setting up")
        rate = options.rate / options.clients
        world = World(cluster.proxies, history, rate=rate, mute=options.mute)
        async with contextlib.AsyncExitStack() as stack:
            people = await _people(cluster, options.clients, stack, world)
            await _rooms(world, people, rng)
            final = await _talk(run_, cluster, world, people, rng)
    run_.enter("checking")
    history.close()
    final.write(run_.directory / "final.json")
    run_.verdict = await asyncio.to_thread(check, read(history.path), final)
    run_.enter("done")
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


def _narrow(world: World, people: Sequence[Person], rng: random.Random) -> list[Device]:
    """Return devices that listen to chats which their person owns, and so is always in."""
    devices: list[Device] = []
    for person in people:
        owned = [room for room in world.rooms.values() if room.owner == person.handle]
        if owned and len(devices) < NARROW:
            only = rng.sample(owned, rng.randint(1, len(owned)))
            devices.append(Device(world, person, random.Random(rng.random()), "/narrow", only))
    return devices


async def _talk(
    run_: Run, cluster: Cluster, world: World, people: list[Person], rng: random.Random
) -> Final:
    options = run_.options
    clients = [Client(world, person, random.Random(rng.random())) for person in people]
    narrow = _narrow(world, people, rng)
    replays = [
        Device(world, people[n], random.Random(0), "/replay") for n in range(options.replays)
    ]
    whose = {person.handle: person for person in people}
    for device in [*clients, *narrow, *replays]:
        viewer = (await whose[device.handle].ask("{ viewer { cursor } }"))["viewer"]
        device.cursor = viewer["cursor"]
        device.inside = {id_ for id_, room in world.rooms.items() if device.handle in room.roster}
    start = await Start.read(cluster)
    run_.talking_since = run_.history.now
    listening = [asyncio.create_task(device.listen()) for device in [*clients, *narrow]]
    working = [asyncio.create_task(client.work()) for client in clients]
    watching = asyncio.create_task(_sample(run_))
    run_.schedule = Schedule(
        Trouble(cluster, world, rng, options.hardness), options.pause, options.only
    )
    trouble = asyncio.create_task(
        run_.schedule.run_once(options.once, options.once_after)
        if options.once
        else run_.schedule.run()
    )
    try:
        run_.enter("talking")
        await _sleep_unless_ended(options.seconds, [trouble, *listening, *working])
        run_.enter("healing")
        run_.schedule.stop()
        await trouble
        await cluster.heal()
        run_.healed_at = run_.history.now
        # After a rolling restart all are on one node: spread them, or nobody would need the others.
        for proxy in cluster.proxies:
            proxy.cut_all()
        await asyncio.sleep(CALM)
        world.stopped = True
        done, cut_off = await asyncio.wait(working, timeout=SETTLING)
        for task in done:
            task.result()
        cluster.deaths += [f"{len(cut_off)} clients found no node any more"] if cut_off else []
        settling = Settling(run_.history, cluster, world, start, options.quiet)
        return await settling.settled([*clients, *narrow], replays, run_.enter)
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
        run_.timeline.append((history.now, run_.sends, history.count(Kind.RECEIVE, State.OK)))
        run_.loads.append(os.getloadavg()[0])
        await asyncio.sleep(1)
