"""Messages that somebody does not want to see any more; for all others they stay as they are."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.base import UtcDateTime, metadata
from models.database import Connection
from models.messages import MessageKey

hidden_messages = sa.Table(
    "hidden_messages",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("hidden_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("user_id", "chat_id", "message_seq"),
    sa.Index("ix_hidden_messages_chat_id_message_seq", "chat_id", "message_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)

_HIDE = {
    "postgresql": postgresql.insert(hidden_messages).on_conflict_do_nothing(),
    "sqlite": sqlite.insert(hidden_messages).on_conflict_do_nothing(),
}


async def hide(connection: Connection, user_id: UUID, key: MessageKey, *, now: datetime) -> bool:
    """Hide a message from somebody; returns whether they still saw it."""
    chat_id, seq = key
    result = await connection.execute(
        _HIDE[connection.dialect.name],
        {"user_id": user_id, "chat_id": chat_id, "message_seq": seq, "hidden_at": now},
    )
    return result.rowcount == 1
