"""Deliveries of webhooks: what waits to be sent, and what became of what was.

A delivery is a line of the log, without any text: what is sent is what is there when it is sent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models import events
from models.base import BigIdentity, UtcDateTime, columns, metadata, new_key
from models.database import Connection
from models.events import LOGGED_COLUMNS, LoggedEvent

PING = "ping"  # asked for by somebody who wants to see one arrive
GAP = "gap"  # of what followed, nothing is known any more


class DeliveryState(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DROPPED = "dropped"  # the webhook was disabled, or there is nothing to tell any more


webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", BigIdentity, primary_key=True, autoincrement=True),
    # What the receiver knows it by, the same with every attempt.
    sa.Column("key", sa.Uuid, nullable=False),
    sa.Column(
        "webhook_id",
        sa.Uuid,
        sa.ForeignKey("webhooks.id", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("chat_id", sa.Uuid),
    sa.Column("seq", sa.BigInteger),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("subject_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger),
    sa.Column("occurred_at", UtcDateTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempted_at", UtcDateTime),
    # What was answered last, or why nothing was.
    sa.Column("status", sa.Integer),
    sa.Column("problem", sa.String(128)),
    # In this order they are sent.
    sa.Index("ix_webhook_deliveries_webhook_id_id", "webhook_id", "id"),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it is stored."""

    id: int
    key: UUID
    webhook_id: UUID
    kind: str
    chat_id: UUID | None
    seq: int | None
    actor_id: UUID | None
    subject_id: UUID | None
    message_seq: int | None
    occurred_at: datetime
    state: str = DeliveryState.WAITING.value
    attempts: int = 0
    attempted_at: datetime | None = None
    status: int | None = None
    problem: str | None = None

    @property
    def logged(self) -> LoggedEvent:
        """The line of the log that it tells of."""
        return LoggedEvent(
            id=self.id,
            chat_id=self.chat_id,
            user_id=None,
            seq=self.seq,
            kind=self.kind,
            actor_id=self.actor_id,
            subject_id=self.subject_id,
            message_seq=self.message_seq,
            created_at=self.occurred_at,
        )


_COLUMNS = columns(webhook_deliveries, Delivery)
_OF_WEBHOOK = webhook_deliveries.c.webhook_id == sa.bindparam("of_webhook")
_WAITING = webhook_deliveries.c.state == DeliveryState.WAITING.value
_FIRST = (
    sa.select(*_COLUMNS).where(_OF_WEBHOOK, _WAITING).order_by(webhook_deliveries.c.id).limit(1)
)
_IN_CHAT = (
    sa.select(*LOGGED_COLUMNS)
    .where(
        events.events.c.chat_id == sa.bindparam("in_chat"),
        events.events.c.seq > sa.bindparam("after"),
    )
    .order_by(events.events.c.seq)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


async def happened(
    connection: Connection, chat_id: UUID, *, after: int, limit: int
) -> Sequence[LoggedEvent]:
    """Return the first events of a chat after one, as far as the log still has them."""
    rows = await connection.execute(_IN_CHAT, {"in_chat": chat_id, "after": after, "limit": limit})
    return [LoggedEvent(*row) for row in rows]


async def queue(
    connection: Connection, webhook_id: UUID, logged: Sequence[LoggedEvent]
) -> list[UUID]:
    """Have events delivered after all that wait already; returns the deliveries' keys."""
    rows = [
        {
            "key": new_key(),
            "webhook_id": webhook_id,
            "kind": event.kind,
            "chat_id": event.chat_id,
            "seq": event.seq,
            "actor_id": event.actor_id,
            "subject_id": event.subject_id,
            "message_seq": event.message_seq,
            "occurred_at": event.created_at,
            "state": DeliveryState.WAITING.value,
        }
        for event in logged
    ]
    if rows:
        await connection.execute(webhook_deliveries.insert(), rows)
    return [row["key"] for row in rows]  # type: ignore[misc]


async def first(connection: Connection, webhook_id: UUID) -> Delivery | None:
    """Return the delivery of a webhook that comes next."""
    row = (await connection.execute(_FIRST, {"of_webhook": webhook_id})).one_or_none()
    return Delivery(*row) if row else None


async def attempted(
    connection: Connection,
    delivery: Delivery,
    *,
    state: DeliveryState,
    status: int | None,
    problem: str | None,
    now: datetime,
) -> None:
    """Note what became of an attempt."""
    await connection.execute(
        webhook_deliveries.update()
        .where(webhook_deliveries.c.id == delivery.id)
        .values(
            state=state.value,
            attempts=webhook_deliveries.c.attempts + 1,
            attempted_at=now,
            status=status,
            problem=problem,
        )
    )


async def drop_waiting(
    connection: Connection, webhook_id: UUID, chat_id: UUID | None = None
) -> int:
    """Give up what waits of a webhook, of one chat or of all; returns how many."""
    doomed = webhook_deliveries.update().where(
        webhook_deliveries.c.webhook_id == webhook_id, _WAITING
    )
    if chat_id is not None:
        doomed = doomed.where(webhook_deliveries.c.chat_id == chat_id)
    return (await connection.execute(doomed.values(state=DeliveryState.DROPPED.value))).rowcount


async def trim(connection: Connection, webhook_id: UUID, *, keep: int) -> None:
    """Delete all but the newest deliveries that are done with."""
    done = (
        sa.select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.webhook_id == webhook_id, ~_WAITING)
        .order_by(webhook_deliveries.c.id.desc())
        .offset(keep)
        .limit(1)
        .scalar_subquery()
    )
    await connection.execute(
        webhook_deliveries.delete().where(
            webhook_deliveries.c.webhook_id == webhook_id,
            ~_WAITING,
            webhook_deliveries.c.id <= done,
        )
    )


async def latest(
    connection: Connection, webhook_ids: Iterable[UUID], *, limit: int
) -> dict[UUID, list[Delivery]]:
    """Return the last deliveries of each of these webhooks, the newest first."""
    found: dict[UUID, list[Delivery]] = {webhook_id: [] for webhook_id in webhook_ids}
    if not found:
        return found
    number = (
        sa.func.row_number()
        .over(
            partition_by=webhook_deliveries.c.webhook_id,
            order_by=webhook_deliveries.c.id.desc(),
        )
        .label("number")
    )
    ranked = (
        sa.select(*_COLUMNS, number)
        .where(webhook_deliveries.c.webhook_id.in_(list(found)))
        .subquery()
    )
    names = [ranked.c[field.name] for field in fields(Delivery)]
    rows: Any = await connection.execute(
        sa.select(*names).where(ranked.c.number <= limit).order_by(ranked.c.id.desc())
    )
    for row in rows:
        found[row.webhook_id].append(Delivery(*row))
    return found
