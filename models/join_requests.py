"""Who asks to be let into which chats.

A row is there while the request waits for an answer. One that was declined stays as well, for as
long as its maker must not ask again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models import chat_pages
from models.base import UtcDateTime, columns, metadata
from models.database import Connection

join_requests = sa.Table(
    "join_requests",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # By which link they came, for who answers.
    sa.Column(
        "link_id", sa.Uuid, sa.ForeignKey("join_links.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("declined_at", UtcDateTime),
    sa.UniqueConstraint("chat_id", "user_id"),
    sa.Index("ix_join_requests_chat_id_id", "chat_id", "id"),
    sa.Index("ix_join_requests_user_id_id", "user_id", "id"),
    sa.Index("ix_join_requests_link_id", "link_id"),
    sa.Index(
        "ix_join_requests_declined_at",
        "declined_at",
        postgresql_where=sa.text("declined_at IS NOT NULL"),
        sqlite_where=sa.text("declined_at IS NOT NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """Somebody who wants to come into a chat."""

    id: UUID
    chat_id: UUID
    user_id: UUID
    link_id: UUID
    created_at: datetime
    declined_at: datetime | None


_COLUMNS = columns(join_requests, JoinRequest)
_PENDING = join_requests.c.declined_at.is_(None)


async def create(connection: Connection, request: JoinRequest) -> None:
    """Store a request in a locked chat."""
    values = {field.name: getattr(request, field.name) for field in fields(request)}
    await connection.execute(join_requests.insert().values(**values))


async def of_pair(connection: Connection, chat_id: UUID, user_id: UUID) -> JoinRequest | None:
    """Return somebody's request to a chat, waiting or declined."""
    found = sa.select(*_COLUMNS).where(
        join_requests.c.chat_id == chat_id, join_requests.c.user_id == user_id
    )
    row = (await connection.execute(found)).one_or_none()
    return JoinRequest(*row) if row else None


async def pending(connection: Connection, request_id: UUID) -> JoinRequest | None:
    """Return a request that waits for an answer."""
    found = sa.select(*_COLUMNS).where(join_requests.c.id == request_id, _PENDING)
    row = (await connection.execute(found)).one_or_none()
    return JoinRequest(*row) if row else None


async def decline(connection: Connection, request_id: UUID, now: datetime) -> None:
    """Note that a request was declined."""
    await connection.execute(
        join_requests.update().where(join_requests.c.id == request_id).values(declined_at=now)
    )


async def drop(connection: Connection, chat_id: UUID, user_id: UUID) -> None:
    """Forget somebody's request to a chat."""
    await connection.execute(
        join_requests.delete().where(
            join_requests.c.chat_id == chat_id, join_requests.c.user_id == user_id
        )
    )


async def drop_of_many(connection: Connection, chat_id: UUID, user_ids: Sequence[UUID]) -> bool:
    """Forget the requests of people who are in the chat now; returns whether one waited."""
    if not user_ids:
        return False
    dropped = await connection.execute(
        join_requests.delete()
        .where(join_requests.c.chat_id == chat_id, join_requests.c.user_id.in_(user_ids))
        .returning(join_requests.c.declined_at)
    )
    return None in dropped.scalars().all()


async def count_pending(connection: Connection, chat_id: UUID) -> int:
    """Return how many wait for an answer of a chat."""
    counted = sa.select(sa.func.count()).where(join_requests.c.chat_id == chat_id, _PENDING)
    return int((await connection.execute(counted)).scalar_one())


async def pending_of_user(
    connection: Connection, user_id: UUID, *, limit: int
) -> Sequence[JoinRequest]:
    """Return somebody's requests that wait for an answer, the newest first."""
    rows = await connection.execute(
        sa.select(*_COLUMNS)
        .where(join_requests.c.user_id == user_id, _PENDING)
        .order_by(join_requests.c.id.desc())
        .limit(limit)
    )
    return [JoinRequest(*row) for row in rows]


async def pages(
    connection: Connection, chat_ids: Sequence[UUID], *, after: UUID | None, limit: int
) -> dict[UUID, list[JoinRequest]]:
    """Return a page of each chat's requests that wait for an answer, the oldest first."""
    rows = await chat_pages.oldest(
        connection,
        join_requests,
        _COLUMNS,
        chat_ids,
        after=after,
        limit=limit,
        where=lambda table: table.c.declined_at.is_(None),
    )
    return {chat_id: [JoinRequest(*row) for row in found] for chat_id, found in rows.items()}


async def prune(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete requests that were declined long ago; returns how many."""
    old = sa.select(join_requests.c.id).where(join_requests.c.declined_at < before).limit(limit)
    result = await connection.execute(join_requests.delete().where(join_requests.c.id.in_(old)))
    return result.rowcount
