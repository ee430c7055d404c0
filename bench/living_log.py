"""Fill a database's log: what one person missed, and what went on meanwhile in chats of others.

What was missed goes the way of every message, through the writer of the send path. What others
wrote is copied inside the database from one such message per chat, with the next numbers, fresh ids
and a transaction per round: the same rows in every column, in a fraction of the time.
"""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import uuid_utils.compat

from bench import databases
from bench.databases import Cast, Person
from bench.entrances import TEXT
from models.base import current_transaction_id
from models.chats import ChatKind, chats
from models.database import Connection, Database
from models.events import EventKind, events
from models.members import members
from models.messages import messages
from models.sending import Outgoing, Rules, Verdict, Writer
from models.sending_postgresql import SLOW_LOCK_TIMEOUT, PostgresqlWriter
from models.sending_sqlite import SqliteWriter
from models.terms import Terms
from resolvers import chats as chat_cases
from resolvers.messages import content_hash
from resolvers.sending import RIGHTS
from resolvers.services import Services
from server.app import open_services

COMPANY = 8  # people who write
ELSEWHERE = 250  # chats of theirs without the one who was away
EARLIER = 100  # messages in each chat that were there before
AT_ONCE = 10  # missed messages that share a commit

# What one connection may do that fills a database which nobody needs yet.
_SQLITE_IN_A_HURRY = ("PRAGMA synchronous=OFF", "PRAGMA cache_size=-1000000")
# Without looking up chat and sender of every copied row: they are those of the row it is made of.
_POSTGRESQL_IN_A_HURRY = ("SET synchronous_commit = off", "SET session_replication_role = replica")


@dataclass(frozen=True, slots=True)
class Gone:
    """Somebody who was away: the cursor they left with and what they missed, in the log's order."""

    person: Person
    cursor: str
    missed: Sequence[tuple[UUID, int]]  # chat and number of each event


async def fill(
    url: str, directory: Path, *, missed: int, chat_count: int, quiet: int, unrelated: int
) -> Gone:
    """Fill an empty database and return who comes back to it.

    They missed something in `chat_count` chats and nothing in `quiet` others. Half of what is
    unrelated comes before they left, half between the messages that they missed.
    """
    cast = await databases.fill(url, directory, people=1 + COMPANY, chat_count=chat_count + quiet)
    async with (
        open_services(databases.settings(url, directory)) as services,
        _writer(services.db) as writer,
        _others(services, cast, writer) as others,
    ):
        tell = _Telling(services, writer, cast)
        for number in range(EARLIER):
            await tell.one_each(cast.chat_ids)
            await others.reach(unrelated // 2 * (number + 1) // EARLIER)
        place = await services.node.feeds.present()
        last_id = await _last_id(services.db)
        rounds = missed // AT_ONCE
        for number in range(rounds):
            await tell.one_each(random.choices(cast.chat_ids[:chat_count], k=AT_ONCE))
            half = unrelated - unrelated // 2
            await others.reach(unrelated // 2 + half * (number + 1) // rounds)
        return Gone(
            cast.people[0],
            services.credentials.cursors.encode(place),
            await _since(services.db, cast.chat_ids, last_id),
        )


@asynccontextmanager
async def _writer(db: Database) -> AsyncIterator[Writer]:
    writer: Writer = (
        SqliteWriter(db, Rules(RIGHTS, Terms()))
        if db.dialect == "sqlite"
        else PostgresqlWriter(db, Rules(RIGHTS, Terms()), lock_timeout=SLOW_LOCK_TIMEOUT)
    )
    try:
        yield writer
    finally:
        await writer.close()


class _Telling:
    """Messages of the company, stored as the send path stores them."""

    def __init__(self, services: Services, writer: Writer, cast: Cast) -> None:
        self._services = services
        self._writer = writer
        self._senders = [person.viewer.user_id for person in cast.people[1:]]

    async def one_each(self, chat_ids: Sequence[UUID]) -> None:
        """Store a message in each of the chats, together."""
        outcomes = await self._writer.store(
            [
                Outgoing(
                    chat_id=chat_id,
                    sender_id=random.choice(self._senders),
                    client_message_id=uuid_utils.compat.uuid4(),
                    text=TEXT,
                    reply_to=None,
                    content_hash=content_hash(self._services, chat_id, TEXT, None),
                )
                for chat_id in chat_ids
            ]
        )
        if any(outcome is None or outcome.verdict is not Verdict.STORED for outcome in outcomes):
            raise RuntimeError(f"not everything was stored: {outcomes}")


class _Others:
    """Chats that the one who was away is not in, and what goes on in them."""

    def __init__(self, connection: Connection, owner_id: UUID, first_event: int) -> None:
        self._connection = connection
        self._owner_id = owner_id
        self._first_event = first_event  # the number of the event that tells of the first message
        self._rounds = 0
        theirs = sa.select(chats.c.id).where(chats.c.created_by == owner_id)
        fresh_id = (
            sa.func.lower(sa.func.hex(sa.func.randomblob(16)))
            if connection.dialect.name == "sqlite"
            else sa.func.gen_random_uuid()
        )
        number = sa.bindparam("number", type_=sa.BigInteger)
        now = sa.bindparam("now", type_=events.c.created_at.type)
        self._copy_message = _copy(
            messages,
            {"seq": number + 1, "client_message_id": fresh_id, "created_at": now},
            messages.c.chat_id.in_(theirs) & (messages.c.seq == 1),
        )
        self._copy_event = _copy(
            events,
            {
                "seq": number + first_event,
                "message_seq": number + 1,
                "xid": current_transaction_id(),
                "created_at": now,
            },
            events.c.chat_id.in_(theirs) & (events.c.seq == first_event),
        )

    async def reach(self, count: int) -> None:
        """Let go on what goes on, until there are so many messages; in rounds of `ELSEWHERE`.

        A round is a transaction; on SQLite, where the log does not show it, all of them are one.
        """
        first, self._rounds = self._rounds + 1, max(self._rounds, count // ELSEWHERE)
        rounds = range(first, self._rounds + 1)
        if self._connection.dialect.name == "sqlite":
            async with self._connection.begin():
                for number in rounds:
                    await self._write(number)
        else:
            for number in rounds:
                async with self._connection.begin():
                    await self._write(number)

    async def _write(self, number: int) -> None:
        values = {"number": number, "now": datetime.now(UTC)}
        await self._connection.execute(self._copy_message, values)
        await self._connection.execute(self._copy_event, values)

    async def settle(self) -> None:
        """Bring the chats' numbers up to what is in them."""
        async with self._connection.begin():
            await self._connection.execute(
                chats.update()
                .where(chats.c.created_by == self._owner_id)
                .values(
                    last_message_seq=chats.c.last_message_seq + self._rounds,
                    last_event_seq=chats.c.last_event_seq + self._rounds,
                    last_activity_at=datetime.now(UTC),
                )
            )
            await self._connection.execute(
                members.update()
                .where(
                    members.c.user_id == self._owner_id,
                    members.c.chat_id.in_(
                        sa.select(chats.c.id).where(chats.c.created_by == self._owner_id)
                    ),
                )
                .values(read_seq=members.c.read_seq + self._rounds)
            )


def _copy(table: sa.Table, changed: dict[str, Any], which: sa.ColumnElement[bool]) -> sa.Insert:
    """Return the statement that copies some rows with other values in some columns."""
    names = [column.name for column in table.c if column is not table.c.get("id")]
    return table.insert().from_select(
        names, sa.select(*(changed.get(name, table.c[name]) for name in names)).where(which)
    )


@asynccontextmanager
async def _others(services: Services, cast: Cast, writer: Writer) -> AsyncIterator[_Others]:
    """Yield chats elsewhere with one message in each; in the end their numbers are right."""
    owner, *rest = [person.viewer for person in cast.people[1:]]
    chat_ids = [
        (
            await chat_cases.create(
                services,
                owner,
                kind=ChatKind.GROUP,
                title=f"Elsewhere {number}",
                description=None,
                member_ids=[viewer.user_id for viewer in rest],
            )
        ).id
        for number in range(ELSEWHERE)
    ]
    await _Telling(services, writer, Cast([cast.people[0], cast.people[1]], [])).one_each(chat_ids)
    async with services.db.reading() as connection:
        first_event = (
            await connection.execute(
                sa.select(events.c.seq).where(
                    events.c.chat_id == chat_ids[0], events.c.kind == EventKind.MESSAGE_SENT.value
                )
            )
        ).scalar_one()
    async with services.db.engine.connect() as connection:
        if services.db.dialect == "sqlite":
            raw: Any = (await connection.get_raw_connection()).driver_connection
            for pragma in _SQLITE_IN_A_HURRY:  # which cannot be set inside a transaction
                await raw.execute(pragma)
            connection = await connection.execution_options(sqlite_begin="IMMEDIATE")
        else:
            for setting in _POSTGRESQL_IN_A_HURRY:
                await connection.execute(sa.text(setting))
            await connection.commit()
        others = _Others(connection, owner.user_id, first_event)
        yield others
        await others.settle()
        await connection.invalidate()  # nobody else gets a connection in a hurry


async def _last_id(db: Database) -> int:
    async with db.reading() as connection:
        return int((await connection.execute(sa.select(sa.func.max(events.c.id)))).scalar_one())


async def _since(db: Database, chat_ids: Sequence[UUID], last_id: int) -> list[tuple[UUID, int]]:
    async with db.reading() as connection:
        rows = await connection.execute(
            sa.select(events.c.chat_id, events.c.seq)
            .where(events.c.chat_id.in_(chat_ids), events.c.id > last_id)
            .order_by(events.c.id)
        )
        return [(row.chat_id, row.seq) for row in rows]
