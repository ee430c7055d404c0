"""What was missed is read page by page: everything once, in the log's order, or not at all."""

import random
from uuid import UUID

import pytest
import sqlalchemy as sa

from models import catch_up, events, log_state
from models.base import new_key
from models.catch_up import Missed, Range
from models.database import Database
from models.events import EventKind, LoggedEvent
from resolvers.services import utc_now

PERSON = new_key()
CHATS = [new_key() for _ in range(8)]


async def log(db: Database, chat_ids: list[UUID]) -> None:
    """Append an event to each of these chats, in this order, and some to a person in between."""
    numbers = dict.fromkeys(CHATS, 0)
    kind, own = EventKind.MESSAGE_SENT.value, EventKind.SESSION_ENDED.value
    rows: list[LoggedEvent] = []
    for chat_id in chat_ids:
        numbers[chat_id] += 1
        seq = numbers[chat_id]
        rows.append(LoggedEvent(0, chat_id, None, seq, kind, None, None, seq, utc_now()))
        if len(rows) % 40 == 0:
            rows.append(LoggedEvent(0, None, PERSON, None, own, None, PERSON, None, utc_now()))
    async with db.writing() as connection:
        await events.record_many(connection, rows)


async def missed(db: Database, ranges: list[Range]) -> Missed:
    """Return these ranges, and what was addressed to `PERSON`, as missed from the beginning on."""
    async with db.reading() as connection:
        present = await log_state.present(connection)
    nothing = "0" if db.dialect == "sqlite" else "1:1:"
    return Missed(PERSON, nothing, present.position, present, ranges, 0)


async def read(db: Database, left: Missed, limit: int) -> list[tuple[UUID | None, int | None]]:
    """Read what was missed page by page to its end."""
    told: list[tuple[UUID | None, int | None]] = []
    async with db.reading() as connection:
        while left.left:
            page = await catch_up.page(connection, left, limit)
            assert page is not None
            assert len(page.events) <= limit
            told += [(event.chat_id, event.seq) for event in page.events]
    return told


MIXED = random.Random(1)
ORDERS = {
    "mixed": [MIXED.choice(CHATS) for _ in range(400)],
    "one chat after the other": [chat_id for chat_id in CHATS for _ in range(50)],
    "one loud chat among quiet ones": CHATS * 2 + [CHATS[0]] * 380 + CHATS,
}


@pytest.mark.parametrize("limit", [1, 3, 40, 1000])
@pytest.mark.parametrize("order", ORDERS)
async def test_pages_hold_everything_once_and_in_the_order_of_the_log(
    migrated_database_url, order, limit
):
    db = Database(migrated_database_url)
    chat_ids = ORDERS[order]
    try:
        await log(db, chat_ids)
        last = {chat_id: chat_ids.count(chat_id) for chat_id in CHATS}
        # Of one chat nothing, of another two stays with a gap in between.
        gap = range(last[CHATS[1]] // 3 + 1, last[CHATS[1]] // 2 + 1)
        ranges = [Range(chat_id, 1, last[chat_id]) for chat_id in CHATS[2:]]
        ranges += [Range(CHATS[1], 1, gap.start - 1), Range(CHATS[1], gap.stop, last[CHATS[1]])]
        ranges = [each for each in ranges if each.first <= each.last]
        told = await read(db, await missed(db, ranges), limit)
        async with db.reading() as connection:
            logged = await connection.execute(
                sa.select(events.events.c.chat_id, events.events.c.seq).order_by(events.events.c.id)
            )
        assert told == [
            (row.chat_id, row.seq)
            for row in logged
            if row.chat_id != CHATS[0] and not (row.chat_id == CHATS[1] and row.seq in gap)
        ]
    finally:
        await db.close()


async def test_nothing_is_told_once_some_of_it_is_gone(migrated_database_url):
    db = Database(migrated_database_url)
    try:
        await log(db, ORDERS["mixed"])
        ranges = [Range(chat_id, 1, ORDERS["mixed"].count(chat_id)) for chat_id in CHATS]
        left = await missed(db, ranges)
        async with db.writing() as connection:
            await events.prune(connection, before=utc_now(), keep=400, limit=10)
        async with db.reading() as connection:
            assert await catch_up.page(connection, left, 100) is None
    finally:
        await db.close()
