"""How long the server keeps what is said: a moment at which each message expires, set in time.

Within a chat messages are in the order of their times, so what is due is always a beginning of it.
A mark says how far a chat has been gone through.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.base import metadata
from models.chats import chats
from models.database import Connection
from models.messages import messages

retention_marks = sa.Table(
    "retention_marks",
    metadata,
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    # Every message up to this one has been given its end.
    sa.Column("seq", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is to do in the chats that were looked at, and after which the next come."""

    due: Sequence[UUID]
    last: UUID | None  # None when there are no more


_AFTER_MARK = sa.func.coalesce(retention_marks.c.seq, 0)
_LOOK = (
    sa.select(
        chats.c.id,
        sa.select(messages.c.created_at < sa.bindparam("sent_before"))
        .where(messages.c.chat_id == chats.c.id, messages.c.seq == _AFTER_MARK + 1)
        .scalar_subquery()
        .label("due"),
    )
    .select_from(chats.outerjoin(retention_marks, retention_marks.c.chat_id == chats.c.id))
    .where(chats.c.id > sa.bindparam("after"))
    .order_by(chats.c.id)
    .limit(sa.bindparam("limit"))
)
_NEXT = (
    sa.select(messages.c.seq, messages.c.created_at, messages.c.expires_at, messages.c.deleted_at)
    .where(
        messages.c.chat_id == sa.bindparam("chat_id"),
        messages.c.seq
        > sa.func.coalesce(
            sa.select(retention_marks.c.seq)
            .where(retention_marks.c.chat_id == sa.bindparam("chat_id"))
            .scalar_subquery(),
            0,
        ),
    )
    .order_by(messages.c.seq)
    .limit(sa.bindparam("limit"))
)


async def look(connection: Connection, *, sent_before: datetime, after: UUID, limit: int) -> Looked:
    """Return which of the next chats have messages from before a moment that have no end yet."""
    rows = (
        await connection.execute(
            _LOOK, {"sent_before": sent_before, "after": after, "limit": limit}
        )
    ).all()
    due = [row.id for row in rows if row.due]
    return Looked(due, rows[-1].id if len(rows) == limit else None)


async def give_ends(
    connection: Connection, chat_id: UUID, kept: timedelta, *, sent_before: datetime, limit: int
) -> int:
    """Have the oldest messages of a locked chat expire in time; returns how many were looked at."""
    rows = (await connection.execute(_NEXT, {"chat_id": chat_id, "limit": limit})).all()
    old = [row for row in rows if row.created_at < sent_before]
    if not old:
        return 0
    ends = [
        {"of_chat": chat_id, "of_seq": row.seq, "end": row.created_at + kept}
        for row in old
        if row.deleted_at is None
        and (row.expires_at is None or row.expires_at > row.created_at + kept)
    ]
    if ends:
        await connection.execute(_SET_END, ends)
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    mark = insert(retention_marks).values(chat_id=chat_id, seq=old[-1].seq)
    await connection.execute(
        mark.on_conflict_do_update(index_elements=["chat_id"], set_={"seq": mark.excluded.seq})
    )
    return len(old)


_SET_END = (
    messages.update()
    .where(messages.c.chat_id == sa.bindparam("of_chat"), messages.c.seq == sa.bindparam("of_seq"))
    .values(expires_at=sa.bindparam("end"))
)
