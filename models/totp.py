"""One-time passwords: whose authenticator app holds which secret, and the last code it gave."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

totp = sa.Table(
    "totp",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    # It has to be read again, so it is sealed under a key that is not in the database.
    sa.Column("sealed_secret", sa.LargeBinary(128), nullable=False),
    # Codes of this step and of those before it are spent.
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # None until a first code has shown that the app has the secret; it asks for nothing till then.
    sa.Column("confirmed_at", UtcDateTime),
    sa.PrimaryKeyConstraint("user_id"),
)


@dataclass(frozen=True, slots=True)
class Totp:
    """A person's authenticator app."""

    user_id: UUID
    sealed_secret: bytes
    last_step: int
    created_at: datetime
    confirmed_at: datetime | None


_COLUMNS = columns(totp, Totp)
_OF_USER = sa.select(*_COLUMNS).where(totp.c.user_id == sa.bindparam("user_id"))
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_BEGIN = {
    dialect: (statement := insert(totp)).on_conflict_do_update(
        index_elements=["user_id"],
        set_={
            "sealed_secret": statement.excluded.sealed_secret,
            "created_at": statement.excluded.created_at,
        },
        where=totp.c.confirmed_at.is_(None),
    )
    for dialect, insert in _INSERT.items()
}


async def begin(connection: Connection, user_id: UUID, sealed_secret: bytes, now: datetime) -> bool:
    """Store a secret in place of one that was never confirmed; returns False if one was."""
    stored = await connection.execute(
        _BEGIN[connection.dialect.name],
        {"user_id": user_id, "sealed_secret": sealed_secret, "last_step": 0, "created_at": now},
    )
    return stored.rowcount == 1


async def of(connection: Connection, user_id: UUID) -> Totp | None:
    """Return a person's, confirmed or not."""
    row = (await connection.execute(_OF_USER, {"user_id": user_id})).one_or_none()
    return Totp(*row) if row else None


async def confirm(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Ask for codes from now on."""
    await connection.execute(
        totp.update().where(totp.c.user_id == user_id).values(confirmed_at=now)
    )


async def spend(connection: Connection, user_id: UUID, step: int) -> bool:
    """Spend the codes up to a step; returns False if its code was spent before, or just now."""
    spent = await connection.execute(
        totp.update()
        .where(totp.c.user_id == user_id, totp.c.last_step < step)
        .values(last_step=step)
    )
    return spent.rowcount == 1


async def remove(connection: Connection, user_id: UUID) -> None:
    """Forget a person's secret."""
    await connection.execute(totp.delete().where(totp.c.user_id == user_id))
