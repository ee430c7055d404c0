"""Links by which people with an account come into a chat."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

MAX_NAME = 64  # characters

join_links = sa.Table(
    "join_links",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    # What its makers call it among themselves: where they have put it.
    sa.Column("name", sa.String(MAX_NAME)),
    # Only the hash: a stolen table lets nobody in.
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("max_uses", sa.Integer),
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("requires_approval", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_join_links_chat_id_id", "chat_id", "id"),
)


@dataclass(frozen=True, slots=True)
class JoinLink:
    """A way into one chat, for whoever has it and an account."""

    id: UUID
    chat_id: UUID
    created_by: UUID
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    max_uses: int | None
    uses: int
    requires_approval: bool
    revoked_at: datetime | None

    @property
    def is_full(self) -> bool:
        """Whether as many have come by it as may."""
        return self.max_uses is not None and self.uses >= self.max_uses


_COLUMNS = columns(join_links, JoinLink)


def _open(now: datetime) -> sa.ColumnElement[bool]:
    unexpired = join_links.c.expires_at.is_(None) | (join_links.c.expires_at > now)
    return join_links.c.revoked_at.is_(None) & unexpired


async def create(connection: Connection, link: JoinLink, hash_: bytes) -> None:
    """Store a link with the hash of what opens it."""
    values = {field.name: getattr(link, field.name) for field in fields(link)}
    await connection.execute(join_links.insert().values(**values, hash=hash_))


async def open_of(
    connection: Connection, chat_ids: Sequence[UUID], now: datetime
) -> Sequence[JoinLink]:
    """Return these chats' links that are open, used up or not, the oldest first."""
    if not chat_ids:
        return []
    rows = await connection.execute(
        sa.select(*_COLUMNS)
        .where(join_links.c.chat_id.in_(chat_ids), _open(now))
        .order_by(join_links.c.id)
    )
    return [JoinLink(*row) for row in rows]


async def by_id(connection: Connection, link_id: UUID, now: datetime) -> JoinLink | None:
    """Return a link that is open, used up or not."""
    found = sa.select(*_COLUMNS).where(join_links.c.id == link_id, _open(now))
    row = (await connection.execute(found)).one_or_none()
    return JoinLink(*row) if row else None


async def by_hash(connection: Connection, hash_: bytes, now: datetime) -> JoinLink | None:
    """Return the open link of a token, used up or not."""
    found = sa.select(*_COLUMNS).where(join_links.c.hash == hash_, _open(now))
    row = (await connection.execute(found)).one_or_none()
    return JoinLink(*row) if row else None


async def use(connection: Connection, link_id: UUID, now: datetime) -> bool:
    """Count a use of a link; returns whether it was open and had one left.

    One statement, so that of many who come at once no more get in than may.
    """
    result = await connection.execute(
        join_links.update()
        .where(
            join_links.c.id == link_id,
            _open(now),
            join_links.c.max_uses.is_(None) | (join_links.c.uses < join_links.c.max_uses),
        )
        .values(uses=join_links.c.uses + 1)
    )
    return result.rowcount == 1


async def revoke(connection: Connection, link_id: UUID, now: datetime) -> None:
    """Close a link."""
    await connection.execute(
        join_links.update().where(join_links.c.id == link_id).values(revoked_at=now)
    )


async def revoke_made_by(
    connection: Connection, chat_id: UUID, user_id: UUID, now: datetime
) -> None:
    """Close the links into a chat that somebody has made."""
    await connection.execute(
        join_links.update()
        .where(
            join_links.c.chat_id == chat_id,
            join_links.c.created_by == user_id,
            join_links.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
