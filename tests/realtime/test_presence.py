"""Who is told what of whom, with the clock in hand: no socket, no database, no waiting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from models.errors import Overloaded
from models.presence import Seen
from models.sights import Sight
from models.users import User, UserKind
from models.viewer import Viewer
from realtime import presence as module
from realtime.presence import SILENCE, PresenceListener, Watch
from realtime.presence_state import LINGER, Known, Presence, PresenceState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONLINE, AWAY, OFFLINE = (Presence(state) for state in PresenceState)
SECOND = timedelta(seconds=1)
PHONE, LAPTOP = uuid4(), uuid4()


def somebody(kind=UserKind.PERSON):
    key = uuid4()
    return User(key, f"u{key.hex[:8]}", "Somebody", None, False, NOW, kind=kind.value)


def there(*sessions, away=(), **more):
    return Known(frozenset(sessions or [PHONE]), frozenset(away), **more)


def gone(user, at, *, away=False, **more):
    return Known(seen=Seen(user.id, at, away), **more)


class Room:
    """Somebody who watches others, and what they were told."""

    def __init__(self, *people, viewer=None, sights=None):
        self.people = {user.id: user for user in people}
        self.watch = Watch()
        self.viewer = viewer or Viewer(uuid4(), uuid4(), NOW)
        self.listener = PresenceListener(self.viewer, list(self.people))
        self.watch.add(self.listener)
        self.sights = sights or {}

    def begins(self, now=NOW, **known):
        self.learn(now, *known.values() or [Known()] * len(self.people))
        sights = {key: self.sights.get(key, Sight.SHOWN) for key in self.people}
        return [told.presence for told in self.watch.begin(self.listener, sights, self.people)]

    def waiting(self):
        """Take what waits to be told, and return it."""
        told = []
        while (first := self.listener.mailbox.first()) is not None:
            told.append((first.user, first.presence))
            self.listener.mailbox.drop_first()
        return told

    def learn(self, now, *known):
        """Learn of everybody at a moment, and return who is told to be what."""
        told = self.watch.learn(dict(zip(self.people, known, strict=True)), self.people, now)
        return [(each.user.id, each.presence) for each, to in told for _ in to]


def states(told):
    return [presence.state for _, presence in told]


def test_somebody_is_what_their_devices_are():
    user = somebody()
    seen = [
        there(PHONE),
        there(PHONE, away=[PHONE]),
        there(PHONE, LAPTOP, away=[PHONE]),
        there(PHONE, LAPTOP, away=[PHONE, LAPTOP]),
        Known(),
    ]
    assert [each.truth(NOW) for each in seen] == [ONLINE, AWAY, ONLINE, AWAY, OFFLINE]
    for away, state in ((False, ONLINE), (True, AWAY)):
        left = gone(user, NOW, away=away)
        assert left.truth(NOW + LINGER - SECOND) == state
        assert left.truth(NOW + LINGER) == replace(OFFLINE, last_seen_at=NOW)


def test_who_is_back_in_time_was_never_gone():
    user = somebody()
    room = Room(user)
    room.learn(NOW, there())
    assert room.begins(known=there()) == [ONLINE]
    assert room.learn(NOW + SECOND, gone(user, NOW)) == []
    assert room.watch.due(NOW + LINGER - SECOND) == set()
    assert room.watch.due(NOW + LINGER) == {user.id}
    assert room.learn(NOW + LINGER - SECOND, there()) == []
    assert room.watch.due(NOW + 2 * LINGER) == set()


def test_who_is_not_is_told_to_be_gone_once():
    user = somebody()
    room = Room(user)
    room.begins(known=there())
    room.learn(NOW, gone(user, NOW))
    told = room.learn(NOW + LINGER, gone(user, NOW))
    assert told == [(user.id, Presence(PresenceState.OFFLINE, NOW))]
    assert room.learn(NOW + 2 * LINGER, gone(user, NOW)) == []


def test_whom_nobody_has_looked_at_for_long_is_gone_at_once_if_they_said_so():
    user = somebody()
    room = Room(user)
    room.begins(known=there())
    told = room.learn(NOW + 2 * LINGER, gone(user, NOW + SECOND))
    assert states(told) == [PresenceState.OFFLINE]


def test_who_was_away_is_away_until_they_are_gone():
    user = somebody()
    room = Room(user)
    room.begins(known=there(away=[PHONE]))
    assert room.learn(NOW, gone(user, NOW, away=True)) == []
    assert states(room.learn(NOW + LINGER, gone(user, NOW, away=True))) == [PresenceState.OFFLINE]


def test_who_vanishes_without_a_word_may_be_on_a_node_that_writes_its_lease_again():
    user = somebody()
    room = Room(user)
    room.begins(known=there())
    before = gone(user, NOW - timedelta(minutes=4))
    assert room.learn(NOW, before) == []
    assert room.learn(NOW + SILENCE - SECOND, there()) == []
    assert room.learn(NOW + SILENCE, before) == []  # it begins anew
    assert room.watch.due(NOW + 2 * SILENCE) == {user.id}
    assert states(room.learn(NOW + 2 * SILENCE, before)) == [PresenceState.OFFLINE]
    assert room.learn(NOW + 3 * SILENCE, before) == []
    assert states(room.learn(NOW + 3 * SILENCE, there())) == [PresenceState.ONLINE]


def test_a_thousand_people_whose_node_restarts_are_a_thousand_times_nothing():
    """In whatever order they go, come back and are looked at, within the half minute."""
    people = [somebody() for _ in range(1000)]
    room = Room(*people[:200])
    others = [Room(*people[start : start + 200]) for start in range(200, 1000, 200)]
    told = []
    for each in (room, *others):
        each.begins(**{str(n): there() for n in range(200)})
        users = list(each.people.values())
        for second in range(1, 30):
            moment = NOW + second * SECOND
            told += each.learn(
                moment,
                *(
                    there(PHONE) if n % 29 < second else gone(user, NOW)
                    for n, user in enumerate(users)
                ),
            )
        assert each.watch.due(NOW + timedelta(hours=1)) == set()
    assert told == []
    assert room.watch.transitions == 0


def test_who_is_invisible_is_offline_to_others_and_hears_the_truth():
    user = somebody()
    viewer = Viewer(user.id, uuid4(), NOW)
    own, room = Room(user, viewer=viewer), Room(user)
    assert own.begins(known=there()) == room.begins(known=there()) == [ONLINE]
    hidden = there(invisible=True, seen=Seen(user.id, NOW, False))
    assert own.learn(NOW, hidden) == []
    assert room.learn(NOW, hidden) == [(user.id, Presence(PresenceState.OFFLINE, NOW))]
    used_no_more = replace(hidden, away=frozenset([PHONE]))
    assert states(own.learn(NOW, used_no_more)) == [PresenceState.AWAY]
    assert room.learn(NOW, used_no_more) == []


def test_who_may_not_know_is_told_nothing_until_they_may():
    user, bot = somebody(), somebody(UserKind.BOT)
    room = Room(user, bot, sights={user.id: Sight.UNSEEN, bot.id: Sight.HIDDEN})
    assert room.begins(a=there(), b=Known()) == [None]  # of the bot
    assert room.learn(NOW, Known(), Known()) == []
    room.learn(NOW, there(), Known())
    room.watch.resight(room.listener, {user.id: Sight.SHOWN}, room.people)
    assert room.waiting() == [(user, ONLINE)]
    room.watch.resight(room.listener, {user.id: Sight.SHOWN}, room.people)
    assert room.waiting() == []
    room.watch.resight(room.listener, {user.id: Sight.HIDDEN}, room.people)
    assert room.waiting() == [(user, None)]


def test_nobody_hears_when_a_guest_was_last_there():
    guest = somebody(UserKind.GUEST)
    room = Room(guest)
    room.begins(known=there())
    room.learn(NOW, gone(guest, NOW))
    assert room.learn(NOW + LINGER, gone(guest, NOW)) == [(guest.id, OFFLINE)]


def test_what_is_remembered_is_forgotten_with_the_subscription_and_has_an_end(monkeypatch):
    monkeypatch.setattr(module, "MAX_PAIRS_OF_VIEWER", 5)
    monkeypatch.setattr(module, "MAX_PAIRS", 7)
    watch, viewers = Watch(), [Viewer(uuid4(), uuid4(), NOW) for _ in range(2)]
    ids = [UUID(int=number) for number in range(3)]
    first = PresenceListener(viewers[0], ids)
    watch.add(first)
    with pytest.raises(Overloaded):
        watch.add(refused := PresenceListener(viewers[0], ids))
    other = PresenceListener(viewers[1], ids)
    watch.add(other)
    with pytest.raises(Overloaded):
        watch.add(PresenceListener(viewers[1], ids[:2]))
    for listener in (refused, first, first, other):
        watch.remove(listener)
    assert len(watch) == 0
    watch.add(first)  # there is room again
    assert watch.everybody() == ids
