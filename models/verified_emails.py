"""Whose e-mail address is proven: each belongs to one account, and an account has one at most.

What people merely say their address is stands in `users.email`, any number of times, so that
nobody can keep an address from whom it belongs to by being first to claim it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Conflict
from models.users import User, users

verified_emails = sa.Table(
    "verified_emails",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    # As `accounts.addresses.Address.key`: what addresses that are one have in common.
    sa.Column("key", sa.String(254), nullable=False, unique=True),
    sa.Column("verified_at", UtcDateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who has proven an address, and whether they have a password to forget."""

    user: User
    key: str
    has_password: bool


_OWNED = verified_emails.join(users, users.c.id == verified_emails.c.user_id)
_RECIPIENT = sa.select(
    verified_emails.c.key, users.c.password_hash.is_not(None), *columns(users, User)
).select_from(_OWNED)
_BY_KEY = _RECIPIENT.where(verified_emails.c.key == sa.bindparam("sought"))
_BY_USER = _RECIPIENT.where(users.c.id == sa.bindparam("sought"))
_BY_HANDLE = _RECIPIENT.where(users.c.handle == sa.bindparam("sought"))
_KEY_OF = sa.select(verified_emails.c.key).where(
    verified_emails.c.user_id == sa.bindparam("user_id")
)
_CREDENTIALS = (
    sa.select(users.c.id, users.c.password_hash)
    .select_from(_OWNED)
    .where(verified_emails.c.key == sa.bindparam("key"))
)


async def by_key(connection: Connection, key: str) -> Recipient | None:
    """Return whom an address belongs to."""
    return await _recipient(connection, _BY_KEY, key)


async def by_handle(connection: Connection, handle: str) -> Recipient | None:
    """Return the person with this handle, if they have proven an address."""
    return await _recipient(connection, _BY_HANDLE, handle)


async def by_user(connection: Connection, user_id: UUID) -> Recipient | None:
    """Return a person, if they have proven an address."""
    return await _recipient(connection, _BY_USER, user_id)


async def _recipient(
    connection: Connection, query: sa.Select[Any], sought: str | UUID
) -> Recipient | None:
    row = (await connection.execute(query, {"sought": sought})).one_or_none()
    if row is None:
        return None
    key, has_password, *user = row
    return Recipient(User(*user), key, bool(has_password))


async def of(connection: Connection, user_id: UUID) -> str | None:
    """Return the key of the address that a person has proven."""
    key: str | None = (await connection.execute(_KEY_OF, {"user_id": user_id})).scalar()
    return key


async def credentials(connection: Connection, key: str) -> tuple[UUID, str | None] | None:
    """Return the id and the password hash of whom an address belongs to."""
    row = (await connection.execute(_CREDENTIALS, {"key": key})).one_or_none()
    return (row.id, row.password_hash) if row else None


async def prove(
    connection: Connection, user_id: UUID, *, address: str, key: str, now: datetime
) -> None:
    """Make an address a person's, in place of the one before.

    Raises `Conflict` when it belongs to somebody else.
    """
    await connection.execute(verified_emails.delete().where(verified_emails.c.user_id == user_id))
    try:
        await connection.execute(
            verified_emails.insert().values(user_id=user_id, key=key, verified_at=now)
        )
    except IntegrityError as error:
        raise Conflict("This address belongs to another account.", path=["token"]) from error
    await connection.execute(users.update().where(users.c.id == user_id).values(email=address))


async def forget(connection: Connection, user_id: UUID) -> None:
    """Forget a person's address, proven or not."""
    await connection.execute(verified_emails.delete().where(verified_emails.c.user_id == user_id))
    await connection.execute(users.update().where(users.c.id == user_id).values(email=None))
