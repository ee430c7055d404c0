"""Reactions to messages: one of each kind per person."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.database import Connection
from models.messages import MessageKey

MAX_KINDS = 50  # different ones on a message

reactions = sa.Table(
    "reactions",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("emoji", sa.String(32)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("chat_id", "message_seq", "user_id", "emoji"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)


@dataclass(frozen=True, slots=True)
class ReactionGroup:
    """How many people reacted to a message in the same way."""

    emoji: str
    count: int


async def groups(
    connection: Connection, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[ReactionGroup]]:
    """Return the groups of each of these messages, the kind that was there first first."""
    wanted = set(keys)
    found: dict[MessageKey, list[ReactionGroup]] = {key: [] for key in wanted}
    if not wanted:
        return found
    rows = await connection.execute(
        sa.select(
            reactions.c.chat_id,
            reactions.c.message_seq,
            reactions.c.emoji,
            sa.func.count().label("size"),
        )
        .where(_among(connection, wanted))
        .group_by(reactions.c.chat_id, reactions.c.message_seq, reactions.c.emoji)
        .order_by(sa.func.min(reactions.c.created_at), reactions.c.emoji)
    )
    for row in rows:
        found[row.chat_id, row.message_seq].append(ReactionGroup(row.emoji, row.size))
    return found


async def of_user(
    connection: Connection, user_id: UUID, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[str]]:
    """Return how somebody reacted to each of these messages, in the order in which they did."""
    wanted = set(keys)
    found: dict[MessageKey, list[str]] = {key: [] for key in wanted}
    if not wanted:
        return found
    rows = await connection.execute(
        sa.select(reactions.c.chat_id, reactions.c.message_seq, reactions.c.emoji)
        .where(_among(connection, wanted), reactions.c.user_id == user_id)
        .order_by(reactions.c.created_at, reactions.c.emoji)
    )
    for row in rows:
        found[row.chat_id, row.message_seq].append(row.emoji)
    return found


async def clear(connection: Connection, key: MessageKey) -> None:
    """Delete every reaction to a message."""
    chat_id, seq = key
    await connection.execute(
        reactions.delete().where(reactions.c.chat_id == chat_id, reactions.c.message_seq == seq)
    )


def _among(connection: Connection, keys: Iterable[MessageKey]) -> sa.ColumnElement[bool]:
    return sa.tuple_(reactions.c.chat_id, reactions.c.message_seq).in_(
        [sa.tuple_(sa.literal(chat_id), sa.literal(seq)) for chat_id, seq in keys]
        if connection.dialect.name == "sqlite"
        else list(keys)
    )
