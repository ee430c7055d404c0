"""Reactions to messages: one of each kind per person."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.database import Connection
from models.messages import MessageKey, from_keys, keys_given

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


_GROUPS = {
    dialect: sa.text(
        f"""
        SELECT reactions.chat_id, reactions.message_seq, reactions.emoji, count(*) AS size
        {from_keys(dialect, "reactions", "message_seq")}
        GROUP BY reactions.chat_id, reactions.message_seq, reactions.emoji
        ORDER BY min(reactions.created_at), reactions.emoji
        """
    ).columns(
        reactions.c.chat_id,
        reactions.c.message_seq,
        reactions.c.emoji,
        sa.column("size", sa.BigInteger),
    )
    for dialect in ("postgresql", "sqlite")
}
_OF_USER = {
    dialect: sa.text(
        f"""
        SELECT reactions.chat_id, reactions.message_seq, reactions.emoji
        {from_keys(dialect, "reactions", "message_seq")}
        WHERE reactions.user_id = :user_id
        ORDER BY reactions.created_at, reactions.emoji
        """
    )
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(reactions.c.chat_id, reactions.c.message_seq, reactions.c.emoji)
    for dialect in ("postgresql", "sqlite")
}


async def groups(
    connection: Connection, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[ReactionGroup]]:
    """Return the groups of each of these messages, the kind that was there first first."""
    wanted = set(keys)
    found: dict[MessageKey, list[ReactionGroup]] = {key: [] for key in wanted}
    if not wanted:
        return found
    values = keys_given(connection, wanted)
    rows = await connection.execute(_GROUPS[connection.dialect.name], values)
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
    values = {**keys_given(connection, wanted), "user_id": user_id}
    rows = await connection.execute(_OF_USER[connection.dialect.name], values)
    for row in rows:
        found[row.chat_id, row.message_seq].append(row.emoji)
    return found


async def clear(connection: Connection, key: MessageKey) -> None:
    """Delete every reaction to a message."""
    chat_id, seq = key
    await connection.execute(
        reactions.delete().where(reactions.c.chat_id == chat_id, reactions.c.message_seq == seq)
    )
