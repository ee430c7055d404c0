"""Webhooks that come in: addresses to which a program posts, and whose posts a bot then sends."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.users import User, users

NOTED_EVERY = timedelta(hours=1)  # that one is used: not a write for every post

incoming_webhooks = sa.Table(
    "incoming_webhooks",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("bot_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    # Only the hash: a stolen table posts nothing.
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_incoming_webhooks_chat_id", "chat_id"),
    sa.Index("ix_incoming_webhooks_bot_id", "bot_id"),
)


@dataclass(frozen=True, slots=True)
class IncomingWebhook:
    """A way into one chat for what a program has to say, without its secret."""

    id: UUID
    chat_id: UUID
    bot_id: UUID
    created_by: UUID
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


_COLUMNS = columns(incoming_webhooks, IncomingWebhook)
_BOT = columns(users, User)
_OPEN = incoming_webhooks.c.revoked_at.is_(None) & users.c.deleted_at.is_(None)
_MAKERS = users.alias("makers")
# What a person must not do, what they have left behind must not: as with bots' tokens.
_BY_HASH = (
    sa.select(*_COLUMNS)
    .join(users, users.c.id == incoming_webhooks.c.bot_id)
    .join(_MAKERS, _MAKERS.c.id == incoming_webhooks.c.created_by)
    .where(
        incoming_webhooks.c.hash == sa.bindparam("hash"),
        _OPEN,
        users.c.suspended_at.is_(None),
        _MAKERS.c.suspended_at.is_(None),
        _MAKERS.c.deleted_at.is_(None),
    )
)


async def create(connection: Connection, webhook: IncomingWebhook, hash_: bytes) -> None:
    """Store one, with the hash of what opens it."""
    values = {field.name: getattr(webhook, field.name) for field in fields(webhook)}
    await connection.execute(incoming_webhooks.insert().values(**values, hash=hash_))


async def of_chats(
    connection: Connection, chat_ids: Iterable[UUID]
) -> dict[UUID, list[tuple[IncomingWebhook, User]]]:
    """Return the open ones of each of these chats with their bots, the oldest first."""
    wanted = list(set(chat_ids))
    found: dict[UUID, list[tuple[IncomingWebhook, User]]] = {chat_id: [] for chat_id in wanted}
    if wanted:
        rows = await connection.execute(
            sa.select(*_COLUMNS, *_BOT)
            .join_from(incoming_webhooks, users, users.c.id == incoming_webhooks.c.bot_id)
            .where(incoming_webhooks.c.chat_id.in_(wanted), _OPEN)
            .order_by(incoming_webhooks.c.id)
            .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
        )
        for row in rows:
            webhook = IncomingWebhook(*row[: len(_COLUMNS)])
            found[webhook.chat_id].append((webhook, User(*row[len(_COLUMNS) :])))
    return found


async def by_id(connection: Connection, webhook_id: UUID) -> IncomingWebhook | None:
    """Return one that is open."""
    query = (
        sa.select(*_COLUMNS)
        .join(users, users.c.id == incoming_webhooks.c.bot_id)
        .where(incoming_webhooks.c.id == webhook_id, _OPEN)
    )
    row = (await connection.execute(query)).one_or_none()
    return IncomingWebhook(*row) if row else None


async def by_hash(connection: Connection, hash_: bytes) -> IncomingWebhook | None:
    """Return the one that a secret opens."""
    row = (await connection.execute(_BY_HASH, {"hash": hash_})).one_or_none()
    return IncomingWebhook(*row) if row else None


async def has_bot(connection: Connection, bot_id: UUID) -> bool:
    """Whether a bot is that of an incoming webhook, open or not."""
    query = sa.select(incoming_webhooks.c.id).where(incoming_webhooks.c.bot_id == bot_id)
    return (await connection.execute(query)).first() is not None


async def used(connection: Connection, webhook: IncomingWebhook, now: datetime) -> None:
    """Note that one is used."""
    await connection.execute(
        incoming_webhooks.update()
        .where(incoming_webhooks.c.id == webhook.id)
        .values(last_used_at=now)
    )


async def revoke(connection: Connection, webhook_id: UUID, now: datetime) -> bool:
    """Close one; returns whether it was open."""
    changed = await connection.execute(
        incoming_webhooks.update()
        .where(incoming_webhooks.c.id == webhook_id, incoming_webhooks.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return changed.rowcount == 1


async def revoke_made_by(
    connection: Connection, chat_id: UUID, user_id: UUID, now: datetime
) -> list[IncomingWebhook]:
    """Close those into a chat that somebody has made; returns them as they were."""
    made = (
        incoming_webhooks.c.chat_id == chat_id,
        incoming_webhooks.c.created_by == user_id,
        incoming_webhooks.c.revoked_at.is_(None),
    )
    rows = await connection.execute(sa.select(*_COLUMNS).where(*made))
    closed = [IncomingWebhook(*row) for row in rows]
    if closed:
        await connection.execute(incoming_webhooks.update().where(*made).values(revoked_at=now))
    return closed
