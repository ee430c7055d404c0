"""Faults to plant, to see that the simulation finds them; nothing of this is in the product.

Each function takes one guarantee away, by its name in `realtime/`, in `models/` or in the database
in memory, and says in which runs to look for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import UUID

from models.log_state import Present
from models.members import Since
from realtime import events, feed, hub, mailbox, tailer
from realtime.cursor import Cursor
from realtime.events import Delivery, Event, Told
from tests.simulation import database, log
from tests.simulation.chances import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the runs that it shows in."""

    plant: Callable[[], Any]
    kinds: Sequence[Kind]
    chances: dict[str, Any]


FAULTS: dict[str, Fault] = {}

Plant = Callable[[], None]


def fault(*kinds: Kind, **chances: Any) -> Callable[[Plant], Plant]:
    def note(plant: Plant) -> Plant:
        FAULTS[plant.__name__] = Fault(plant, kinds or KINDS, chances)
        return plant

    return note


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant a fault inside the block."""
    FAULTS[name].plant()
    try:
        yield
    finally:
        patch.stopall()


def _replace(owner: Any, name: str, by: Any) -> None:
    """Replace something that is there; a fault planted beside the product would prove nothing."""
    patch.object(owner, name, by).start()


# --- the position -------------------------------------------------------------------------------


@fault("postgresql")
def id_cursor() -> None:
    """A reader asks for `id > last` instead of what a snapshot has not seen."""
    newest: dict[str, int] = {}
    present = database.Database.present

    def noting(self: database.Database) -> Present:
        now = present(self)
        newest[now.position] = self.last_id
        return now

    def seen(self: database.Database, position: str) -> Callable[[database.Row], bool]:
        return lambda row: row.event.id <= newest[position]

    _replace(database.Database, "present", noting)
    _replace(database.Database, "seen", seen)


@fault("postgresql")
def running_counts_as_seen() -> None:
    """What was running at a position counts as seen: transactions that commit late are lost."""
    parsed = database.parsed

    def forgetful(snapshot: str) -> tuple[int, int, frozenset[int]]:
        return (*parsed(snapshot)[:2], frozenset())

    _replace(database, "parsed", forgetful)


@fault("postgresql", crash=True, abort=0.4)
def unsettled() -> None:
    """Nobody makes sure that a position stays true after a crash."""

    async def settle(self: log.MemoryLog, present: Present) -> None:
        return None

    _replace(log.MemoryLog, "_settle", settle)


@fault(replace=True)
def another_log_unnoticed() -> None:
    """Reads of a database that was restored go on from the old place."""

    def indifferent(epoch: str, position: str, present: Present) -> None:
        return None

    _replace(log, "compare", indifferent)


@fault(prune=True, hangs_up=0.3)
def pruned_unnoticed() -> None:
    """What was pruned is not missed."""
    _replace(Present, "tells_after", lambda self, position: True)


# --- the tailer ---------------------------------------------------------------------------------


@fault(read_fails=0.2)
def place_moves_late() -> None:
    """The tailer hands a batch on, and notes its new place after another read, which may fail."""

    async def hand_on(self: tailer.Tailer, batch: Sequence[Delivery], place: Cursor) -> None:
        for listener in self._listeners if batch else ():
            if (delivering := listener(batch)) is not None:
                await delivering
        await self._log.check(self.place)
        self._place = place

    _replace(tailer.Tailer, "_hand_on", hand_on)


@fault(bell_lost=1.0)
def only_the_bell() -> None:
    """The log is read when the bell rings, and then alone."""
    _replace(tailer, "POLL_INTERVAL", 3600.0)


@fault()
def batch_told_again() -> None:
    """A cursor inside a batch resumes at its beginning."""
    _replace(tailer, "deliveries", _with_cursors(lambda start, end: Cursor(end.epoch, start.start)))


@fault()
def batch_skipped() -> None:
    """A cursor inside a batch resumes at its end."""
    _replace(tailer, "deliveries", _with_cursors(lambda start, end: end))


@fault(hangs_up=0.3, doings=12, writers=3)
def receipts_cut_off() -> None:
    """The last event of a batch bears its final cursor, though receipts come after it."""

    def deliveries(told: Sequence[Told], start: Cursor, end: Cursor) -> list[Delivery]:
        batch = events.deliveries(told, start, end)
        last = max((n for n, each in enumerate(told) if isinstance(each, Event)), default=0)
        return [*batch[:last], *(Delivery(each.event, end) for each in batch[last:])]

    _replace(tailer, "deliveries", deliveries)


def _with_cursors(
    cursor: Callable[[Cursor, Cursor], Cursor],
) -> Callable[[Sequence[Told], Cursor, Cursor], list[Delivery]]:
    def deliveries(told: Sequence[Told], start: Cursor, end: Cursor) -> list[Delivery]:
        batch = events.deliveries(told, start, end)
        return [*(Delivery(each.event, cursor(start, end)) for each in batch[:-1]), *batch[-1:]]

    return deliveries


# --- what is told of the past -------------------------------------------------------------------


@fault()
def nothing_is_veiled() -> None:
    """Who left a chat is told of it as it is now."""

    def with_veils(events: Sequence[Event], *_: object) -> Sequence[Event]:
        return events

    _replace(log, "with_veils", with_veils)
    _replace(hub, "veil", lambda event, *_, **__: event)


# --- the hub ------------------------------------------------------------------------------------


@fault()
def live_at_once() -> None:
    """A subscription goes live in the middle of what the tailer has yet to read."""
    _replace(tailer.Tailer, "at_boundary", lambda self, action: action())


@fault()
def meanwhile_forgotten() -> None:
    """Who joins a chat while their subscription is about to go live does not hear it."""
    enter = hub.Hub._enter

    def forgetful(
        self: hub.Hub, subscription: hub.EventSubscription, chat_id: UUID, since: Since
    ) -> None:
        if subscription.live:
            enter(self, subscription, chat_id, since)

    _replace(hub.Hub, "_enter", forgetful)


@fault()
def no_eviction() -> None:
    """Who leaves a chat goes on hearing it."""
    _replace(hub.Hub, "_evict", lambda self, user_id, chat_id: None)


@fault(mailbox=2)
def mailbox_drops() -> None:
    """A mailbox that is full drops its oldest event instead of ending the subscription."""
    put = mailbox.Mailbox.put

    def dropping(self: mailbox.Mailbox[Any], item: Any, text: int = 0) -> None:
        if len(self._items or ()) >= mailbox.MAILBOX:
            self.drop_first()
        put(self, item, text)

    _replace(mailbox.Mailbox, "put", dropping)


@fault(mailbox=2)
def mailbox_grows() -> None:
    """A mailbox has no bounds."""
    put = mailbox.Mailbox.put

    def growing(self: mailbox.Mailbox[Any], item: Any, text: int = 0) -> None:
        limit, mailbox.MAILBOX = mailbox.MAILBOX, 1_000_000
        put(self, item, text)
        mailbox.MAILBOX = limit

    _replace(mailbox.Mailbox, "put", growing)


@fault()
def nobody_is_removed() -> None:
    """A hub keeps the subscriptions of sockets that are gone."""
    _replace(hub.Hub, "leave", lambda self, subscription: None)


# --- the feed -----------------------------------------------------------------------------------


@fault(hangs_up=0.3)
def resume_gap() -> None:
    """A resumed subscription skips what came between its replay and its going live."""
    between = feed.EventFeed._between

    def skipping(
        self: feed.EventFeed, since: Cursor, until: Cursor, *, after_id: int = 0
    ) -> AsyncIterator[Delivery]:
        if not after_id:  # not the rest of a batch that was cut off
            return _nothing()
        return between(self, since, until, after_id=after_id)

    _replace(feed.EventFeed, "_between", skipping)


@fault(idle=1 / 128, hangs_up=0.3, doings=12)
def idle_cursor_first() -> None:
    """A fresh cursor goes out before the batch that it is behind."""
    hand_on = tailer.Tailer._hand_on

    async def hasty(self: tailer.Tailer, batch: Sequence[Delivery], place: Cursor) -> None:
        self._place = place
        for listener in self._read_listeners:
            listener()
        await hand_on(self, batch, place)

    _replace(tailer.Tailer, "_hand_on", hasty)


async def _nothing() -> AsyncIterator[Any]:
    for never in list[Any]():
        yield never
