"""Guests: who came into one chat by a link, and the links.

A guest's stay ends with the link: when it expires, or is revoked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

guest_links = sa.Table(
    "guest_links",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    # Only the hash: a stolen table lets nobody in.
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("max_uses", sa.Integer),
    sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
    sa.Column("revoked_at", UtcDateTime),
    sa.Index("ix_guest_links_chat_id_id", "chat_id", "id"),
)

guests = sa.Table(
    "guests",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "link_id", sa.Uuid, sa.ForeignKey("guest_links.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("removed_at", UtcDateTime),
    sa.Index("ix_guests_link_id", "link_id"),
    sa.Index(
        "ix_guests_expires_at_present",
        "expires_at",
        postgresql_where=sa.text("removed_at IS NULL"),
        sqlite_where=sa.text("removed_at IS NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class GuestLink:
    """A way into one chat, for whoever has it."""

    id: UUID
    chat_id: UUID
    created_by: UUID
    created_at: datetime
    expires_at: datetime
    max_uses: int | None
    uses: int
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody's stay by a link, and until when."""

    user_id: UUID
    link_id: UUID
    chat_id: UUID
    expires_at: datetime
    removed_at: datetime | None


_LINK = columns(guest_links, GuestLink)
_GUEST = columns(guests, Guest)


def _open(now: datetime) -> sa.ColumnElement[bool]:
    return guest_links.c.revoked_at.is_(None) & (guest_links.c.expires_at > now)


async def create_link(connection: Connection, link: GuestLink, hash_: bytes) -> None:
    """Store a link with the hash of what opens it."""
    values = {field.name: getattr(link, field.name) for field in fields(link)}
    await connection.execute(guest_links.insert().values(**values, hash=hash_))


async def links_of(
    connection: Connection, chat_ids: Sequence[UUID], now: datetime
) -> Sequence[GuestLink]:
    """Return these chats' links that are open, the oldest first."""
    if not chat_ids:
        return []
    rows = await connection.execute(
        sa.select(*_LINK)
        .where(guest_links.c.chat_id.in_(chat_ids), _open(now))
        .order_by(guest_links.c.id)
    )
    return [GuestLink(*row) for row in rows]


async def link_by_id(connection: Connection, link_id: UUID, now: datetime) -> GuestLink | None:
    """Return a link that is open."""
    row = (
        await connection.execute(sa.select(*_LINK).where(guest_links.c.id == link_id, _open(now)))
    ).one_or_none()
    return GuestLink(*row) if row else None


async def link_by_hash(connection: Connection, hash_: bytes, now: datetime) -> GuestLink | None:
    """Return the open link of a token, used up or not."""
    row = (
        await connection.execute(sa.select(*_LINK).where(guest_links.c.hash == hash_, _open(now)))
    ).one_or_none()
    return GuestLink(*row) if row else None


async def use_link(connection: Connection, link_id: UUID, now: datetime) -> bool:
    """Count a use of a link; returns whether it was open and had one left.

    One statement, so that of many who come at once no more get in than may.
    """
    result = await connection.execute(
        guest_links.update()
        .where(
            guest_links.c.id == link_id,
            _open(now),
            guest_links.c.max_uses.is_(None) | (guest_links.c.uses < guest_links.c.max_uses),
        )
        .values(uses=guest_links.c.uses + 1)
    )
    return result.rowcount == 1


async def revoke_link(connection: Connection, link_id: UUID, now: datetime) -> None:
    """Close a link, and end the stay of those who came by it: `ended` has them from now on."""
    await connection.execute(
        guest_links.update().where(guest_links.c.id == link_id).values(revoked_at=now)
    )
    await connection.execute(
        guests.update()
        .where(guests.c.link_id == link_id, guests.c.removed_at.is_(None))
        .values(expires_at=now)
    )


async def revoke_made_by(
    connection: Connection, chat_id: UUID, user_id: UUID, now: datetime
) -> Sequence[UUID]:
    """Close the links into a chat that somebody has made, as `revoke_link` does; returns them."""
    made = sa.select(guest_links.c.id).where(
        guest_links.c.chat_id == chat_id, guest_links.c.created_by == user_id, _open(now)
    )
    link_ids = (await connection.execute(made)).scalars().all()
    for link_id in link_ids:
        await revoke_link(connection, link_id, now)
    return link_ids


async def add(connection: Connection, guest: Guest) -> None:
    """Store a guest."""
    values = {field.name: getattr(guest, field.name) for field in fields(guest)}
    await connection.execute(guests.insert().values(**values))


async def stays_until(connection: Connection, user_id: UUID) -> datetime | None:
    """Return when a guest's stay ends; None for who is no guest, or not any more."""
    return (
        await connection.execute(
            sa.select(guests.c.expires_at).where(
                guests.c.user_id == user_id, guests.c.removed_at.is_(None)
            )
        )
    ).scalar_one_or_none()


async def ended(
    connection: Connection, now: datetime, *, limit: int, link_id: UUID | None = None
) -> Sequence[Guest]:
    """Return guests whose stay is over and who are to be removed, the first to end first."""
    query = (
        sa.select(*_GUEST)
        .where(guests.c.removed_at.is_(None), guests.c.expires_at <= now)
        .order_by(guests.c.expires_at, guests.c.user_id)
        .limit(limit)
    )
    if link_id is not None:
        query = query.where(guests.c.link_id == link_id)
    return [Guest(*row) for row in await connection.execute(query)]


async def removed(connection: Connection, user_id: UUID, now: datetime) -> bool:
    """Note that a guest was removed; returns whether they were there until now."""
    result = await connection.execute(
        guests.update()
        .where(guests.c.user_id == user_id, guests.c.removed_at.is_(None))
        .values(removed_at=now)
    )
    return result.rowcount == 1
