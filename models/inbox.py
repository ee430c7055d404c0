"""What a person's list of chats is made of: of each chat the little that orders and counts it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.chats import chats
from models.database import Connection
from models.members import THEIR_CHATS, members


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a person's chats, and where they stand in it."""

    chat_id: UUID
    kind: str
    created_by: UUID
    last_activity_at: datetime
    last_message_seq: int
    expired_seq: int
    read_seq: int
    muted_until: datetime | None
    archived_seq: int | None
    pin_position: int | None

    @property
    def place(self) -> tuple[datetime, UUID]:
        """Where it comes in the list, which begins with the highest."""
        return self.last_activity_at, self.chat_id

    @property
    def unread(self) -> int:
        """How many messages the person has not read."""
        return max(0, self.last_message_seq - max(self.read_seq, self.expired_seq))


_COLUMNS = (
    chats.c.id,
    chats.c.kind,
    chats.c.created_by,
    chats.c.last_activity_at,
    chats.c.last_message_seq,
    chats.c.expired_seq,
    members.c.read_seq,
    members.c.muted_until,
    members.c.archived_seq,
    members.c.pin_position,
)
_NAMES = ", ".join(str(column) for column in _COLUMNS)
_ALL = (
    sa.select(*_COLUMNS)
    .select_from(members.join(chats, chats.c.id == members.c.chat_id))
    .where(members.c.user_id == sa.bindparam("user_id"), members.c.left_seq.is_(None))
)
_SOME = {
    dialect: sa.text(f"SELECT {_NAMES} FROM {theirs}")  # noqa: S608 - of the constants above
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(*_COLUMNS)
    for dialect, theirs in THEIR_CHATS.items()
}
_FEW = sa.select(sa.func.count()).select_from(
    sa.select(sa.literal(1))
    .where(members.c.user_id == sa.bindparam("user_id"), members.c.left_seq.is_(None))
    .limit(sa.bindparam("most"))
    .subquery()
)


async def entries(
    connection: Connection, user_id: UUID, chat_ids: Collection[UUID] | None = None
) -> list[Entry]:
    """Return the entries of all chats that a person is in, or of those among these."""
    statement: sa.Executable = _ALL
    values: dict[str, object] = {"user_id": user_id}
    if chat_ids is not None:
        dialect = connection.dialect.name
        statement = _SOME[dialect]
        values["chat_ids"] = pairs.listed(dialect, chat_ids)
    return [Entry(*row) for row in await connection.execute(statement, values)]


async def count(connection: Connection, user_id: UUID, *, most: int) -> int:
    """Return how many chats a person is in; of more than `most`, that many."""
    rows = await connection.execute(_FEW, {"user_id": user_id, "most": most})
    return int(rows.scalar_one())
