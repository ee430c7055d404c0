"""The connection registry: which node holds whose sockets.

Each node keeps a lease, where all nodes can read it, and under it the sessions that have sockets
there. It renews the lease as long as it lives; when it dies, the lease runs out and takes along
what hangs on it. What changes is gathered and written in batches, so that a thousand clients that
come back at once cost a few writes.

The registry answers who is connected and where. It is never asked whether something may be done:
it lags by a batch, and by a lease where a node was killed.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import structlog

from models.leases import Found, HeldSession, Lease
from realtime.leases import Changes, Leases
from realtime.sockets import Sockets
from realtime.tasks import heed_cancellation, within

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Takes people, each with the sessions that they had here, as far as these are known.
Farewell = Callable[[Mapping[UUID, frozenset[UUID]]], Coroutine[Any, Any, None]]

LEASE_LASTS = 30.0  # seconds; how long a killed node is believed to live
RENEW_INTERVAL = 10.0  # seconds; two renewals may fail before the lease runs out
GATHER = 0.25  # seconds from one write to the next at least
WRITE_TIMEOUT = 5.0
READ_TIMEOUT = 2.0
BACKOFF = (0.25, 0.5, 1.0, 2.0, 5.0)  # seconds after a write that failed, the last one repeated


class RegistryUnavailable(Exception):
    """The place where leases are kept does not answer."""


class Registry:
    """One node's part in the registry, and what it knows of the others."""

    def __init__(self, leases: Leases, sockets: Sockets, node_id: str) -> None:
        self.node_id = node_id
        self.nodes: Sequence[Lease] = ()  # as last read, this node among them
        self._leases = leases
        self._sockets = sockets
        self._run = uuid4()
        self._started_at = datetime.now(UTC)
        self._version = 0
        self._changed: set[UUID] = set()  # people
        self._news = asyncio.Event()
        # What is stored of each person, by session. None: nobody knows, so all is to be written.
        self._stored: dict[UUID, frozenset[UUID]] | None = None
        self._last_stored: dict[UUID, frozenset[UUID]] = {}  # … when somebody last knew
        self._failing = False
        self._namesakes: dict[UUID, int] = {}
        self._name_taken = False
        self._farewell: Farewell | None = None
        self._moved_listeners: list[Callable[[Collection[UUID]], None]] = []
        sockets.on_change(self._person_changed)

    def before_gone(self, farewell: Farewell) -> None:
        """Await a function with the people who have gone, before the lease says so."""
        self._farewell = farewell

    def on_moved(self, listener: Callable[[Collection[UUID]], None]) -> None:
        """Call a function with the people of whom the lease has just got to hold something else."""
        self._moved_listeners.append(listener)

    # --- what use-cases ask -------------------------------------------------------------------

    async def online(self, user_ids: Collection[UUID]) -> dict[UUID, list[Found]]:
        """Return who of these people has open sockets, and on which nodes.

        Who is offline is not in it. Raises `RegistryUnavailable`.
        """
        people: dict[UUID, list[Found]] = {}
        for found in await self._read(self._leases.of_people(user_ids)):
            people.setdefault(found.held.user_id, []).append(found)
        return people

    def here(self, user_id: UUID) -> frozenset[UUID]:
        """Return the sessions of somebody that have sockets on this node, written or not."""
        return _ids(self._sockets.held_by(user_id))

    async def nodes_of(self, session_id: UUID) -> list[Found]:
        """Return the sockets of a session, one row for each node that holds some.

        Raises `RegistryUnavailable`.
        """
        return await self._read(self._leases.of_session(session_id))

    async def elsewhere(self, session_id: UUID) -> list[str]:
        """Return the names of the other nodes that hold sockets of a session.

        Raises `RegistryUnavailable`.
        """
        return [each.node_id for each in await self.nodes_of(session_id) if each.run != self._run]

    async def running_nodes(self) -> list[Lease]:
        """Return the nodes that run now; raises `RegistryUnavailable`."""
        return await self._read(self._leases.nodes())

    async def _read(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await within(READ_TIMEOUT, work)
        except Exception as error:
            raise RegistryUnavailable(str(error) or type(error).__name__) from error

    # --- how this node is told of -------------------------------------------------------------

    def trouble(self) -> str | None:
        """Return what is wrong with this node's part, None when nothing is."""
        if self._failing:
            return "not written"
        return "node id taken" if self._name_taken else None

    def look(self) -> None:
        """Renew the lease now, and see whether it is still there."""
        self._news.set()

    async def run(self) -> None:
        """Keep the lease until cancelled; what fails is tried again with all that is held."""
        loop = asyncio.get_running_loop()
        failures, look_at = 0, 0.0
        while True:
            try:
                await self._write()
                if loop.time() >= look_at:
                    await self._look_around()
                    look_at = loop.time() + RENEW_INTERVAL - GATHER
            except Exception as error:  # noqa: BLE001 - whatever the driver raises
                heed_cancellation()
                self._fail(error)
                await asyncio.sleep(BACKOFF[min(failures, len(BACKOFF) - 1)])
                failures += 1
                continue
            if self._failing:
                self._failing = False
                log.info("registry_back")
            failures = 0
            await asyncio.sleep(GATHER)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_INTERVAL - GATHER):
                    await self._news.wait()

    async def leave(self) -> None:
        """Give the lease up at once; never raises, and does not wait for long."""
        self._stored = None
        await self._say_farewell(self._last_stored)
        try:
            await within(READ_TIMEOUT, self._leases.end(self._run))
        except Exception as error:  # noqa: BLE001 - the lease runs out by itself
            log.warning("lease_left", error=str(error) or type(error).__name__)

    async def _write(self) -> None:
        self._news.clear()
        changed, self._changed = self._changed, set()
        # Until the write has succeeded nobody knows what is stored.
        stored, self._stored = self._stored, None
        if stored is not None:
            people = {user_id: self._sockets.held_by(user_id) for user_id in changed}
            before = {user_id: stored.get(user_id, frozenset()) for user_id in changed}
            now = {user_id: _ids(held) for user_id, held in people.items()}
            gone = [each for user_id in changed for each in before[user_id] - now[user_id]]
            await self._say_farewell(
                {user_id: before[user_id] for user_id in changed if not now[user_id]}
            )
            changes = Changes(people, gone)
            renewal = self._leases.renew(self._next_version(), changes, lasts=LEASE_LASTS)
            if await within(WRITE_TIMEOUT, renewal):
                stored.update(now)
                for user_id in changed:
                    if not now[user_id]:
                        del stored[user_id]
                self._stored = self._last_stored = stored
                self._say_moved([user_id for user_id in changed if now[user_id] != before[user_id]])
                return
            log.warning("lease_rewritten", sockets=len(self._sockets))
        self._changed.clear()
        everybody = self._sockets.held()
        await self._say_farewell(
            {user_id: frozenset() for user_id in changed if user_id not in everybody}
        )
        stored = {user_id: _ids(held) for user_id, held in everybody.items()}
        start = self._leases.begin(self._next_version(), everybody, lasts=LEASE_LASTS)
        await within(WRITE_TIMEOUT, start)
        self._stored = self._last_stored = stored
        self._say_moved(stored)

    async def _say_farewell(self, gone: Mapping[UUID, frozenset[UUID]]) -> None:
        if self._farewell is None or not gone:
            return
        try:
            await within(READ_TIMEOUT, self._farewell(gone))
        except Exception as error:  # noqa: BLE001 - the lease matters more
            heed_cancellation()
            log.warning("farewell_unwritten", error=str(error) or type(error).__name__)

    def _say_moved(self, people: Collection[UUID]) -> None:
        if people:
            for listener in self._moved_listeners:
                listener(people)

    async def _look_around(self) -> None:
        """See who else runs, and whether somebody bears this node's name."""
        self.nodes = await within(READ_TIMEOUT, self._leases.nodes())
        namesakes = {
            lease.run: lease.version
            for lease in self.nodes
            if lease.node_id == self.node_id and lease.run != self._run
        }
        # A lease that stands still is what a killed node left behind, perhaps this one's last run.
        self._namesakes = {
            run: self._namesakes.get(run, version) for run, version in namesakes.items()
        }
        taken = self._namesakes != namesakes
        if taken and not self._name_taken:
            log.error("node_id_taken", advice="give each running node another HUBBUB_NODE_ID")
        self._name_taken = taken

    def _next_version(self) -> Lease:
        self._version += 1
        return Lease(
            run=self._run,
            node_id=self.node_id,
            started_at=self._started_at,
            version=self._version,
            sockets=len(self._sockets),
            people=self._sockets.people,
        )

    def _person_changed(self, user_id: UUID) -> None:
        self._changed.add(user_id)
        self._news.set()

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            log.warning("registry_lost", error=str(error) or type(error).__name__)


def _ids(held: Sequence[HeldSession]) -> frozenset[UUID]:
    return frozenset(each.session_id for each in held)
