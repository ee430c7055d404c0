"""Reactions to messages: one of each kind per person."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models import pairs
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
    # For who takes their own along.
    sa.Index("ix_reactions_user_id", "user_id", "chat_id", "message_seq", "emoji"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)


@dataclass(frozen=True, slots=True)
class ReactionGroup:
    """How many people reacted to a message in the same way."""

    emoji: str
    count: int


def _among(dialect: str, where: str = "") -> sa.Subquery:
    """Return the reactions to the messages that are asked for."""
    text = pairs.by_pairs(
        dialect, list(reactions.c), reactions.c.chat_id, reactions.c.message_seq, where=where
    )
    query = sa.text(text)
    if where:
        query = query.bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    return query.columns(*reactions.c).subquery("reactions")


def _groups(dialect: str) -> sa.Select[Any]:
    among = _among(dialect)
    key = (among.c.chat_id, among.c.message_seq, among.c.emoji)
    return (
        sa.select(*key, sa.func.count().label("size"))
        .group_by(*key)
        .order_by(sa.func.min(among.c.created_at), among.c.emoji)
    )


def _of_user(dialect: str) -> sa.Select[Any]:
    among = _among(dialect, "user_id = :user_id")
    return sa.select(among.c.chat_id, among.c.message_seq, among.c.emoji).order_by(
        among.c.created_at, among.c.emoji
    )


_GROUPS = {dialect: _groups(dialect) for dialect in ("sqlite", "postgresql")}
_OF_USER = {dialect: _of_user(dialect) for dialect in ("sqlite", "postgresql")}


async def groups(
    connection: Connection, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[ReactionGroup]]:
    """Return the groups of each of these messages, the kind that was there first first."""
    wanted = set(keys)
    found: dict[MessageKey, list[ReactionGroup]] = {key: [] for key in wanted}
    if not wanted:
        return found
    dialect = connection.dialect.name
    rows = await connection.execute(_GROUPS[dialect], pairs.parameters(dialect, wanted))
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
    dialect = connection.dialect.name
    rows = await connection.execute(
        _OF_USER[dialect], {"user_id": user_id, **pairs.parameters(dialect, wanted)}
    )
    for row in rows:
        found[row.chat_id, row.message_seq].append(row.emoji)
    return found


async def clear(connection: Connection, chat_id: UUID, seqs: Collection[int]) -> None:
    """Delete every reaction to messages of a chat."""
    await connection.execute(
        reactions.delete().where(reactions.c.chat_id == chat_id, reactions.c.message_seq.in_(seqs))
    )
