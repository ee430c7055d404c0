"""Run a node with a fault planted in it, to see that the checker finds it.

Started as `python -P planted.py <fault> api`, in place of `hubbub api`; nothing of this is in the
product. Each function takes one guarantee away and says by which changes. A change whose target is
not there any more, or is called in another way, raises `StalePlant`: a fault planted beside the
product would prove nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncTransaction

from models import events, log_state, marking, sending_postgresql, storing_postgresql
from models.sending import Change, Outcome
from models.sending_postgresql import PostgresqlWriter
from realtime import bus, tailer
from realtime.cursor import Cursor
from realtime.events import Delivery, ReceiptsAdvanced
from realtime.feed import EventFeed
from realtime.hub import Hub


class StalePlant(Exception):
    """What a fault is planted in has changed: plant it anew."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """Something of the product, and what takes its place."""

    owner: Any
    name: str
    by: Any

    def __post_init__(self) -> None:
        """Raise `StalePlant` unless the replacement would be used as the original is."""
        where = f"{getattr(self.owner, '__name__', self.owner)}.{self.name}"
        original = getattr(self.owner, self.name, None)
        if original is None:
            raise StalePlant(f"there is no {where}")
        if _usage(original) != _usage(self.by):
            raise StalePlant(f"{where} is {_usage(original)}, not {_usage(self.by)}")


def _usage(thing: Any) -> str:
    """Return how something is used: a function's kind and parameters, else a type."""
    if not inspect.isfunction(thing):
        return type(thing).__name__
    parameters = inspect.signature(thing).parameters.values()
    kind = (
        "async generator"
        if inspect.isasyncgenfunction(thing)
        else "coroutine"
        if inspect.iscoroutinefunction(thing)
        else "function"
    )
    return f"a {kind} of {', '.join(f'{each.kind.description} {each.name}' for each in parameters)}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, under which nemeses it shows, and as what it is to be found."""

    about: str
    plant: Callable[[], Sequence[Replacement]]
    nemeses: frozenset[str]
    found_as: frozenset[str]


FAULTS: dict[str, Fault] = {}

Plant = Callable[[], Sequence[Replacement]]


def fault(*found_as: str, under: Collection[str] = ()) -> Callable[[Plant], Plant]:
    """Register a fault; without nemeses it shows under load alone."""

    def register(plant: Plant) -> Plant:
        about = inspect.getdoc(plant) or ""
        FAULTS[plant.__name__] = Fault(about, plant, frozenset(under), frozenset(found_as))
        return plant

    return register


# --- the log and the bus --------------------------------------------------------------------------


@fault("gap", "never told")
def id_cursor() -> Sequence[Replacement]:
    """The tailer asks for `id > last` instead of what a snapshot has not seen."""
    last: int | None = None
    newest = sa.select(sa.func.coalesce(sa.func.max(events.events.c.id), 0))

    async def since(connection: AsyncConnection, position: str) -> events.Batch:
        nonlocal last
        if last is None:
            last = int((await connection.execute(newest)).scalar_one())
        above = sa.select(*events.LOGGED_COLUMNS).where(events.events.c.id > last)
        rows = (await connection.execute(above.order_by(events.events.c.id))).all()
        last = max([last, *(row.id for row in rows)])
        logged = [events.LoggedEvent(*row) for row in rows]
        return events.Batch(logged, await log_state.present(connection))

    return [Replacement(events, "since", since)]


@fault("not told until somebody rang", "never told")
def deaf_bus() -> Sequence[Replacement]:
    """The bus goes to work without having heard itself, on a subscription that never came about.

    That is what `broadcaster` leaves behind when its listener starts before its first SUBSCRIBE.
    Nobody notices that the node hears nothing, and nobody polls.
    """

    async def until_heard(self: bus.Bus, broadcast: Any) -> None:
        return None

    async def listen(self: bus.Bus, subscriber: Any) -> None:
        await asyncio.Event().wait()

    def healthy(self: bus.Bus) -> bool:
        return True

    return [
        Replacement(bus.Bus, "_until_heard", until_heard),
        Replacement(bus.Bus, "_listen", listen),
        Replacement(bus.Bus, "healthy", healthy),
        Replacement(tailer, "POLL_INTERVAL", 3600.0),
    ]


@fault("gap", under=["herd", "cut_mid_frame"])
def resume_gap() -> Sequence[Replacement]:
    """A resumed subscription skips what came between its replay and the boundary of going live."""
    between = EventFeed._between

    async def skipping(
        self: EventFeed, since: Cursor, until: Cursor, *, after_id: int = 0
    ) -> AsyncIterator[Delivery]:
        if after_id:  # the rest of a batch that was cut off
            async for delivery in between(self, since, until, after_id=after_id):
                yield delivery

    return [Replacement(EventFeed, "_between", skipping)]


# --- the hub --------------------------------------------------------------------------------------


@fault("told outside membership")
def no_eviction() -> Sequence[Replacement]:
    """Who leaves a chat goes on hearing it until their socket ends."""

    def evict(self: Hub, user_id: Any, chat_id: Any) -> None:
        return None

    return [Replacement(Hub, "_evict", evict)]


@fault("told twice or out of order")
def newest_first() -> Sequence[Replacement]:
    """A batch is delivered from its end."""
    deliver = Hub.deliver

    async def backwards(self: Hub, batch: Sequence[Delivery]) -> None:
        await deliver(self, batch[::-1])

    return [Replacement(Hub, "deliver", backwards)]


@fault("receipt never told", "not told until somebody rang")
def lost_receipts() -> Sequence[Replacement]:
    """Receipts are told to those who come back only."""

    def deliver(self: Hub, delivery: Delivery, receipt: ReceiptsAdvanced) -> None:
        return None

    return [Replacement(Hub, "_deliver_receipt", deliver)]


# --- sending --------------------------------------------------------------------------------------


@fault("stored twice", under=["swallow_answers", "kill_node"])
def no_unique_key() -> Sequence[Replacement]:
    """Nobody looks whether a send was stored before; `cluster.py` drops the unique key."""
    before = "sender_id = batch.sender_id AND client_message_id = batch.client_message_id"
    return [_changed(storing_postgresql, "_ON_POSTGRESQL", before, "false")]


@fault("sent by an outsider", "refused and stored")
def no_membership_check() -> Sequence[Replacement]:
    """Who was ever in a chat may send to it."""
    before = "user_id = batch.sender_id AND chat_id = batch.chat_id AND left_seq IS NULL"
    after = "user_id = batch.sender_id AND chat_id = batch.chat_id ORDER BY joined_seq DESC LIMIT 1"
    return [_changed(storing_postgresql, "_ON_POSTGRESQL", before, after)]


@fault("receipt went back", "wrong pointers")
def pointers_go_back() -> Sequence[Replacement]:
    """A mark sets a pointer, wherever it stood."""
    before = "greatest(members.read_seq, furthest.read)"
    return [_changed(marking, "_ON_POSTGRESQL", before, "furthest.read")]


@fault("acknowledged and lost", under=["kill_node", "kill_postgres"])
def early_answer() -> Sequence[Replacement]:
    """A batch is acknowledged and announced before its COMMIT, which follows a moment later."""
    committing: set[asyncio.Task[None]] = set()

    async def transact(
        self: PostgresqlWriter,
        batch: Sequence[Change],
        chat_ids: Collection[Any],
        lock: sa.TextClause,
    ) -> list[Outcome | None]:
        connection = await self._engine.connect()
        try:
            transaction = await connection.begin()
            outcomes = await sending_postgresql._attempt(
                connection, batch, chat_ids, lock, self._rules
            )
        except BaseException:
            await connection.close()
            raise
        task = asyncio.create_task(_commit_later(connection, transaction))
        committing.add(task)
        task.add_done_callback(committing.discard)
        return outcomes

    return [Replacement(PostgresqlWriter, "_transact", transact)]


async def _commit_later(connection: AsyncConnection, transaction: AsyncTransaction) -> None:
    await asyncio.sleep(0.1)
    with contextlib.suppress(Exception):  # PostgreSQL may be gone by now: that is the point
        await transaction.commit()
        await connection.close()


def _changed(module: ModuleType, name: str, before: str, after: str) -> Replacement:
    """Return a statement that says something else; `before` has to stand in it once."""
    statement = getattr(module, name, None)
    if not isinstance(statement, sa.TextualSelect) or str(statement).count(before) != 1:
        raise StalePlant(f"{module.__name__}.{name} does not say {before!r} once")
    changed = sa.text(str(statement).replace(before, after))
    return Replacement(module, name, changed.columns(*statement.column_args))


def main() -> None:
    from server.cli import main as run

    for replacement in FAULTS[sys.argv.pop(1)].plant():
        setattr(replacement.owner, replacement.name, replacement.by)
    run()


if __name__ == "__main__":
    main()
