"""Messages whose time is over: which they are, and taking away what they said."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.chats import chats
from models.database import Connection
from models.messages import EMPTIED, MessageKey, messages

# By the index of those that are there still, so that it costs what it finds.
_DUE = (
    sa.select(messages.c.chat_id, messages.c.seq)
    .where(messages.c.expires_at <= sa.bindparam("now"), messages.c.deleted_at.is_(None))
    .order_by(messages.c.expires_at)
    .limit(sa.bindparam("limit"))
)
_EMPTY = (
    messages.update()
    .where(
        messages.c.chat_id == sa.bindparam("of_chat"),
        messages.c.seq.in_(sa.bindparam("seqs", expanding=True)),
        messages.c.expires_at <= sa.bindparam("now"),
        messages.c.deleted_at.is_(None),
    )
    # What was shown since it expired is what is there from now on.
    .values(**EMPTIED, deleted_at=messages.c.expires_at)
    .returning(messages.c.seq)
)
_FIRST_LASTING = (
    sa.select(messages.c.seq)
    .where(
        messages.c.chat_id == chats.c.id,
        messages.c.seq > chats.c.expired_seq,
        messages.c.deleted_at.is_(None),
    )
    .order_by(messages.c.seq)
    .limit(1)
    .scalar_subquery()
)
_ADVANCE = (
    chats.update()
    .where(chats.c.id == sa.bindparam("chat_id"))
    .values(
        expired_seq=sa.func.coalesce(_FIRST_LASTING - 1, chats.c.last_message_seq),
        last_event_seq=chats.c.last_event_seq + sa.bindparam("size", type_=sa.BigInteger),
    )
    .returning(chats.c.last_event_seq)
)


async def due(connection: Connection, now: datetime, *, limit: int) -> Sequence[MessageKey]:
    """Return messages that have expired and still hold what they said, the longest due first."""
    rows = await connection.execute(_DUE, {"now": now, "limit": limit})
    return [(row.chat_id, row.seq) for row in rows]


async def empty(
    connection: Connection, chat_id: UUID, seqs: Collection[int], now: datetime
) -> list[int]:
    """Take away what expired messages of a locked chat said; returns which of them, in order.

    Those that somebody else was faster with are not among them.
    """
    rows = await connection.execute(_EMPTY, {"of_chat": chat_id, "seqs": list(seqs), "now": now})
    return sorted(rows.scalars())


async def advance(connection: Connection, chat_id: UUID, size: int) -> int:
    """Count a locked chat's empty beginning, and take so many event numbers; returns the first."""
    rows = await connection.execute(_ADVANCE, {"chat_id": chat_id, "size": size})
    return int(rows.scalar_one()) - size + 1
