"""How many people, and who, have received and read a message: worked out of their pointers.

In a chat in which members see each other's pointers, from each of these. In a larger one people
are counted, by where their pointers stand with regard to the messages that are asked for: one walk
over a chat's members however many messages of it those are.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models.database import Connection
from models.members import members
from models.messages import Message, MessageKey
from models.settings import settings

# In a still larger chat nobody is counted: no question may cost more than so many rows.
COUNTED_UP_TO = 10_000  # members

_NOT_HIDING = ~sa.exists().where(settings.c.user_id == members.c.user_id, settings.c.hides_receipts)
# Numbers of events begin at 1. Said like this, the index of who is present, which begins with the
# person, is of no use: with a plan made while there was nobody, PostgreSQL went through all of it.
_PRESENT = sa.func.coalesce(members.c.left_seq, 0) == 0
# Whoever came later, and may read it, was not there; whoever has cleared their history was.
_CAME = sa.func.coalesce(members.c.joined_message_seq, members.c.first_message_seq)
_POINTERS = (
    sa.select(
        members.c.chat_id,
        members.c.user_id,
        _CAME.label("came"),
        members.c.delivered_seq,
        members.c.read_seq,
    )
    .where(
        members.c.chat_id.in_(sa.bindparam("chat_ids", expanding=True)),
        _PRESENT,
        _NOT_HIDING,
    )
    .order_by(members.c.id)
)


def _clipped(
    column: sa.ColumnElement[int], least: sa.BindParameter[int], most: sa.BindParameter[int]
) -> sa.ColumnElement[int]:
    return sa.case((column < least, least), (column > most, most), else_=column)


# Pointers before the oldest message that is asked for, and beyond the newest, are all the same.
_BEFORE, _OLDEST, _NEWEST, _BEYOND = (
    sa.bindparam(name, type_=sa.BigInteger) for name in ("before", "oldest", "newest", "beyond")
)
_PLACES = (
    _clipped(_CAME, _OLDEST, _BEYOND).label("came"),
    _clipped(members.c.delivered_seq, _BEFORE, _NEWEST).label("delivered"),
    _clipped(members.c.read_seq, _BEFORE, _NEWEST).label("read"),
    # Who sent one of them is not counted for that.
    sa.case(
        (members.c.user_id.in_(sa.bindparam("sender_ids", expanding=True)), members.c.user_id)
    ).label("sender_id"),
)
_GROUPED = (
    sa.select(*_PLACES, sa.func.count().label("size"))
    .where(
        members.c.chat_id == sa.bindparam("chat_id"),
        _PRESENT,
        members.c.delivered_seq >= _OLDEST,
        _NOT_HIDING,
    )
    .group_by(sa.literal_column("1"), sa.literal_column("2"), sa.literal_column("3"))
    .group_by(sa.literal_column("4"))
)


@dataclass(frozen=True, slots=True)
class Count:
    """How many of the others have received and read a message."""

    delivered: int
    read: int
    reader_ids: tuple[UUID, ...] | None = None  # in the order in which they came; None: not told


async def of_small_chats(
    connection: Connection, wanted: Collection[Message], *, uncounted: Collection[UUID] = ()
) -> dict[MessageKey, Count]:
    """Return how many, and who, for messages of chats that are small enough to say who.

    Counted are those who are in the chat and were when the message was sent, without the sender and
    without who hides receipts; in `uncounted` chats nobody.
    """
    of_chat = defaultdict(list)
    chat_ids = {message.chat_id for message in wanted}.difference(uncounted)
    if chat_ids:
        for row in await connection.execute(_POINTERS, {"chat_ids": list(chat_ids)}):
            of_chat[row.chat_id].append(row)
    counts = {}
    for message in wanted:
        there = [
            row
            for row in of_chat[message.chat_id]
            if row.user_id != message.sender_id and row.came <= message.seq
        ]
        counts[message.chat_id, message.seq] = Count(
            sum(row.delivered_seq >= message.seq for row in there),
            sum(row.read_seq >= message.seq for row in there),
            tuple(row.user_id for row in there if row.read_seq >= message.seq),
        )
    return counts


async def of_large_chat(
    connection: Connection, chat_id: UUID, wanted: Collection[Message]
) -> dict[MessageKey, Count]:
    """Return how many for messages of one chat, counted like those of a small one; never who."""
    seqs = [message.seq for message in wanted]
    values = {
        "chat_id": chat_id,
        "before": min(seqs) - 1,
        "oldest": min(seqs),
        "newest": max(seqs),
        "beyond": max(seqs) + 1,
        "sender_ids": list({message.sender_id for message in wanted}),
    }
    groups = (await connection.execute(_GROUPED, values)).all()

    def count(message: Message, pointer: str) -> int:
        return sum(
            group.size
            for group in groups
            if group.came <= message.seq
            and getattr(group, pointer) >= message.seq
            and group.sender_id != message.sender_id
        )

    return {
        (chat_id, message.seq): Count(count(message, "delivered"), count(message, "read"))
        for message in wanted
    }
