"""Passkeys: which public keys sign people in, and how often they have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Conflict

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    # What the authenticator calls it. Two accounts with the same one would be a forgery.
    sa.Column("credential_id", sa.LargeBinary(1023), nullable=False, unique=True),
    sa.Column("public_key", sa.LargeBinary(1024), nullable=False),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    sa.Column("transports", sa.JSON, nullable=False),
    sa.Column("backed_up", sa.Boolean, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_used_at", UtcDateTime),
    sa.Index("ix_passkeys_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of a person's."""

    id: UUID
    user_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]
    backed_up: bool
    name: str
    created_at: datetime
    last_used_at: datetime | None


_COLUMNS = columns(passkeys, Passkey)
_OF_USER = (
    sa.select(*_COLUMNS)
    .where(passkeys.c.user_id == sa.bindparam("user_id"))
    .order_by(passkeys.c.id)
)
_BY_CREDENTIAL = sa.select(*_COLUMNS).where(
    passkeys.c.credential_id == sa.bindparam("credential_id")
)


async def add(connection: Connection, passkey: Passkey) -> None:
    """Store a passkey; raises `Conflict` when there is one of the same credential id."""
    values = {column.name: getattr(passkey, column.name) for column in _COLUMNS}
    try:
        await connection.execute(
            passkeys.insert().values({**values, "transports": list(passkey.transports)})
        )
    except IntegrityError as error:
        raise Conflict("This passkey is registered already.") from error


async def of(connection: Connection, user_id: UUID) -> list[Passkey]:
    """Return a person's passkeys, the oldest first."""
    return [Passkey(*row) for row in await connection.execute(_OF_USER, {"user_id": user_id})]


async def by_credential(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Return the passkey that an authenticator calls so."""
    rows = await connection.execute(_BY_CREDENTIAL, {"credential_id": credential_id})
    row = rows.one_or_none()
    return Passkey(*row) if row else None


async def use(
    connection: Connection, passkey: Passkey, *, sign_count: int, backed_up: bool, now: datetime
) -> bool:
    """Note a use; returns False if the counter has got there since the passkey was read."""
    # Authenticators that do not count leave it at zero.
    goes_up = passkeys.c.sign_count == 0 if sign_count == 0 else passkeys.c.sign_count < sign_count
    noted = await connection.execute(
        passkeys.update()
        .where(passkeys.c.id == passkey.id, goes_up)
        .values(sign_count=sign_count, backed_up=backed_up, last_used_at=now)
    )
    return noted.rowcount == 1


async def rename(
    connection: Connection, user_id: UUID, passkey_id: UUID, name: str
) -> Passkey | None:
    """Give a person's passkey another name; returns it, None if they have no such passkey."""
    renamed = (
        passkeys.update()
        .where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
        .values(name=name)
        .returning(*_COLUMNS)
    )
    row = (await connection.execute(renamed)).one_or_none()
    return Passkey(*row) if row else None


async def remove(connection: Connection, user_id: UUID, passkey_id: UUID) -> bool:
    """Delete a person's passkey; returns whether they had it."""
    removed = await connection.execute(
        passkeys.delete().where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
    )
    return removed.rowcount == 1


async def remove_all(connection: Connection, user_id: UUID) -> None:
    """Delete a person's passkeys."""
    await connection.execute(passkeys.delete().where(passkeys.c.user_id == user_id))
