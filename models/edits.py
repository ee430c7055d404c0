"""What messages said before they were edited: the newest versions, until the message is deleted."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import UtcDateTime, metadata
from models.database import Connection
from models.messages import Message, MessageKey

KEPT = 50  # versions of a message; of more the oldest go

message_edits = sa.Table(
    "message_edits",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("number", sa.BigInteger, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("written_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("chat_id", "message_seq", "number"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said, and since when."""

    text: str
    written_at: datetime


_OF = (
    message_edits.c.chat_id == sa.bindparam("chat_id"),
    message_edits.c.message_seq == sa.bindparam("seq"),
)
_LAST = sa.select(sa.func.coalesce(sa.func.max(message_edits.c.number), 0)).where(*_OF)
# As of messages themselves: who has left the chat must not learn what was edited since.
_MAY_READ = """EXISTS (
    SELECT 1 FROM members AS m
    WHERE m.user_id = :viewer_id AND m.chat_id = message_edits.chat_id AND m.left_seq IS NULL
      AND m.first_message_seq <= message_edits.message_seq
)"""
_DIALECTS = ("sqlite", "postgresql")
_OF_MESSAGES = {
    dialect: sa.text(
        pairs.by_pairs(
            dialect,
            list(message_edits.c),
            message_edits.c.chat_id,
            message_edits.c.message_seq,
            where=_MAY_READ,
        )
        + " ORDER BY number"
    )
    .bindparams(sa.bindparam("viewer_id", type_=sa.Uuid))
    .columns(*message_edits.c)
    for dialect in _DIALECTS
}


async def keep(connection: Connection, message: Message) -> None:
    """Keep what a message of a locked chat says, which is about to say something else."""
    key = {"chat_id": message.chat_id, "seq": message.seq}
    number = int((await connection.execute(_LAST, key)).scalar_one()) + 1
    await connection.execute(
        message_edits.insert(),
        {
            "chat_id": message.chat_id,
            "message_seq": message.seq,
            "number": number,
            "text": message.text,
            "written_at": message.edited_at or message.created_at,
        },
    )
    if number > KEPT:
        await connection.execute(
            message_edits.delete().where(*_OF, message_edits.c.number <= number - KEPT), key
        )


async def readable(
    connection: Connection, viewer_id: UUID, keys: Iterable[MessageKey]
) -> dict[MessageKey, list[Version]]:
    """Return what those of the messages said before that the viewer may read, the oldest first."""
    wanted = set(keys)
    found: dict[MessageKey, list[Version]] = {key: [] for key in wanted}
    if wanted:
        dialect = connection.dialect.name
        asked = {"viewer_id": viewer_id, **pairs.parameters(dialect, wanted)}
        rows = await connection.execute(_OF_MESSAGES[dialect], asked)
        for row in rows:
            found[row.chat_id, row.message_seq].append(Version(row.text, row.written_at))
    return found


async def forget(connection: Connection, key: MessageKey) -> None:
    """Delete what a message said before."""
    chat_id, seq = key
    await connection.execute(message_edits.delete().where(*_OF), {"chat_id": chat_id, "seq": seq})
