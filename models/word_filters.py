"""Words that chats, or the whole server, do not want: a list for each, stored as one row.

`version` numbers the changes of all lists together, in the order in which they were committed, so
a node learns with one look-up which lists are others than those that it has compiled.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.database import Connection

MAX_PATTERN = 200  # characters
# In place of a chat's id, for the list that holds everywhere.
SERVER = UUID(int=0)


class FilterKind(StrEnum):
    """How a filter finds."""

    WORD = "word"  # a whole word, or several in a row
    PART = "part"  # anywhere, within words too
    PATTERN = "pattern"  # an RE2 expression


class FilterAction(StrEnum):
    """What becomes of a text in which a filter finds something."""

    REFUSE = "refuse"
    MASK = "mask"


word_filters = sa.Table(
    "word_filters",
    metadata,
    # Without a foreign key: one row is no chat's.
    sa.Column("chat_id", sa.Uuid, primary_key=True),
    sa.Column("filters", sa.JSON, nullable=False),
    sa.Column("length", sa.Integer, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, unique=True),
    sa.Column("changed_at", UtcDateTime, nullable=False),
)

# One row, which whoever changes a list updates: so the changes are committed in the order of their
# numbers, and nothing appears behind what somebody has read.
word_filter_version = sa.Table(
    "word_filter_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)


@dataclass(frozen=True, slots=True)
class WordFilter:
    """Something not to be written, and what happens to a text that has it."""

    pattern: str
    kind: str
    action: str


@dataclass(frozen=True, slots=True)
class Change:
    """A list that is another now: whose, and of how many filters."""

    chat_id: UUID
    length: int
    version: int


_CHANGED = (
    sa.select(word_filters.c.chat_id, word_filters.c.length, word_filters.c.version)
    .where(word_filters.c.version > sa.bindparam("seen"))
    .order_by(word_filters.c.version)
)


async def changed_since(connection: Connection, seen: int) -> Sequence[Change]:
    """Return which lists were set after a version, in that order."""
    return [Change(*row) for row in await connection.execute(_CHANGED, {"seen": seen})]


async def of_many(connection: Connection, chat_ids: Sequence[UUID]) -> dict[UUID, list[WordFilter]]:
    """Return the lists of these chats, `SERVER` among them, by id; empty for who has none."""
    found: dict[UUID, list[WordFilter]] = {chat_id: [] for chat_id in chat_ids}
    rows = await connection.execute(
        sa.select(word_filters.c.chat_id, word_filters.c.filters).where(
            word_filters.c.chat_id.in_(list(found))
        )
    )
    for row in rows:
        found[row.chat_id] = [WordFilter(**each) for each in row.filters]
    return found


async def put(
    connection: Connection, chat_id: UUID, filters: Sequence[WordFilter], now: datetime
) -> None:
    """Set a chat's list; the chat, or for `SERVER` nothing, is locked."""
    version = (
        await connection.execute(
            word_filter_version.update()
            .where(word_filter_version.c.id == 1)
            .values(version=word_filter_version.c.version + 1)
            .returning(word_filter_version.c.version)
        )
    ).scalar_one()
    values = {
        "filters": [asdict(each) for each in filters],
        "length": len(filters),
        "version": version,
        "changed_at": now,
    }
    # Under the lock of the version's row nobody else puts a row in between.
    result = await connection.execute(
        word_filters.update().where(word_filters.c.chat_id == chat_id).values(values)
    )
    if not result.rowcount:
        await connection.execute(word_filters.insert().values(chat_id=chat_id, **values))
