"""Drafts: what somebody has begun to write, one for each chat and each thread."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.messages import MessageKey

THE_CHAT = 0  # in place of a thread's root: what is written is for the chat itself

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE")),
    sa.Column("thread_root_seq", sa.BigInteger, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reply_to_seq", sa.BigInteger),
    # Another one with every change, so that a device knows whether it has seen the last one.
    sa.Column("version", sa.Uuid, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "chat_id", "thread_root_seq"),
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody has begun to write in a chat, or in one of its threads."""

    user_id: UUID
    chat_id: UUID
    thread_root_seq: int
    text: str
    reply_to_seq: int | None
    version: UUID
    updated_at: datetime

    @property
    def place(self) -> MessageKey:
        """Where it is for: the chat, and the number of the thread's root or `THE_CHAT`."""
        return self.chat_id, self.thread_root_seq


_COLUMNS = columns(drafts, Draft)
_AT = {
    dialect: sa.text(
        pairs.by_pairs(
            dialect,
            _COLUMNS,
            drafts.c.chat_id,
            drafts.c.thread_root_seq,
            where="user_id = :user_id",
        )
    )
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(*_COLUMNS)
    for dialect in ("sqlite", "postgresql")
}
_COUNT = (
    sa.select(sa.func.count())
    .select_from(drafts)
    .where(drafts.c.user_id == sa.bindparam("user_id"))
)


async def at(
    connection: Connection, user_id: UUID, places: Iterable[MessageKey]
) -> dict[MessageKey, Draft]:
    """Return somebody's drafts for these places, those that there are."""
    wanted = set(places)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(
        _AT[dialect], {"user_id": user_id, **pairs.parameters(dialect, wanted)}
    )
    return {(row.chat_id, row.thread_root_seq): Draft(*row) for row in rows}


async def count(connection: Connection, user_id: UUID) -> int:
    """Return how many drafts somebody has."""
    return int((await connection.execute(_COUNT, {"user_id": user_id})).scalar_one())


async def replace(
    connection: Connection, user_id: UUID, place: MessageKey, draft: Draft | None
) -> None:
    """Store another draft for a place, or none; the account must be locked."""
    chat_id, root_seq = place
    await connection.execute(
        drafts.delete().where(
            drafts.c.user_id == user_id,
            drafts.c.chat_id == chat_id,
            drafts.c.thread_root_seq == root_seq,
        )
    )
    if draft is not None:
        await connection.execute(
            drafts.insert(), {field.name: getattr(draft, field.name) for field in fields(draft)}
        )
