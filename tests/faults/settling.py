"""The end of a run: wait until everybody has heard everything, and note how it all stands."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

import asyncpg

from tests.faults import stored
from tests.faults.clients import Device
from tests.faults.cluster import Cluster
from tests.faults.history import Final, Kind, State, Writer
from tests.faults.views import views_of
from tests.faults.world import World

SETTLING = 900.0  # seconds, at most: a device may have all of the run to hear again


async def settled(
    history: Writer,
    cluster: Cluster,
    world: World,
    devices: Sequence[Device],
    replays: Sequence[Device],
    *,
    start: dict[str, int],
    quiet: float,
    now_in: Callable[[str], None],
) -> Final:
    """Wait until everybody has heard everything, and note how it ended.

    Then some people's second devices are told all of the run from its start, once more. Who hears
    nothing for `quiet` seconds is not waited for any more. `now_in` is told of every phase.
    """
    connection = await cluster.connect()
    replaying: list[asyncio.Task[None]] = []
    try:
        now_in("settling")
        # Who subscribes anew rings the bell for all on the node: it has to be told by now.
        untold = await _until_heard(history, connection, devices, start, quiet)
        now_in("replaying")
        replaying = [asyncio.create_task(device.listen()) for device in replays]
        await _until_heard(history, connection, [*devices, *replays], start, quiet)
        now_in("reading the database")
        final = Final(
            users=[device.name for device in [*devices, *replays]],
            start=start,
            log=await stored.whole_log(connection),
            messages=await stored.whole_messages(connection),
            stays=await stored.all_stays(connection),
            scopes={
                device.name: [room.name for room in device.only]
                for device in devices
                if device.only is not None
            },
            problems=list(cluster.deaths),
            untold=untold,
        )
    finally:
        for task in replaying:
            task.cancel()
        await asyncio.gather(*replaying, return_exceptions=True)
        await connection.close()
    now_in("reading histories")
    final.views.extend(await views_of(world, final, cluster))
    return final


async def _until_heard(
    history: Writer,
    connection: asyncpg.Connection,
    devices: Sequence[Device],
    start: dict[str, int],
    quiet: float,
) -> list[str]:
    """Return when everybody has heard everything, or nobody hears anything any more.

    What is returned says who has not been told what.
    """
    missing: list[str] = []
    for _ in _patiently(lambda: history.count(Kind.RECEIVE, State.OK), quiet):
        last = await stored.last_events(connection)
        due: dict[str, list[tuple[str, int]]] = {}
        for stay in await stored.all_stays(connection):
            seq = stay.left or last[stay.chat]
            if seq > start[stay.chat]:
                due.setdefault(stay.user, []).append((stay.chat, seq))
        missing = [
            f"{device.name} was not told event {seq} of {chat} before all fell silent"
            for device in devices
            for chat, seq in due.get(device.handle, ())
            if (device.only is None or chat in {room.name for room in device.only})
            and device.last_heard.get(chat, 0) < seq
        ]
        if not missing:
            break
        await asyncio.sleep(0.25)
    return missing


def _patiently(progress: Callable[[], int], quiet: float) -> Iterator[None]:
    """Go on while there is progress, and not for ever."""
    deadline = time.monotonic() + SETTLING
    seen, changed = progress(), time.monotonic()
    while time.monotonic() < min(deadline, changed + quiet):
        yield
        if progress() != seen:
            seen, changed = progress(), time.monotonic()
