"""The end of a run: wait until everybody has heard everything, and note how it all stands."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg

from tests.faults import stored
from tests.faults.clients import Device
from tests.faults.cluster import Cluster
from tests.faults.history import HEARD, Final, State, Writer
from tests.faults.views import views_of
from tests.faults.world import World

SETTLING = 900.0  # seconds, at most: a device may have all of the run to hear again


@dataclass(frozen=True, slots=True)
class Start:
    """Where the log stood when the run began: each chat's last event, and the last row of all."""

    events: dict[str, int]
    row: int

    @classmethod
    async def read(cls, cluster: Cluster) -> Start:
        """Return where the log stands now."""
        connection = await cluster.connect()
        try:
            return cls(await stored.last_events(connection), await stored.last_id(connection))
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Settling:
    """Who has to hear what before a run is over."""

    history: Writer
    cluster: Cluster
    world: World
    start: Start
    quiet: float  # seconds; who has heard nothing new for so long never will

    async def settled(
        self, devices: Sequence[Device], replays: Sequence[Device], now_in: Callable[[str], None]
    ) -> Final:
        """Wait until everybody has heard everything, and return how it ended.

        Then some people's second devices are told all of the run from its start, once more.
        `now_in` is told of every phase.
        """
        connection = await self.cluster.connect()
        replaying: list[asyncio.Task[None]] = []
        everybody = [*devices, *replays]
        try:
            now_in("settling")
            # Who subscribes anew rings the bell for all on the node: it has to be told by now.
            untold = await self._until(lambda: self._unheard(connection, devices))
            if replays:
                now_in("replaying")
                replaying = [asyncio.create_task(device.listen()) for device in replays]
                await self._until(lambda: self._unheard(connection, everybody))
            now_in("reading the database")
            final = Final(
                users=[device.name for device in everybody],
                start=self.start.events,
                log=await stored.whole_log(connection),
                messages=await stored.whole_messages(connection),
                stays=await stored.all_stays(connection),
                pointers=await stored.all_pointers(connection),
                scopes={
                    device.name: sorted(scope)
                    for device in devices
                    if (scope := device.scope) is not None
                },
                problems=list(self.cluster.deaths),
                untold=untold,
            )
            now_in("reading histories")
            final.views.extend(await views_of(self.world, final, self.cluster))
            # Whoever has just asked had to sign in.
            final.personal.update(await stored.personal_events(connection, self.start.row))
            await self._until(lambda: _unheard_sessions(final, everybody))
            return final
        finally:
            for task in replaying:
                task.cancel()
            await asyncio.gather(*replaying, return_exceptions=True)
            await connection.close()

    async def _until(self, missing: Callable[[], Awaitable[list[str]]]) -> list[str]:
        """Wait until nothing is missing, or nobody hears anything any more; return what is."""
        deadline = time.monotonic() + SETTLING
        progress, changed = self._heard, time.monotonic()
        while True:
            said = await missing()
            if not said or time.monotonic() > min(deadline, changed + self.quiet):
                return said
            await asyncio.sleep(0.25)
            if self._heard != progress:
                progress, changed = self._heard, time.monotonic()

    @property
    def _heard(self) -> int:
        return sum(self.history.count(kind, State.OK) for kind in HEARD)

    async def _unheard(
        self, connection: asyncpg.Connection, devices: Sequence[Device]
    ) -> list[str]:
        """Return who has not been told what."""
        last = await stored.last_events(connection)
        due: dict[str, list[tuple[str, int]]] = defaultdict(list)
        throughout = set()
        for stay in await stored.all_stays(connection):
            seq = stay.left or last[stay.chat]
            if seq > self.start.events[stay.chat]:
                due[stay.user].append((stay.chat, seq))
            if stay.joined <= self.start.events[stay.chat] and not stay.left:
                throughout.add((stay.user, stay.chat))
        said = [
            f"{device.name} was not told event {seq} of {chat} before all fell silent"
            for device in devices
            for chat, seq in due[device.handle]
            if device.wants(chat) and device.last_heard.get(chat, 0) < seq
        ]
        for each in await stored.all_pointers(connection):
            pointers = (each.told_delivered, each.told_read)
            said += [
                f"{device.name} was not told how far {each.user} got in {each.chat}"
                for device in devices
                if any(pointers)
                and device.wants(each.chat)
                and (device.handle, each.chat) in throughout
                and device.receipts.get((each.chat, each.user)) != pointers
            ]
        return said


async def _unheard_sessions(final: Final, devices: Sequence[Device]) -> list[str]:
    return [
        f"{device.name} was not told of all sessions"
        for device in devices
        if device.scope is None and device.personal < len(final.personal.get(device.handle, ()))
    ]
