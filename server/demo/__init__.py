"""Fill an empty server with a small world, to look at and to develop against.

`people` and `plots` say who there is, `talk/` what they say to each other. `scripts` reads that,
`telling` puts it into words, `story` decides what happens in each chat and `rhythm` when, `ledger`
numbers it; this module stores it, and `report` says how to go on.
"""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from heapq import merge
from random import Random
from uuid import UUID

import sqlalchemy as sa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from models import chats, events, members, messages, search, users
from models.database import Connection
from models.messages import Message, MessageKind
from models.search import Text
from models.terms import Terms
from models.users import User
from resolvers.messages import content_hash
from resolvers.services import Services, utc_now
from server.demo import scripts
from server.demo.ledger import Entry, Keys, Ledger
from server.demo.people import PEOPLE
from server.demo.report import print_report
from server.demo.story import Stories, Story

SEED = "a harbour town"
PASSWORD = "hubbub-demo"  # noqa: S105 - printed for everybody to use
BATCH = 500  # events in one statement; 50 take twice as long, 5,000 are no faster


class NotEmpty(Exception):
    """Somebody has registered already; nothing was stored."""

    def __init__(self) -> None:
        super().__init__(
            "There are people on this server already, and the demo fills an empty one only. "
            "Set HUBBUB_DATA_DIR to another folder, or HUBBUB_DATABASE_URL to an empty database."
        )


async def fill(
    services: Services,
    *,
    message_count: int = 4000,
    seed: str = SEED,
    now: datetime | None = None,
    console: Console | None = None,
) -> None:
    """Store people, chats and messages that end just before `now`, and print log-ins to try.

    All or nothing: one transaction holds everything. The same seed makes the same people say the
    same things whenever it is. Raises `NotEmpty`.
    """
    console = console or _standard_output()
    async with services.db.reading() as connection:
        await _require_empty(connection)  # asked again below; now it costs no work in vain
    # One hash for all: they share their password anyway, and 30 hashes would take seconds.
    password_hash = await services.credentials.passwords.hash(PASSWORD)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        telling = progress.add_task("Making up conversations", total=message_count)
        storing = progress.add_task("Storing them", total=message_count)
        stories = Stories(seed, scripts.load()).all(
            message_count, now or utc_now(), partial(progress.advance, telling)
        )
        async with services.db.writing() as connection:
            await _close_to_others(connection)
            await _require_empty(connection)
            await _store(
                connection,
                services.terms,
                stories,
                password_hash,
                keys=Keys(Random(seed)),  # noqa: S311 - ids are no secrets
                hash_=partial(content_hash, services),
                stored=partial(progress.advance, storing),
            )
    # Nobody has to be told: there was nobody.
    async with services.db.reading() as connection:
        await print_report(console, connection, password=PASSWORD)


def _standard_output() -> Console:
    # Names are in many scripts. Where the terminal has not all of them, a question mark is better
    # than an error at the end, when everything is stored.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


async def _require_empty(connection: Connection) -> None:
    if (await connection.execute(sa.select(sa.exists().select_from(users.users)))).scalar_one():
        raise NotEmpty


async def _close_to_others(connection: Connection) -> None:
    """Let nobody register until the end; on SQLite nobody else can write as it is."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))


async def _store(
    connection: Connection,
    terms: Terms,
    stories: Sequence[Story],
    password_hash: str,
    *,
    keys: Keys,
    hash_: Callable[..., bytes],
    stored: Callable[[int], None],
) -> None:
    """Store the world; `stored` is told how many messages each statement added."""
    # Everybody had registered when the first chat began.
    moment = min(story.begins for story in stories) - timedelta(days=9)
    ids: dict[str, UUID] = {}
    for person in PEOPLE:
        moment += timedelta(hours=7)
        user = User(keys.at(moment), person.handle, person.name, None, False, moment)
        await users.create(connection, user, password_hash)
        ids[person.handle] = user.id
    ledgers = [Ledger(story, ids, keys, hash_) for story in stories]
    for ledger in ledgers:
        pair = chats.direct_key(*ledger.founders) if ledger.story.direct else None
        await chats.create(connection, ledger.chat, pair=pair)

    # The log holds all chats' events in the order of time, as it would have grown.
    batch: list[Entry] = []
    for entry in merge(*(ledger.entries() for ledger in ledgers), key=_moment):
        batch.append(entry)
        if len(batch) == BATCH:
            stored(await _write(connection, terms, batch))
            batch.clear()
    if batch:
        stored(await _write(connection, terms, batch))

    # Only now the books are complete.
    await members.add(connection, [member for ledger in ledgers for member in ledger.members])
    await connection.execute(
        chats.chats.update().where(chats.chats.c.id == sa.bindparam("chat_id")),
        [{"chat_id": ledger.chat.id, **_counts(ledger)} for ledger in ledgers],
    )


def _moment(entry: Entry) -> datetime:
    return entry.event.created_at


async def _write(connection: Connection, terms: Terms, batch: Sequence[Entry]) -> int:
    """Store events and the messages among them; returns how many of these people have written."""
    sent = [entry.sent for entry in batch if entry.sent is not None]
    if sent:
        await messages.insert_many(connection, sent)
        await search.add(connection, terms, [*_texts(sent)])
    await events.record_many(connection, [entry.event for entry in batch])
    return sum(message.kind != MessageKind.SYSTEM for message, _ in sent)


def _texts(sent: Sequence[tuple[Message, bytes]]) -> Iterator[Text]:
    for message, _ in sent:
        if message.text:  # neither deleted nor a system message
            yield Text(message.chat_id, message.seq, message.sender_id, message.text)


def _counts(ledger: Ledger) -> dict[str, object]:
    changed = ("last_message_seq", "last_event_seq", "last_activity_at", "member_count")
    return {name: value for name, value in asdict(ledger.chat).items() if name in changed}
