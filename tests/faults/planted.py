"""Run a node with a fault planted in it, to see that the checker finds it.

Started as `python -P planted.py <fault> api`, in place of `hubbub api`; nothing of this is in the
product. Each function takes one guarantee away, by its name in `realtime/` or `models/`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

import resolvers.locked_chat
import resolvers.messages
from models import events, log_state, messages
from models.database import Database
from models.viewer import Viewer
from realtime import bus, tailer
from realtime.feed import Feed
from resolvers.locked_chat import LockedChat
from resolvers.services import Services

FAULTS: dict[str, Callable[[], None]] = {}


def fault(plant: Callable[[], None]) -> Callable[[], None]:
    FAULTS[plant.__name__] = plant
    return plant


@fault
def id_cursor() -> None:
    """The tailer asks for `id > last` instead of what a snapshot has not seen."""
    last: int | None = None
    newest = sa.select(sa.func.coalesce(sa.func.max(events.events.c.id), 0))

    async def since(connection: AsyncConnection, start: str) -> events.Batch:
        nonlocal last
        if last is None:
            last = int((await connection.execute(newest)).scalar_one())
        above = sa.select(*events.LOGGED_COLUMNS).where(events.events.c.id > last)
        rows = (await connection.execute(above.order_by(events.events.c.id))).all()
        last = max([last, *(row.id for row in rows)])
        present = await log_state.present(connection)
        return events.Batch([events.LoggedEvent(*row) for row in rows], present)

    _replace(events, "since", since)


@fault
def no_unique_key() -> None:
    """Nobody looks whether a send was stored before; `cluster.py` drops the unique key."""

    async def sent_before(*_: Any) -> None:
        return None

    _replace(messages, "sent_before", sent_before)


@fault
def deaf_bus() -> None:
    """The bus goes to work without having heard itself, on a subscription that never came about.

    That is what `broadcaster` leaves behind when its listener starts before its first SUBSCRIBE.
    Nobody notices that the node hears nothing, and nobody polls.
    """

    async def until_heard(self: bus.Bus, broadcast: Any) -> None:
        return None

    async def listen(self: bus.Bus, subscriber: Any) -> None:
        await asyncio.Event().wait()

    _replace(bus.Bus, "_until_heard", until_heard)
    _replace(bus.Bus, "_listen", listen)
    _replace(bus.Bus, "healthy", lambda self: True)
    _replace(tailer, "POLL_INTERVAL", 3600.0)


@fault
def resume_gap() -> None:
    """A resumed subscription skips what came between its replay and the boundary of going live."""
    between = Feed._between

    def skipping(self: Feed, since: Any, until: Any, *, after_id: int = 0) -> AsyncIterator[Any]:
        if not after_id:  # not the rest of a batch that was cut off
            return _nothing()
        return between(self, since, until, after_id=after_id)

    _replace(Feed, "_between", skipping)


async def _nothing() -> AsyncIterator[Any]:
    for never in list[Any]():
        yield never


@fault
def early_answer() -> None:
    """A send is acknowledged and announced before its COMMIT, which follows a moment later."""
    changing = resolvers.locked_chat.changing

    @asynccontextmanager
    async def early(services: Services, viewer: Viewer, chat_id: UUID) -> AsyncIterator[LockedChat]:
        hasty: Any = _Hasty(services.db)
        async with changing(dataclasses.replace(services, db=hasty), viewer, chat_id) as locked:
            yield locked

    _replace(resolvers.messages, "changing", early)


class _Hasty:
    """A database whose write transactions are committed after their block."""

    _committing: ClassVar[set[asyncio.Task[None]]] = set()

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        connection = await self._db.engine.connect()
        try:
            yield connection
        except BaseException:
            await connection.close()
            raise
        task = asyncio.create_task(self._commit(connection))
        self._committing.add(task)
        task.add_done_callback(self._committing.discard)

    async def _commit(self, connection: AsyncConnection) -> None:
        await asyncio.sleep(0.2)
        await connection.commit()
        await connection.close()


def _replace(owner: Any, name: str, by: Any) -> None:
    """Replace something that is there; a fault planted beside the product would prove nothing."""
    getattr(owner, name)
    setattr(owner, name, by)


def main() -> None:
    from server.cli import main as run

    FAULTS[sys.argv.pop(1)]()
    run()


if __name__ == "__main__":
    main()
