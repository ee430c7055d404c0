"""Who is there: what those who listen are told, first as it is, and then whenever it changes.

A node knows nothing of people by itself. When somebody may have come or gone it reads what all
nodes have written (`realtime/presence_looks.py`); here is worked out who is to be told of what.
Nothing here waits for anything, and time is an argument.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from models.errors import Overloaded
from models.sights import Sight
from models.users import User, UserKind
from models.viewer import Viewer
from realtime.groups import Renderings
from realtime.mailbox import Mailbox
from realtime.presence_state import Known, Presence, PresenceState

# How long somebody counts as there who is connected no more without anybody having said so. Either
# their node was killed, and its lease has run out by then; or the place of the leases was emptied,
# and every node writes its own again within `registry.RENEW_INTERVAL`.
SILENCE = timedelta(seconds=12)
MAX_IDS = 200  # people in one subscription
# Pairs of who listens and of whom. One costs 60 bytes, or 300 if nobody else listens to the same
# person, so all of them 12 to 60 MB of a node.
MAX_PAIRS_OF_VIEWER = 2_000
MAX_PAIRS = 200_000


@dataclass(frozen=True, slots=True)
class PresenceTold:
    """Somebody's presence as it is told; None to those who get to know of none."""

    user: User
    presence: Presence | None
    renderings: Renderings = field(default_factory=dict, init=False, compare=False, repr=False)


class PresenceListener:
    """One subscription: who listens, and of whom."""

    __slots__ = ("ids", "live", "mailbox", "stale", "unusual", "viewer")

    def __init__(self, viewer: Viewer, ids: Collection[UUID]) -> None:
        self.viewer = viewer
        self.ids = tuple(dict.fromkeys(ids))
        self.mailbox: Mailbox[PresenceTold] = Mailbox()
        self.live = False
        self.stale = False  # what it may know has changed while that was read
        self.unusual: dict[UUID, Sight] = {}  # of whom it may not know

    def sight(self, user_id: UUID) -> Sight:
        """Return what the subscription may tell of somebody."""
        return self.unusual.get(user_id, Sight.SHOWN)


# What is told, and to whom.
Telling = tuple[PresenceTold, Sequence[PresenceListener]]


@dataclass(slots=True)
class _Watched:
    """Somebody of whom it is told whether they are there, as it was last told."""

    listeners: set[PresenceListener] = field(default_factory=set)
    shown: Presence | None = None  # to others; None as long as nobody knows
    truth: Presence | None = None  # to their own devices
    connected_at: datetime | None = None  # when last looked at, if they were then
    silent_since: datetime | None = None
    due: datetime | None = None  # when they count as gone, unless they come back

    def is_told_as(self, other: "_Watched") -> bool:
        """Whether there is nothing to be told between one and the other."""
        return (self.shown, self.truth) == (other.shown, other.truth)

    def after(self, known: Known, now: datetime) -> "_Watched":
        """Return what is to be told of them by now, with the same listeners."""
        truth, shown = known.truth(now), known.shown(now)
        due, silent_since = known.lingers_until(), None
        if not known.connected and truth.state is PresenceState.OFFLINE:
            silent_since = self.silent_since or (now if self._said_nothing(known) else None)
            if silent_since is not None and now < silent_since + SILENCE:
                truth, due = self.truth or truth, silent_since + SILENCE
                shown = shown if known.invisible else truth
        return _Watched(
            self.listeners,
            shown,
            truth,
            now if known.connected else None,
            silent_since,
            due if due is not None and due > now else None,
        )

    def _said_nothing(self, known: Known) -> bool:
        """Whether they were connected until now, and it is not written down that they went."""
        if self.connected_at is None:
            return False
        return known.seen is None or known.seen.seen_at < self.connected_at


class Watch:
    """Of whom one node's subscribers want to know whether they are there, and what they know."""

    def __init__(self) -> None:
        self._people: dict[UUID, _Watched] = {}
        self._by_viewer: dict[UUID, set[PresenceListener]] = defaultdict(set)
        self._pairs = 0
        self.transitions = 0  # each counts once, however many are told of it

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, user_id: UUID) -> bool:
        return user_id in self._people

    def everybody(self) -> list[UUID]:
        """Return all of whom it is told."""
        return list(self._people)

    def unknown(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the people of whom nothing is known yet."""
        return {each for each in ids if each in self._people and self._people[each].truth is None}

    def due(self, now: datetime) -> set[UUID]:
        """Return those who count as gone by now unless they have come back."""
        people = self._people.items()
        return {user_id for user_id, each in people if each.due is not None and each.due <= now}

    def of_viewer(self, user_id: UUID) -> list[PresenceListener]:
        """Return the subscriptions of one person."""
        return list(self._by_viewer.get(user_id, ()))

    def to(self, user_id: UUID) -> list[PresenceListener]:
        """Return the subscriptions that tell of one person."""
        person = self._people.get(user_id)
        return list(person.listeners) if person is not None else []

    def hides(self, user_id: UUID) -> bool:
        """Whether somebody is not told of this person, or this person of somebody they ask for.

        Or it is not known yet, while that is read.
        """
        own, to = self.of_viewer(user_id), self.to(user_id)
        return any(each.unusual or not each.live for each in own) or any(
            not each.live or each.sight(user_id) is not Sight.SHOWN for each in to
        )

    def add(self, listener: PresenceListener) -> None:
        """Enter a subscription, which is told nothing until `begin`; raises `Overloaded`."""
        own = sum(len(each.ids) for each in self._by_viewer.get(listener.viewer.user_id, ()))
        size = len(listener.ids)
        if own + size > MAX_PAIRS_OF_VIEWER or self._pairs + size > MAX_PAIRS:
            raise Overloaded
        self._pairs += size
        self._by_viewer[listener.viewer.user_id].add(listener)
        for user_id in listener.ids:
            self._people.setdefault(user_id, _Watched()).listeners.add(listener)

    def remove(self, listener: PresenceListener) -> None:
        """Forget a subscription, if it was entered."""
        group = self._by_viewer.get(listener.viewer.user_id, set())
        if listener not in group:
            return
        group.discard(listener)
        if not group:
            del self._by_viewer[listener.viewer.user_id]
        self._pairs -= len(listener.ids)
        for user_id in listener.ids:
            person = self._people[user_id]
            person.listeners.discard(listener)
            if not person.listeners:
                del self._people[user_id]

    def end_all(self, reason: Exception) -> None:
        """End every subscription."""
        for group in self._by_viewer.values():
            for listener in group:
                listener.mailbox.end(reason)

    def begin(
        self, listener: PresenceListener, sights: Mapping[UUID, Sight], people: Mapping[UUID, User]
    ) -> list[PresenceTold]:
        """Have a subscription told from now on, and return how it is now."""
        listener.unusual = _unusual(sights)
        listener.live = True
        return [
            PresenceTold(people[user_id], self._seen(listener, people[user_id]))
            for user_id in listener.ids
            if listener.sight(user_id) is not Sight.UNSEEN
        ]

    def changing(self, known: Mapping[UUID, Known], now: datetime) -> set[UUID]:
        """Return the people of whom `learn` is going to tell something."""
        return {
            user_id
            for user_id, each in known.items()
            if (person := self._people.get(user_id)) is not None
            and person.truth is not None
            and not person.is_told_as(person.after(each, now))
        }

    def learn(
        self, known: Mapping[UUID, Known], people: Mapping[UUID, User], now: datetime
    ) -> list[Telling]:
        """Take what was read, and return what is told to whom of these people."""
        tellings: list[Telling] = []
        for user_id, each in known.items():
            before = self._people.get(user_id)
            if before is None:
                continue
            after = self._people[user_id] = before.after(each, now)
            if before.truth is not None and user_id in people:
                tellings += self._tellings(people[user_id], before, after)
        return tellings

    def _tellings(self, user: User, before: _Watched, after: _Watched) -> list[Telling]:
        heard = [
            each for each in after.listeners if each.live and each.sight(user.id) is Sight.SHOWN
        ]
        own = [each for each in heard if each.viewer.user_id == user.id]
        others = [each for each in heard if each.viewer.user_id != user.id]
        tellings: list[Telling] = []
        if after.shown != before.shown:
            self.transitions += 1
            tellings.append((PresenceTold(user, _as_told(user, after.shown)), others))
        if after.truth != before.truth:
            tellings.append((PresenceTold(user, _as_told(user, after.truth)), own))
        return [(told, to) for told, to in tellings if to]

    def resight(
        self, listener: PresenceListener, sights: Mapping[UUID, Sight], people: Mapping[UUID, User]
    ) -> None:
        """Have a subscription hear from now on what it may know now of these people.

        It is told at once what it might not know until now, and of whom it may not know any more.
        """
        if not listener.live:
            listener.stale = True
            return
        turned = [
            user_id
            for user_id, sight in sights.items()
            if (sight is Sight.SHOWN) is not (listener.sight(user_id) is Sight.SHOWN)
        ]
        kept = {key: sight for key, sight in listener.unusual.items() if key not in sights}
        listener.unusual = kept | _unusual(sights)
        for user_id in turned:
            if (user := people.get(user_id)) is not None:
                listener.mailbox.put(PresenceTold(user, self._seen(listener, user)))

    def _seen(self, listener: PresenceListener, user: User) -> Presence | None:
        person = self._people.get(user.id)
        if person is None or listener.sight(user.id) is not Sight.SHOWN:
            return None
        own = listener.viewer.user_id == user.id
        return _as_told(user, person.truth if own else person.shown)


def _unusual(sights: Mapping[UUID, Sight]) -> dict[UUID, Sight]:
    return {key: sight for key, sight in sights.items() if sight is not Sight.SHOWN}


def _as_told(user: User, presence: Presence | None) -> Presence | None:
    """Return a presence, without when a guest was last there: nobody awaits their return."""
    if presence is None or user.kind != UserKind.GUEST:
        return presence
    return replace(presence, last_seen_at=None)
