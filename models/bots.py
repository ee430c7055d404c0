"""Bots: accounts of programs, whose they are, and the tokens that sign them in.

A token is a session as well, of the same id: what ends sessions, and closes their sockets, needs to
know nothing of bots.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.users import User, users

MAX_DESCRIPTION = 500


class BotScope(StrEnum):
    """What a bot's token allows; `schema/scopes.py` says which fields need which."""

    CHATS_READ = "chats:read"
    CHATS_WRITE = "chats:write"
    MESSAGES_READ = "messages:read"
    MESSAGES_WRITE = "messages:write"
    REACTIONS_WRITE = "reactions:write"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    PROFILE_WRITE = "profile:write"


bots = sa.Table(
    "bots",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("owner_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("description", sa.String(MAX_DESCRIPTION)),
    # What tokens of the bot may be given at most, separated by spaces.
    sa.Column("scopes", sa.String(255), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_bots_owner_id", "owner_id"),
)

bot_tokens = sa.Table(
    "bot_tokens",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # that of the session
    sa.Column("bot_id", sa.Uuid, sa.ForeignKey("bots.user_id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    # Only the hash: a stolen table signs nobody in.
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("scopes", sa.String(255), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_bot_tokens_bot_id", "bot_id"),
)


@dataclass(frozen=True, slots=True)
class Bot:
    """Whose bot it is, and what for."""

    user_id: UUID
    owner_id: UUID
    description: str | None
    scopes: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class BotToken:
    """What signs a bot in, without its secret."""

    id: UUID
    bot_id: UUID
    name: str
    scopes: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def live(self, now: datetime) -> bool:
        """Whether the token still signs its bot in."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_BOT = columns(bots, Bot)
_TOKEN = columns(bot_tokens, BotToken)
_USER = columns(users, User)
_OWNERS = users.alias("owners")
_BY_HASH = (
    sa.select(*_TOKEN, *_USER)
    .join_from(bot_tokens, users, users.c.id == bot_tokens.c.bot_id)
    .join(bots, bots.c.user_id == bot_tokens.c.bot_id)
    .join(_OWNERS, _OWNERS.c.id == bots.c.owner_id)
    .where(
        bot_tokens.c.hash == sa.bindparam("hash"),
        _OWNERS.c.suspended_at.is_(None),
        _OWNERS.c.deleted_at.is_(None),
    )
    .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
)


def joined(scopes: Iterable[BotScope]) -> str:
    """Return scopes as they are stored."""
    return " ".join(sorted(scope.value for scope in set(scopes)))


def split(scopes: str) -> frozenset[str]:
    """Return the scopes of a stored text."""
    return frozenset(scopes.split())


async def create(connection: Connection, bot: Bot) -> None:
    """Store whose bot an account is."""
    values = {field.name: getattr(bot, field.name) for field in fields(bot)}
    await connection.execute(bots.insert().values(**values))


async def of_owner(connection: Connection, owner_id: UUID) -> Sequence[tuple[Bot, User]]:
    """Return a person's bots that were not deleted, the oldest first."""
    rows = await connection.execute(
        sa.select(*_BOT, *_USER)
        .join_from(bots, users, users.c.id == bots.c.user_id)
        .where(bots.c.owner_id == owner_id, users.c.deleted_at.is_(None))
        .order_by(bots.c.user_id)
        .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    return [(Bot(*row[: len(_BOT)]), User(*row[len(_BOT) :])) for row in rows]


async def owned(
    connection: Connection, owner_id: UUID, bot_id: UUID, *, lock: bool = False
) -> tuple[Bot, User] | None:
    """Return a bot if it is this person's and was not deleted."""
    query = (
        sa.select(*_BOT, *_USER)
        .join_from(bots, users, users.c.id == bots.c.user_id)
        .where(bots.c.user_id == bot_id, bots.c.owner_id == owner_id, users.c.deleted_at.is_(None))
        .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
    )
    if lock:
        query = query.with_for_update(of=bots, key_share=True)
    row = (await connection.execute(query)).one_or_none()
    return (Bot(*row[: len(_BOT)]), User(*row[len(_BOT) :])) if row else None


async def ids_of_owner(connection: Connection, owner_id: UUID) -> Sequence[UUID]:
    """Return the ids of a person's bots that were not deleted."""
    return [bot.user_id for bot, _ in await of_owner(connection, owner_id)]


async def create_token(connection: Connection, token: BotToken, hash_: bytes) -> None:
    """Store a token with the hash of its secret."""
    values = {field.name: getattr(token, field.name) for field in fields(token)}
    await connection.execute(bot_tokens.insert().values(**values, hash=hash_))


async def tokens_of(
    connection: Connection, bot_ids: Iterable[UUID], now: datetime
) -> dict[UUID, list[BotToken]]:
    """Return the live tokens of these bots by bot, the oldest first."""
    result: dict[UUID, list[BotToken]] = {bot_id: [] for bot_id in bot_ids}
    rows = await connection.execute(
        sa.select(*_TOKEN)
        .where(bot_tokens.c.bot_id.in_(list(result)), bot_tokens.c.revoked_at.is_(None))
        .order_by(bot_tokens.c.id)
    )
    for token in (BotToken(*row) for row in rows):
        if token.live(now):
            result[token.bot_id].append(token)
    return result


async def token_owned(connection: Connection, owner_id: UUID, token_id: UUID) -> BotToken | None:
    """Return a token, live or not, if its bot is this person's."""
    row = (
        await connection.execute(
            sa.select(*_TOKEN)
            .join_from(bot_tokens, bots)
            .where(bot_tokens.c.id == token_id, bots.c.owner_id == owner_id)
        )
    ).one_or_none()
    return BotToken(*row) if row else None


async def by_hash(connection: Connection, hash_: bytes) -> tuple[BotToken, User] | None:
    """Return the token of a hash, live or not, and the bot that it signs in.

    None also when the owner may not sign in: what a person must not do, their programs must not.
    """
    row = (await connection.execute(_BY_HASH, {"hash": hash_})).one_or_none()
    return (BotToken(*row[: len(_TOKEN)]), User(*row[len(_TOKEN) :])) if row else None


async def used(connection: Connection, token_id: UUID, now: datetime) -> None:
    """Note when a token was used last."""
    await connection.execute(
        bot_tokens.update().where(bot_tokens.c.id == token_id).values(last_used_at=now)
    )


async def revoke_token(connection: Connection, token_id: UUID, now: datetime) -> bool:
    """End a token; returns whether it was not revoked before."""
    result = await connection.execute(
        bot_tokens.update()
        .where(bot_tokens.c.id == token_id, bot_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return result.rowcount == 1


async def revoke_tokens(connection: Connection, bot_id: UUID, now: datetime) -> None:
    """End all tokens of a bot."""
    await connection.execute(
        bot_tokens.update()
        .where(bot_tokens.c.bot_id == bot_id, bot_tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
