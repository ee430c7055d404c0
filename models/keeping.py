"""How people keep their chats for themselves: muted, in the archive, pinned.

It is part of their stay, and nobody else sees it. A chat is in the archive until somebody writes
after it was put there; one that is muted stays there. Nothing is written for that when a message
comes: the numbers of messages say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.database import Connection
from models.members import Member, members


@dataclass(frozen=True, slots=True)
class Pin:
    """A chat that somebody has pinned, by their stay in it."""

    chat_id: UUID
    member_id: UUID
    position: int


_PINNED = (
    sa.select(members.c.chat_id, members.c.id, members.c.pin_position)
    .where(
        members.c.user_id == sa.bindparam("user_id"),
        members.c.left_seq.is_(None),
        members.c.pin_position.is_not(None),
    )
    .order_by(members.c.pin_position, members.c.id)
)
_STORE = (
    members.update()
    .where(members.c.id == sa.bindparam("member_id"))
    .values(
        muted_until=sa.bindparam("muted_until"),
        archived_seq=sa.bindparam("archived_seq"),
        pin_position=sa.bindparam("pin_position"),
    )
)
_PIN = (
    members.update()
    .where(members.c.id == sa.bindparam("member_id"))
    .values(pin_position=sa.bindparam("position"))
)


def is_muted(member: Member, now: datetime) -> bool:
    """Whether somebody wants no notices of a chat."""
    return member.muted_until is not None and member.muted_until > now


def is_archived(member: Member, last_message_seq: int, now: datetime) -> bool:
    """Whether a chat is in somebody's archive; `archived` below is the same for the database."""
    if member.archived_seq is None:
        return False
    return member.archived_seq >= last_message_seq or is_muted(member, now)


def archived(
    last_message_seq: sa.ColumnElement[int], now: sa.ColumnElement[datetime]
) -> sa.ColumnElement[bool]:
    """Return the condition that a chat is in somebody's archive; null counts as no."""
    return members.c.archived_seq.is_not(None) & (
        (members.c.archived_seq >= last_message_seq) | muted(now)
    )


def muted(now: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    """Return the condition that a chat is muted."""
    return sa.func.coalesce(members.c.muted_until > now, sa.false())


async def store(connection: Connection, member: Member) -> None:
    """Store how somebody keeps a chat; their account must be locked."""
    await connection.execute(
        _STORE,
        {
            "member_id": member.id,
            "muted_until": member.muted_until,
            "archived_seq": member.archived_seq,
            "pin_position": member.pin_position,
        },
    )


async def pinned(connection: Connection, user_id: UUID) -> list[Pin]:
    """Return the chats that somebody has pinned, in their order."""
    return [Pin(*row) for row in await connection.execute(_PINNED, {"user_id": user_id})]


async def order(connection: Connection, member_ids: Sequence[UUID]) -> None:
    """Number stays as pinned in this order; the chats and the account must be locked."""
    if member_ids:
        await connection.execute(
            _PIN,
            [{"member_id": each, "position": position} for position, each in enumerate(member_ids)],
        )
