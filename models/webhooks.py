"""Webhooks: who is told of what happens in which chats, and how far each chat has been told.

Where a webhook stands in a chat is one number, the chat's event number: events are numbered under
the chat's lock, so whoever has seen one has seen all before it, and no snapshot has to be kept.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.chats import chats
from models.database import Connection

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    # Where to, and the secrets that it is signed with: a copy of the table opens nobody's door.
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    # Which events, separated by spaces.
    sa.Column("kinds", sa.String(512), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Since when nothing has arrived that was sent, if nothing does.
    sa.Column("failing_since", UtcDateTime),
    sa.Column("disabled_at", UtcDateTime),
    sa.Column("disabled_reason", sa.String(64)),
    # How many deliveries wait, and when the first of them is to be tried.
    sa.Column("waiting", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", UtcDateTime),
    # Goes up whenever a worker takes it, and so says who holds it.
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index(
        "ix_webhooks_due_at",
        "due_at",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    ),
)

webhook_chats = sa.Table(
    "webhook_chats",
    metadata,
    sa.Column(
        "webhook_id", sa.Uuid, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), primary_key=True),
    # Every event up to this one is delivered, queued, or was not asked for.
    sa.Column("after_seq", sa.BigInteger, nullable=False),
    # Of earlier messages it is not told what they say: whoever has it told may not read them.
    sa.Column("first_message_seq", sa.BigInteger, nullable=False),
    sa.Index("ix_webhook_chats_chat_id", "chat_id"),
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is stored."""

    id: UUID
    created_by: UUID
    name: str
    sealed: bytes
    kinds: str
    created_at: datetime
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    waiting: int = 0
    due_at: datetime | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Beginning:
    """After which event of a chat a webhook is told of it, and of which messages what they say."""

    after_seq: int
    first_message_seq: int


_COLUMNS = columns(webhooks, Webhook)
_ONE = sa.select(*_COLUMNS).where(webhooks.c.id == sa.bindparam("webhook_id"))
_BEHIND = (
    sa.select(webhook_chats.c.webhook_id)
    .join(chats, chats.c.id == webhook_chats.c.chat_id)
    .join(webhooks, webhooks.c.id == webhook_chats.c.webhook_id)
    .where(
        chats.c.last_event_seq > webhook_chats.c.after_seq,
        webhooks.c.disabled_at.is_(None),
        webhooks.c.waiting < sa.bindparam("full", type_=sa.Integer),
    )
    .distinct()
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_CHATS_BEHIND = (
    sa.select(webhook_chats.c.chat_id, webhook_chats.c.after_seq, chats.c.last_event_seq)
    .join(chats, chats.c.id == webhook_chats.c.chat_id)
    .where(
        webhook_chats.c.webhook_id == sa.bindparam("webhook_id"),
        chats.c.last_event_seq > webhook_chats.c.after_seq,
    )
)
_FIRST_MESSAGE = sa.select(webhook_chats.c.first_message_seq).where(
    webhook_chats.c.webhook_id == sa.bindparam("of_webhook"),
    webhook_chats.c.chat_id == sa.bindparam("in_chat"),
)
_DUE = (
    sa.select(webhooks.c.id)
    .where(webhooks.c.due_at <= sa.bindparam("now"))
    .order_by(webhooks.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
# How many of its maker's are due before it or as long as it.
_RANKED = (
    sa.select(
        webhooks.c.id,
        webhooks.c.created_by,
        webhooks.c.due_at,
        sa.func.row_number()
        .over(partition_by=webhooks.c.created_by, order_by=(webhooks.c.due_at, webhooks.c.id))
        .label("place"),
    )
    .where(webhooks.c.due_at <= sa.bindparam("now"))
    .subquery()
)
_CANDIDATES = (
    sa.select(_RANKED.c.id, _RANKED.c.created_by)
    .where(
        _RANKED.c.place <= sa.bindparam("of_one", type_=sa.Integer),
        _RANKED.c.created_by.not_in(sa.bindparam("full", expanding=True)),
    )
    .order_by(_RANKED.c.due_at, _RANKED.c.id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_STILL_DUE = sa.select(webhooks.c.id).where(
    webhooks.c.id.in_(sa.bindparam("ids", expanding=True)),
    webhooks.c.due_at <= sa.bindparam("now"),
)
_TAKE = (
    webhooks.update()
    .where(webhooks.c.id.in_(_STILL_DUE.with_for_update(skip_locked=True)))
    .values(due_at=sa.bindparam("until"), turn=webhooks.c.turn + 1)
    .returning(*_COLUMNS)
)


async def create(
    connection: Connection, webhook: Webhook, beginnings: Mapping[UUID, Beginning]
) -> None:
    """Store a webhook, told of chats from these beginnings on."""
    values = {field.name: getattr(webhook, field.name) for field in fields(webhook)}
    await connection.execute(webhooks.insert().values(**values))
    await set_chats(connection, webhook.id, beginnings)


async def set_chats(
    connection: Connection, webhook_id: UUID, beginnings: Mapping[UUID, Beginning]
) -> None:
    """Have a webhook told of these chats and no others; one that it has stays where it stands."""
    of_webhook = webhook_chats.c.webhook_id == webhook_id
    rows = await connection.execute(sa.select(webhook_chats.c.chat_id).where(of_webhook))
    present = set(rows.scalars())
    if gone := present - beginnings.keys():
        await connection.execute(
            webhook_chats.delete().where(of_webhook, webhook_chats.c.chat_id.in_(gone))
        )
    new = [
        {"webhook_id": webhook_id, "chat_id": chat_id, **asdict(beginning)}
        for chat_id, beginning in beginnings.items()
        if chat_id not in present
    ]
    if new:
        await connection.execute(webhook_chats.insert(), new)


async def forget_chat(connection: Connection, webhook_id: UUID, chat_id: UUID) -> None:
    """Have a webhook told no more of a chat."""
    await connection.execute(
        webhook_chats.delete().where(
            webhook_chats.c.webhook_id == webhook_id, webhook_chats.c.chat_id == chat_id
        )
    )


async def begin_later(connection: Connection, webhook_id: UUID, first: Mapping[UUID, int]) -> None:
    """Have a webhook not told what messages of chats say that come before these."""
    for chat_id, seq in first.items():
        await connection.execute(
            webhook_chats.update()
            .where(
                webhook_chats.c.webhook_id == webhook_id,
                webhook_chats.c.chat_id == chat_id,
                webhook_chats.c.first_message_seq < seq,
            )
            .values(first_message_seq=seq)
        )


async def first_message_seq(connection: Connection, webhook_id: UUID, chat_id: UUID) -> int | None:
    """Return from which message of a chat on a webhook is told what they say."""
    asked = {"of_webhook": webhook_id, "in_chat": chat_id}
    return (await connection.execute(_FIRST_MESSAGE, asked)).scalar_one_or_none()


async def by_id(
    connection: Connection, webhook_id: UUID, *, lock: bool = False, patient: bool = True
) -> Webhook | None:
    """Return a webhook, on request locked until the commit.

    Without patience, one that somebody else has locked is None as well.
    """
    query = _ONE.with_for_update(skip_locked=not patient) if lock else _ONE
    row = (await connection.execute(query, {"webhook_id": webhook_id})).one_or_none()
    return Webhook(*row) if row else None


async def of_chats(connection: Connection, chat_ids: Iterable[UUID]) -> dict[UUID, list[Webhook]]:
    """Return the webhooks that are told of each of these chats, the oldest first."""
    wanted = list(set(chat_ids))
    found: dict[UUID, list[Webhook]] = {chat_id: [] for chat_id in wanted}
    if wanted:
        rows = await connection.execute(
            sa.select(webhook_chats.c.chat_id, *_COLUMNS)
            .join_from(webhook_chats, webhooks, webhooks.c.id == webhook_chats.c.webhook_id)
            .where(webhook_chats.c.chat_id.in_(wanted))
            .order_by(webhooks.c.id)
        )
        for chat_id, *row in rows:
            found[chat_id].append(Webhook(*row))
    return found


async def chats_of(connection: Connection, webhook_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return the chats that each of these webhooks is told of."""
    wanted = list(set(webhook_ids))
    found: dict[UUID, list[UUID]] = {webhook_id: [] for webhook_id in wanted}
    if wanted:
        rows = await connection.execute(
            sa.select(webhook_chats.c.webhook_id, webhook_chats.c.chat_id)
            .where(webhook_chats.c.webhook_id.in_(wanted))
            .order_by(webhook_chats.c.chat_id)
        )
        for webhook_id, chat_id in rows:
            found[webhook_id].append(chat_id)
    return found


async def count_of(connection: Connection, user_id: UUID) -> int:
    """Return how many webhooks somebody has made that are still there."""
    query = sa.select(sa.func.count()).where(webhooks.c.created_by == user_id)
    return int((await connection.execute(query)).scalar_one())


async def change(connection: Connection, webhook_id: UUID, **values: Any) -> None:
    """Store other values of a webhook that is locked."""
    await connection.execute(webhooks.update().where(webhooks.c.id == webhook_id).values(**values))


async def delete(connection: Connection, webhook_id: UUID) -> None:
    """Delete a webhook, with its deliveries."""
    await connection.execute(webhooks.delete().where(webhooks.c.id == webhook_id))


async def skip_to_present(connection: Connection, webhook_id: UUID) -> None:
    """Have a webhook told only of what happens from now on."""
    present = (
        sa.select(chats.c.last_event_seq)
        .where(chats.c.id == webhook_chats.c.chat_id)
        .scalar_subquery()
    )
    await connection.execute(
        webhook_chats.update()
        .where(webhook_chats.c.webhook_id == webhook_id)
        .values(after_seq=present)
    )


async def behind(connection: Connection, *, full: int, limit: int) -> Sequence[UUID]:
    """Return webhooks in whose chats something happened, and of which fewer than `full` wait."""
    rows = await connection.execute(_BEHIND, {"full": full, "limit": limit})
    return rows.scalars().all()


async def chats_behind(connection: Connection, webhook_id: UUID) -> Sequence[tuple[UUID, int, int]]:
    """Return the chats of which a webhook has something to be told.

    Each with the event up to which it was, and the chat's last.
    """
    rows = await connection.execute(_CHATS_BEHIND, {"webhook_id": webhook_id})
    return [(row.chat_id, row.after_seq, row.last_event_seq) for row in rows]


async def advance(connection: Connection, webhook_id: UUID, chat_id: UUID, seq: int) -> None:
    """Note that a webhook has been told of a chat up to an event."""
    await connection.execute(
        webhook_chats.update()
        .where(webhook_chats.c.webhook_id == webhook_id, webhook_chats.c.chat_id == chat_id)
        .values(after_seq=seq)
    )


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is a webhook with something to send."""
    return (await connection.execute(_DUE, {"now": now, "limit": 1})).first() is not None


async def take(
    connection: Connection,
    now: datetime,
    *,
    until: datetime,
    limit: int,
    of_one: int,
    held: Mapping[UUID, int] | None = None,
) -> Sequence[Webhook]:
    """Return at most `limit` webhooks that are due, which nobody else gets until a moment.

    Of one maker there are `of_one` at most, with those that are `held` already, by maker.
    """
    places = Counter(held or {})
    candidates = await connection.execute(
        _CANDIDATES,
        {
            "now": now,
            "of_one": of_one,
            "full": [maker for maker, count in places.items() if count >= of_one],
            # Of those who hold some but not all of theirs, not all that are found can be taken.
            "limit": limit + sum(places.values()),
        },
    )
    ids: list[UUID] = []
    for webhook_id, maker in candidates:
        if len(ids) < limit and places[maker] < of_one:
            ids.append(webhook_id)
            places[maker] += 1
    if not ids:
        return []
    rows = await connection.execute(_TAKE, {"now": now, "until": until, "ids": ids})
    return [Webhook(*row) for row in rows]
