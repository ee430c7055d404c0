"""Chats: what they are, who may see them, and the lock under which they change."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models import pairs
from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import NotFound, Raced
from models.members import THEIR_CHATS, members


class ChatKind(StrEnum):
    """What a chat is for."""

    DIRECT = "direct"
    SELF = "self"  # one person's notes to themselves
    GROUP = "group"
    CHANNEL = "channel"  # few write, many read


class HistoryVisibility(StrEnum):
    """What of a chat's history somebody may read who joins it."""

    SINCE_JOINING = "since_joining"
    FROM_START = "from_start"


chats = sa.Table(
    "chats",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("title", sa.String(128)),
    sa.Column("description", sa.String(1024)),
    # For a direct chat the pair of people, so that there is one chat per pair; for somebody's own
    # the pair of them and themselves.
    sa.Column("direct_key", sa.String(80), unique=True),
    sa.Column("created_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Two counters, never mixed: messages (pointers, unread) and events (the log).
    sa.Column("last_message_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_event_seq", sa.BigInteger, nullable=False, server_default="0"),
    # Not indexed: an index would make every send a non-HOT update on PostgreSQL.
    sa.Column("last_activity_at", UtcDateTime, nullable=False),
    sa.Column("member_count", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "history",
        sa.String(16),
        nullable=False,
        server_default=HistoryVisibility.SINCE_JOINING.value,
    ),
    # How long a message stays, and how long a member waits between two; in seconds.
    sa.Column("message_ttl", sa.Integer),
    sa.Column("slow_mode", sa.Integer),
    # A JSON list of the reactions that it takes; any if null.
    sa.Column("reaction_set", sa.JSON(none_as_null=True)),
    # How many messages mentioned everybody: see `models/mentions.py`.
    sa.Column("all_mentions", sa.BigInteger, nullable=False, server_default="0"),
    # Every message up to this one has expired.
    sa.Column("expired_seq", sa.BigInteger, nullable=False, server_default="0"),
    # Every send updates the row: half-empty pages keep the new version on the same page.
    postgresql_with={"fillfactor": 50},
)


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat as it is stored; nothing in it depends on the viewer."""

    id: UUID
    kind: str
    title: str | None
    description: str | None
    created_by: UUID
    created_at: datetime
    last_message_seq: int
    last_event_seq: int
    last_activity_at: datetime
    member_count: int
    history: str = HistoryVisibility.SINCE_JOINING.value
    message_ttl: int | None = None
    slow_mode: int | None = None
    reaction_set: list[str] | None = None
    all_mentions: int = 0
    expired_seq: int = 0


_COLUMNS = columns(chats, Chat)
_DETAILS = ("title", "description", "history", "message_ttl", "slow_mode", "reaction_set")
_LOCK = (
    sa.select(chats.c.id)
    .where(chats.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(chats.c.id)  # one order for everybody: no deadlocks
    .with_for_update(key_share=True)
)
_BY_ID = sa.select(*_COLUMNS).where(chats.c.id.in_(sa.bindparam("ids", expanding=True)))
_READABLE = (
    sa.select(*_COLUMNS)
    .join(members, members.c.chat_id == chats.c.id)
    .where(members.c.user_id == sa.bindparam("viewer_id"), members.c.left_seq.is_(None))
)
_NAMES = ", ".join(f"chats.{column.name}" for column in _COLUMNS)
_READABLE_BY_ID = {
    dialect: sa.text(f"SELECT {_NAMES} FROM {theirs}")  # noqa: S608 - of constants
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(*_COLUMNS)
    for dialect, theirs in THEIR_CHATS.items()
}
_BY_DIRECT_KEY = sa.select(*_COLUMNS).where(chats.c.direct_key == sa.bindparam("direct_key"))
_NEXT_EVENT = (
    chats.update()
    .where(chats.c.id == sa.bindparam("chat_id"))
    .values(last_event_seq=chats.c.last_event_seq + 1)
    .returning(chats.c.last_event_seq)
)


_NEXT_MESSAGE = (
    chats.update()
    .where(chats.c.id == sa.bindparam("chat_id"))
    .values(
        last_message_seq=chats.c.last_message_seq + 1,
        last_event_seq=chats.c.last_event_seq + 1,
        last_activity_at=sa.bindparam("now"),
    )
    .returning(chats.c.last_message_seq, chats.c.last_event_seq)
)


def direct_key(one: UUID, other: UUID) -> str:
    """Return the name of a pair of people, whoever comes first."""
    low, high = sorted((one, other))
    return f"{low.hex}:{high.hex}"


async def lock(connection: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Take the chats' row locks in id order and return the ids that exist.

    A statement of its own: what is read afterwards, membership first of all, is read under the
    lock. The lock lasts until the commit is visible, so every reader sees a prefix of each chat.
    """
    rows = await connection.execute(_LOCK, {"ids": list(set(ids))})
    return {row.id for row in rows}


async def create(connection: Connection, chat: Chat, *, pair: str | None) -> None:
    """Store a chat; `pair` is the `direct_key` of a direct one.

    Raises `Raced` when the pair has got a chat meanwhile.
    """
    values = {field.name: getattr(chat, field.name) for field in fields(chat)}
    try:
        await connection.execute(chats.insert(), {**values, "direct_key": pair})
    except IntegrityError as error:
        raise Raced from error


async def next_event_seq(connection: Connection, chat_id: UUID) -> int:
    """Take the chat's next event number; the chat must be locked."""
    return int((await connection.execute(_NEXT_EVENT, {"chat_id": chat_id})).scalar_one())


async def next_message(connection: Connection, chat_id: UUID, now: datetime) -> tuple[int, int]:
    """Take the next number of a message and of its event; the chat must be locked."""
    row = (await connection.execute(_NEXT_MESSAGE, {"chat_id": chat_id, "now": now})).one()
    return int(row.last_message_seq), int(row.last_event_seq)


async def change_details(connection: Connection, chat: Chat) -> None:
    """Store what a locked chat is called and how it is used."""
    await connection.execute(
        chats.update()
        .where(chats.c.id == chat.id)
        .values({name: getattr(chat, name) for name in _DETAILS})
    )


async def change_member_count(connection: Connection, chat_id: UUID, by: int) -> None:
    """Add to the number of members kept with a locked chat."""
    await connection.execute(
        chats.update().where(chats.c.id == chat_id).values(member_count=chats.c.member_count + by)
    )


async def by_ids(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Chat]:
    """Return chats by id whoever asks: for the log, which checks membership itself."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    return {row.id: Chat(*row) for row in await connection.execute(_BY_ID, {"ids": wanted})}


async def readable_by(connection: Connection, viewer_id: UUID, chat_id: UUID) -> Chat:
    """Return a chat the viewer is a member of; raises `NotFound` otherwise."""
    found = await readable_many(connection, viewer_id, [chat_id])
    if chat_id not in found:
        raise NotFound("The chat", path=["chatId"])
    return found[chat_id]


async def readable_many(
    connection: Connection, viewer_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, Chat]:
    """Return those of the chats that the viewer is a member of, by id."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(
        _READABLE_BY_ID[dialect],
        {"user_id": viewer_id, "chat_ids": pairs.listed(dialect, wanted)},
    )
    return {row.id: Chat(*row) for row in rows}


async def direct(connection: Connection, pair: str) -> Chat | None:
    """Return the direct chat of a pair of people."""
    row = (await connection.execute(_BY_DIRECT_KEY, {"direct_key": pair})).one_or_none()
    return Chat(*row) if row else None
