"""Messages that are pinned in their chats, for everybody there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.members import members
from models.messages import HAS_NOT_EXPIRED, MessageKey, messages

MAX_PINS = 100  # in a chat

pinned_messages = sa.Table(
    "pinned_messages",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("pinned_by", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("pinned_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("chat_id", "message_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)


@dataclass(frozen=True, slots=True)
class Pin:
    """A message that is pinned, by whom and since when."""

    chat_id: UUID
    message_seq: int
    pinned_by: UUID
    pinned_at: datetime


_COLUMNS = columns(pinned_messages, Pin)
_OF = (
    pinned_messages.c.chat_id == sa.bindparam("of_chat"),
    pinned_messages.c.message_seq == sa.bindparam("of_seq"),
)
_ONE = sa.select(*_COLUMNS).where(*_OF)
# A pin goes with its message, which has gone as soon as it has expired.
_MESSAGE = (
    (messages.c.chat_id == pinned_messages.c.chat_id)
    & (messages.c.seq == pinned_messages.c.message_seq)
    & HAS_NOT_EXPIRED
)
_HOW_MANY = (
    sa.select(sa.func.count())
    .select_from(pinned_messages)
    .join(messages, _MESSAGE)
    .where(pinned_messages.c.chat_id == sa.bindparam("of_chat"))
)
_UNPIN = pinned_messages.delete().where(*_OF)
# A chat has few, so they are all read, and put into order afterwards.
_READABLE = (
    sa.select(*_COLUMNS)
    .join(members, members.c.chat_id == pinned_messages.c.chat_id)
    .join(messages, _MESSAGE)
    .where(
        members.c.user_id == sa.bindparam("viewer_id"),
        members.c.left_seq.is_(None),
        members.c.chat_id.in_(sa.bindparam("chat_ids", expanding=True)),
        pinned_messages.c.message_seq >= members.c.first_message_seq,
    )
    .order_by(pinned_messages.c.pinned_at.desc(), pinned_messages.c.message_seq.desc())
)


async def pin(connection: Connection, pinned: Pin) -> None:
    """Pin a message of a locked chat that is not pinned yet."""
    await connection.execute(
        pinned_messages.insert(), {column.name: getattr(pinned, column.name) for column in _COLUMNS}
    )


async def unpin(connection: Connection, key: MessageKey) -> bool:
    """Take a pin away; returns whether there was one."""
    chat_id, seq = key
    result = await connection.execute(_UNPIN, {"of_chat": chat_id, "of_seq": seq})
    return result.rowcount == 1


async def is_pinned(connection: Connection, key: MessageKey) -> bool:
    """Whether a message is pinned."""
    chat_id, seq = key
    return (await connection.execute(_ONE, {"of_chat": chat_id, "of_seq": seq})).first() is not None


async def how_many(connection: Connection, chat_id: UUID) -> int:
    """Return how many messages are pinned in a chat."""
    return int((await connection.execute(_HOW_MANY, {"of_chat": chat_id})).scalar_one())


async def readable(
    connection: Connection, viewer_id: UUID, chat_ids: Iterable[UUID]
) -> dict[UUID, Sequence[Pin]]:
    """Return the pins of each chat that the viewer may read, the newest first."""
    wanted = list(set(chat_ids))
    found: dict[UUID, list[Pin]] = {chat_id: [] for chat_id in wanted}
    if wanted:
        rows = await connection.execute(_READABLE, {"viewer_id": viewer_id, "chat_ids": wanted})
        for row in rows:
            found[row.chat_id].append(Pin(*row))
    return dict(found)
