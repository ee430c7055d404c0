"""What goes wrong in a run, besides slowness: crashes, restores, pruning, killed nodes, cuts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.simulation.clock import dice, pause
from tests.simulation.devices import Device
from tests.simulation.world import World


class Nemesis:
    """Does one bad thing after the other, of those that the run's chances allow."""

    def __init__(self, world: World, devices: list[Device]) -> None:
        self._world = world
        self._devices = devices

    async def run(self) -> None:
        """Do harm until told to stop."""
        self._world.act_as("nemesis")
        chances = self._world.chances
        harms: list[Callable[[], Awaitable[None]]] = [self.nothing]
        harms += [self.cut] * (2 if chances.hangs_up else 0)
        harms += [self.crash] * chances.crash
        harms += [self.replace] * chances.replace
        harms += [self.prune] * (2 if chances.prune else 0)
        harms += [self.kill] * chances.kill
        while True:
            await pause((5, 20, 50, 100, 400, 1500))
            await dice.get().choice(harms)()

    async def nothing(self) -> None:
        """Let it work for once."""

    async def cut(self) -> None:
        dice.get().choice(self._devices).cut()

    async def crash(self) -> None:
        self._world.note("database", "crashes")
        self._world.db.crash()
        await self._away()

    async def replace(self) -> None:
        db = self._world.db
        db.back_up()
        self._world.note("database", "is backed up")
        await pause((0, 50, 500))
        db.restore()
        self._world.note("database", "is restored:", db.life.epoch)
        await self._away()

    async def prune(self) -> None:
        db = self._world.db
        ids = sorted(row.event.id for row in db.logged())
        if ids and not db.away:
            newest_gone = dice.get().choice(ids)
            self._world.note("database", "is pruned up to", newest_gone)
            db.prune(newest_gone)

    async def kill(self) -> None:
        await dice.get().choice(self._world.nodes).kill(dice.get().choice((0.0, 0.05, 1.0)))

    async def _away(self) -> None:
        self._world.db.away = True
        try:
            await pause((0, 1, 20, 700))
        finally:
            self._world.db.away = False
