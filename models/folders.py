"""Folders: names under which people put chats of theirs together, for themselves alone.

A folder's chats are a list in its row: it is read and changed as a whole, and short. Chats that
its owner has left stay in the list, and are shown again when they come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

folders = sa.Table(
    "folders",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    # Ids of chats as hexadecimal digits.
    sa.Column("chat_ids", sa.JSON, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Index("ix_folders_user_id", "user_id", "position", "id"),
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it is stored."""

    id: UUID
    user_id: UUID
    name: str
    position: int
    chat_ids: list[str]
    created_at: datetime

    @property
    def chats(self) -> list[UUID]:
        """Which chats its owner put into it."""
        return [UUID(hex=chat_id) for chat_id in self.chat_ids]


_COLUMNS = columns(folders, Folder)
_OF_USER = (
    sa.select(*_COLUMNS)
    .where(folders.c.user_id == sa.bindparam("user_id"))
    .order_by(folders.c.position, folders.c.id)
)
_BY_ID = sa.select(*_COLUMNS).where(
    folders.c.id == sa.bindparam("folder_id"), folders.c.user_id == sa.bindparam("user_id")
)
_PLACE = (
    folders.update()
    .where(folders.c.id == sa.bindparam("folder_id"))
    .values(position=sa.bindparam("new_position"))
)


async def of_user(connection: Connection, user_id: UUID) -> list[Folder]:
    """Return somebody's folders in their order."""
    return [Folder(*row) for row in await connection.execute(_OF_USER, {"user_id": user_id})]


async def owned(connection: Connection, user_id: UUID, folder_id: UUID) -> Folder | None:
    """Return a folder, if it is somebody's own."""
    asked = {"folder_id": folder_id, "user_id": user_id}
    row = (await connection.execute(_BY_ID, asked)).one_or_none()
    return Folder(*row) if row else None


async def add(connection: Connection, folder: Folder) -> None:
    """Store a new folder."""
    await connection.execute(
        folders.insert(), {field.name: getattr(folder, field.name) for field in fields(folder)}
    )


async def change(connection: Connection, folder: Folder) -> None:
    """Store a folder's name and chats."""
    await connection.execute(
        folders.update()
        .where(folders.c.id == folder.id)
        .values(name=folder.name, chat_ids=folder.chat_ids)
    )


async def order(connection: Connection, folder_ids: Sequence[UUID]) -> None:
    """Put folders into this order."""
    if folder_ids:
        await connection.execute(
            _PLACE,
            [{"folder_id": each, "new_position": place} for place, each in enumerate(folder_ids)],
        )


async def delete(connection: Connection, folder_id: UUID) -> None:
    """Delete a folder; its chats stay where they are."""
    await connection.execute(folders.delete().where(folders.c.id == folder_id))
