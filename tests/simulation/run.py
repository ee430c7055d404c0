"""One run: chaos as its seed has it, then health, then last words that everybody has to hear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from types import ModuleType
from typing import Any
from uuid import UUID

import structlog

from models.users import User
from realtime import feed, hub, mailbox
from realtime.tailer import POLL_INTERVAL
from tests.simulation import rules
from tests.simulation.chances import Chances, Kind
from tests.simulation.clock import VirtualLoop, now
from tests.simulation.database import BEGINNING, Database
from tests.simulation.devices import Device
from tests.simulation.nemeses import Nemesis
from tests.simulation.node import Node, NumberedSubscription, place
from tests.simulation.world import World
from tests.simulation.writers import Writer

NAMES = ("ana", "ben", "cleo", "dan")
PATIENCE = 240.0  # seconds for everybody to be told what they missed, once nothing goes wrong
LAG = POLL_INTERVAL + 0.1  # seconds from a commit to a device that is live, without any doorbell
ROOMY = 64  # events in a mailbox, from then on
LAST_WORDS = 3  # rounds of messages at the end


def simulate(seed: int, kind: Kind, **changed: Any) -> World:
    """Run a seed, and return what happened; `problems` says what must not have.

    What is `changed` of its chances is as given, whatever the seed has.
    """
    chances = replace(Chances.of(Random(f"{kind} {seed}")), **changed)
    with asyncio.Runner(loop_factory=VirtualLoop) as runner, _limits(chances):
        return runner.run(_run(seed, kind, chances))


async def _run(seed: int, kind: Kind, chances: Chances) -> World:
    world = World(seed, chances, Database(kind, Random(f"{seed} database")))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: world.problem(str(context.get("exception") or context["message"]))
    )
    world.act_as("world")
    people = [_person(world, name) for name in NAMES[: chances.people]]
    world.nodes = [Node(world, f"node {number + 1}") for number in range(chances.nodes)]
    devices = [
        Device(world, f"{world.name(people[n % len(people)])}/{n + 1}", people[n % len(people)])
        for n in range(chances.devices)
    ]
    writers = [Writer(world, f"writer {number + 1}") for number in range(chances.writers)]
    with _the_products_own_log(world):
        await writers[0].begin()
        for node in world.nodes:
            node.start()
        listening = [asyncio.create_task(device.run()) for device in devices]
        harm = asyncio.create_task(Nemesis(world, devices).run())
        try:
            await _all([asyncio.create_task(writer.run()) for writer in writers])
            harm.cancel()
            await asyncio.wait([harm])
            await _heal(world, devices)
            if await _caught_up(world, devices):
                await _last_words(world, writers[0], devices)
                await _caught_up(world, devices)
        finally:
            for task in listening:
                task.cancel()
            await asyncio.wait(listening)
            for node in world.nodes:
                await node.stop()
        for task in listening:
            if not task.cancelled() and (error := task.exception()):
                world.problem(f"a device failed: {error!r}")
    _judge(world, devices)
    return world


def _person(world: World, name: str) -> UUID:
    user_id = world.db.new_key()
    world.names[user_id] = name
    world.db.users[user_id] = User(user_id, name, name, None, False, BEGINNING)
    return user_id


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


async def _heal(world: World, devices: list[Device]) -> None:
    """From here on nothing goes wrong, except that the bell may be as deaf as it was."""
    world.note("world", "is well from here on")
    world.calm.set()
    mailbox.MAILBOX = ROOMY
    hub.IDLE = 60.0
    for node in world.nodes:
        if not node.running:
            node.start()


async def _caught_up(world: World, devices: list[Device]) -> bool:
    """Wait until every device is live and knows everything; False if that takes too long."""
    deadline, nap = now() + PATIENCE, 0.03
    while True:
        await asyncio.sleep(nap)  # first of all: what hung ends now
        late = [device for device in devices if not _up_to_date(world, device)]
        if not late:
            break
        if now() > deadline:
            for device in late:
                world.problem(f"{device.name} does not catch up")
            return False
        nap = min(2 * nap, 1.0)
    world.note("world", "has told everybody everything")
    return True


def _up_to_date(world: World, device: Device) -> bool:
    listening = device.listening
    return listening is not None and device.live and rules.complete(world, listening)


async def _last_words(world: World, writer: Writer, devices: list[Device]) -> None:
    """Say something in every chat; whoever reads hears it within `LAG`, if others do or not."""
    devices[0].frozen = world.chances.freezes
    closed_before = {device.name: len(device.closings) for device in devices}
    said_from = len(world.db.life.history)
    for _ in range(LAST_WORDS):
        for chat_id, state in world.db.chats.items():
            if any(stay.left_seq is None for stay in state.stays):
                await writer.send(chat_id)
    await asyncio.sleep(LAG)
    for device in devices:
        if device.frozen:
            device.frozen = False
            device.cut()
            continue
        listening = device.listening
        if len(device.closings) > closed_before[device.name] or listening is None:
            world.problem(f"{device.name} was closed although nothing was wrong")
            continue
        at = {place(each.event): each.at for each in listening.heard}
        for row in rules.due(world, listening, since=said_from):
            lag = at.get(row.place, now() + 1) - row.committed_at
            if lag > LAG:
                world.problem(f"{device.name} did not hear {row.event.kind} in time")


def _judge(world: World, devices: list[Device]) -> None:
    for device in devices:
        for listening in device.listenings:
            for problem in rules.broken(world, listening):
                world.problem(problem)
    for each in world.hubs:
        if each.subscribers or each._by_user or each._by_chat:
            world.problem("a hub still knows somebody, though everybody is gone")


@contextmanager
def _limits(chances: Chances) -> Iterator[None]:
    """Inside the block the product's constants are such that a short run gets to feel them."""
    values: list[tuple[ModuleType, str, object]] = [
        (mailbox, "MAILBOX", chances.mailbox),
        (feed, "PAGE", chances.page),
        (feed, "MAX_ROUNDS", chances.rounds),
        (hub, "IDLE", chances.idle),
        (hub, "EventSubscription", NumberedSubscription),
    ]
    before = [getattr(module, name) for module, name, _ in values]
    try:
        for module, name, value in values:
            setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(values, before, strict=True):
            setattr(module, name, value)


@contextmanager
def _the_products_own_log(world: World) -> Iterator[None]:
    """Put what the product logs into the timeline, and nowhere else."""

    def note(_: Any, level: str, entry: MutableMapping[str, Any]) -> Any:
        error = entry.pop("exc_info", None)
        told = {key: value for key, value in entry.items() if key != "event"}
        world.note("log", f"{level} {entry['event']}", told or "", "with an error" * bool(error))
        raise structlog.DropEvent

    # In place: loggers that were used before have bound this very list.
    processors = structlog.get_config()["processors"]
    before = list(processors)
    processors[:] = [note]
    try:
        yield
    finally:
        processors[:] = before
