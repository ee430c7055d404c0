"""What people want of others: who may reach them, and who may find them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models.base import columns, metadata
from models.database import Connection


class Audience(StrEnum):
    """Who may do something with regard to somebody."""

    EVERYBODY = "everybody"
    CONTACTS = "contacts"  # see `users.contacts`
    NOBODY = "nobody"


def _audience(name: str) -> sa.Column[str]:
    everybody = Audience.EVERYBODY.value
    return sa.Column(name, sa.String(16), nullable=False, server_default=everybody)


# A row for everybody who ever changed a setting; nobody else needs one.
settings = sa.Table(
    "settings",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    _audience("who_may_message"),
    _audience("who_may_call"),
    _audience("who_may_add"),
    _audience("who_sees_last_seen"),
    sa.Column("hides", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("hides_receipts", sa.Boolean, nullable=False, server_default=sa.false()),
    # Few do, and it is looked up for everybody whose pointers are shown.
    sa.Index(
        "ix_settings_hides_receipts",
        "user_id",
        postgresql_where=sa.text("hides_receipts"),
        sqlite_where=sa.text("hides_receipts"),
    ),
    sa.Column("invisible", sa.Boolean, nullable=False, server_default=sa.false()),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What somebody has set, or else what holds for everybody."""

    who_may_message: str = Audience.EVERYBODY
    who_may_call: str = Audience.EVERYBODY
    who_may_add: str = Audience.EVERYBODY
    who_sees_last_seen: str = Audience.EVERYBODY
    hides: bool = False
    hides_receipts: bool = False
    invisible: bool = False  # nobody sees whether they are there


_COLUMNS = columns(settings, Settings)
_OF = sa.select(*_COLUMNS).where(settings.c.user_id == sa.bindparam("user_id"))
_HIDING = sa.select(settings.c.user_id).where(
    settings.c.user_id.in_(sa.bindparam("user_ids", expanding=True)), settings.c.hides_receipts
)


async def of(connection: Connection, user_id: UUID) -> Settings:
    """Return somebody's settings."""
    row = (await connection.execute(_OF, {"user_id": user_id})).one_or_none()
    return Settings(*row) if row else Settings()


async def of_many(connection: Connection, user_ids: Iterable[UUID]) -> dict[UUID, Settings]:
    """Return the settings of those of the people who have set any, by their id."""
    rows = await connection.execute(
        sa.select(settings.c.user_id, *_COLUMNS).where(settings.c.user_id.in_(set(user_ids)))
    )
    return {row.user_id: Settings(*row[1:]) for row in rows}


async def hiding(connection: Connection, user_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the people who show nobody how far they have read."""
    rows = await connection.execute(_HIDING, {"user_ids": list(set(user_ids))})
    return set(rows.scalars())


async def store(connection: Connection, user_id: UUID, new: Settings) -> None:
    """Store somebody's settings; the account must be locked."""
    values = {field.name: getattr(new, field.name) for field in fields(new)}
    changed = await connection.execute(
        settings.update().where(settings.c.user_id == user_id).values(values)
    )
    if not changed.rowcount:
        await connection.execute(settings.insert().values(user_id=user_id, **values))
