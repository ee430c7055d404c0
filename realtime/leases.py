"""Where leases are kept, as the registry sees it; and the database as such a place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from models import leases
from models.database import Database
from models.leases import Found, HeldSession, Lease


@dataclass(frozen=True, slots=True)
class Changes:
    """What a node holds of the people whose sockets came or went, and what it holds no more."""

    people: Mapping[UUID, Sequence[HeldSession]]
    gone: Collection[UUID]


class Leases(Protocol):
    """A place that all nodes reach. Every call may fail or hang."""

    async def begin(
        self, lease: Lease, people: Mapping[UUID, Sequence[HeldSession]], *, lasts: float
    ) -> None:
        """Store a lease for so many seconds with all it holds, in place of an earlier one."""

    async def renew(self, lease: Lease, changes: Changes, *, lasts: float) -> bool:
        """Renew a lease for so many seconds, and store what changed since its last version.

        Returns False when that version is not there any more: then `begin` has to follow.
        """

    async def end(self, run: UUID) -> None:
        """Forget a lease, and what its node held."""

    async def nodes(self) -> list[Lease]:
        """Return the leases of the nodes that run, in the order of their names."""

    async def of_people(self, user_ids: Collection[UUID]) -> list[Found]:
        """Return the sockets of these people on all nodes that run."""

    async def of_session(self, session_id: UUID) -> list[Found]:
        """Return the sockets of a session on all nodes that run."""

    async def close(self) -> None:
        """Let go of connections."""


class DatabaseLeases:
    """Leases in two tables; `models/leases.py` has them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # A node whose requests wait for connections lives, and keeps its lease. On SQLite it
        # writes in its turn.
        self._own = db.aside if db.dialect == "postgresql" else db

    async def begin(
        self, lease: Lease, people: Mapping[UUID, Sequence[HeldSession]], *, lasts: float
    ) -> None:
        async with self._own.writing() as connection:
            await leases.begin(connection, lease, _flat(people), lasts=lasts)

    async def renew(self, lease: Lease, changes: Changes, *, lasts: float) -> bool:
        changed = _flat(changes.people)
        async with self._own.writing() as connection:
            return await leases.renew(
                connection, lease, changed=changed, gone=changes.gone, lasts=lasts
            )

    async def end(self, run: UUID) -> None:
        async with self._own.writing() as connection:
            await leases.end(connection, run)

    async def nodes(self) -> list[Lease]:
        async with self._own.reading() as connection:
            return await leases.nodes(connection)

    async def of_people(self, user_ids: Collection[UUID]) -> list[Found]:
        async with self._db.reading() as connection:
            return await leases.of_people(connection, user_ids)

    async def of_session(self, session_id: UUID) -> list[Found]:
        async with self._db.reading() as connection:
            return await leases.of_session(connection, session_id)

    async def close(self) -> None:
        pass  # the database is closed by whoever opened it


def _flat(people: Mapping[UUID, Sequence[HeldSession]]) -> list[HeldSession]:
    return [held for sessions in people.values() for held in sessions]
