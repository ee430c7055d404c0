"""Whether somebody is there: worked out of what is known of them, whoever asks and whenever.

    connected by one device that is used     ONLINE
    … by none that is used                   AWAY
    not connected, for less than LINGER      as they were
    … for longer                             OFFLINE

Every node comes to the same answer by itself, because all it takes is stored: the leases say who is
connected, and before one says that somebody is not any more, `last_seen` says when they went.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from models import presence
from models.database import Database
from models.presence import AT_ONCE, Seen
from realtime.registry import Registry

# Somebody who changes from one network to another, or whose node restarts, is back before this.
LINGER = timedelta(seconds=30)


class PresenceState(StrEnum):
    """Whether somebody is there."""

    ONLINE = "online"
    AWAY = "away"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether somebody is there, or else when they last were, as far as that is known."""

    state: PresenceState
    last_seen_at: datetime | None = None


_ONLINE, _AWAY = Presence(PresenceState.ONLINE), Presence(PresenceState.AWAY)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of somebody: their connected sessions, which of these are not used, and so on.

    `seen` is what `last_seen` has of them.
    """

    connected: frozenset[UUID] = frozenset()
    away: frozenset[UUID] = frozenset()
    seen: Seen | None = None
    invisible: bool = False

    def lingers_until(self) -> datetime | None:
        """Return when they count as gone; None while they are connected, or if they never were."""
        return None if self.connected or self.seen is None else self.seen.seen_at + LINGER

    def truth(self, now: datetime) -> Presence:
        """Return whether they are there, as their own devices see it."""
        if self.connected:
            return _AWAY if self.connected <= self.away else _ONLINE
        if self.seen is None:
            return Presence(PresenceState.OFFLINE)
        if now < self.seen.seen_at + LINGER:
            return _AWAY if self.seen.away else _ONLINE
        return Presence(PresenceState.OFFLINE, self.seen.seen_at)

    def shown(self, now: datetime) -> Presence:
        """Return what others see, those who may."""
        if self.invisible:
            return Presence(PresenceState.OFFLINE, self.seen.seen_at if self.seen else None)
        return self.truth(now)


async def read_known(
    db: Database, registry: Registry, user_ids: Collection[UUID]
) -> dict[UUID, Known]:
    """Return what is known of each of these people; raises `RegistryUnavailable`.

    In parts of `AT_ONCE`, so many statements for each whoever is asked about.
    """
    wanted = list(dict.fromkeys(user_ids))
    found: dict[UUID, Known] = {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        # First: who has gone by now has been written down.
        connected = await registry.online(some)
        async with db.reading() as connection:
            seen = await presence.seen(connection, some)
            away = await presence.away_of(connection, some)
            invisible = await presence.invisible_among(connection, some)
        for user_id in some:
            # What is connected here counts before it is written.
            sessions = registry.here(user_id).union(
                each.held.session_id for each in connected.get(user_id, ())
            )
            found[user_id] = Known(
                sessions, sessions & away, seen.get(user_id), user_id in invisible
            )
    return found
