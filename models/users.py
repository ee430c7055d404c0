"""People: who they are and how they are found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models import retired_handles
from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import HandleTaken

# Folding can make three characters of one, so a name of 64 may be cut off. Whoever looks for more
# than this of a name finds those that begin alike.
FOLDED = 128  # characters
DELETED = "Deleted account"  # the name of what is left of one


class UserKind(StrEnum):
    """What kind of account it is."""

    PERSON = "person"
    GUEST = "guest"  # in one chat, by a link, for a while
    BOT = "bot"  # a program, signed in by tokens


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # Handles are lower case from the start, so one unique index serves look-up and search.
    sa.Column("handle", sa.String(32), nullable=False, unique=True),
    sa.Column("display_name", sa.String(64), nullable=False),
    sa.Column("display_name_folded", sa.String(FOLDED), nullable=False),
    sa.Column("email", sa.String(254)),
    # None: guests, bots, and people whom another issuer vouches for.
    sa.Column("password_hash", sa.String(255)),
    sa.Column("kind", sa.String(16), nullable=False, server_default=UserKind.PERSON.value),
    sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("suspended_at", UtcDateTime),
    # What is left of an account that was deleted is its row, for the messages that others keep.
    sa.Column("deleted_at", UtcDateTime),
    sa.Index("ix_users_display_name_folded", "display_name_folded", "id"),
)


@dataclass(frozen=True, slots=True)
class User:
    """An account as others may see it, with what only its owner may see (`email`)."""

    id: UUID
    handle: str
    display_name: str
    email: str | None
    is_admin: bool
    created_at: datetime
    kind: str = UserKind.PERSON.value
    suspended_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def may_sign_in(self) -> bool:
        """Whether sessions of the account are good for anything."""
        return self.suspended_at is None and self.deleted_at is None


_COLUMNS = columns(users, User)
_BY_ID = sa.select(*_COLUMNS).where(users.c.id.in_(sa.bindparam("ids", expanding=True)))
_BY_HANDLE = sa.select(*_COLUMNS).where(
    users.c.handle == sa.bindparam("handle"), users.c.deleted_at.is_(None)
)
_CREDENTIALS = sa.select(users.c.id, users.c.password_hash).where(
    users.c.handle == sa.bindparam("handle")
)


async def create(connection: Connection, user: User, password_hash: str | None) -> None:
    """Store an account; raises `HandleTaken` when the handle is, or was, somebody else's."""
    if await retired_handles.is_retired(connection, user.handle):
        raise HandleTaken(user.handle)
    try:
        await connection.execute(
            users.insert().values(
                id=user.id,
                handle=user.handle,
                display_name=user.display_name,
                display_name_folded=_folded(user.display_name),
                email=user.email,
                password_hash=password_hash,
                kind=user.kind,
                is_admin=user.is_admin,
                created_at=user.created_at,
            )
        )
    except IntegrityError as error:
        raise HandleTaken(user.handle) from error


def _folded(text: str) -> str:
    return text.casefold()[:FOLDED]


async def by_ids(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, User]:
    """Return the people of these ids that exist, by id."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    rows = await connection.execute(_BY_ID, {"ids": wanted})
    return {row.id: User(*row) for row in rows}


async def present(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, User]:
    """Return the people of these ids whose accounts are not deleted, by id."""
    found = await by_ids(connection, ids)
    return {user_id: user for user_id, user in found.items() if user.deleted_at is None}


async def by_handle(connection: Connection, handle: str) -> User | None:
    """Return the person with this (lower-case) handle."""
    row = (await connection.execute(_BY_HANDLE, {"handle": handle})).one_or_none()
    return User(*row) if row else None


async def taken(connection: Connection, handles: Iterable[str]) -> set[str]:
    """Return which of these handles belong to somebody."""
    rows = await connection.execute(
        sa.select(users.c.handle).where(users.c.handle.in_(list(handles)))
    )
    return set(rows.scalars())


async def make_administrator(connection: Connection, user_id: UUID, is_admin: bool) -> None:
    """Make somebody an administrator, or no longer one."""
    await connection.execute(users.update().where(users.c.id == user_id).values(is_admin=is_admin))


async def close(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Close a deleted account for good: nobody signs in to it, finds it, or adds it to a chat."""
    await connection.execute(
        users.update()
        .where(users.c.id == user_id, users.c.deleted_at.is_(None))
        .values(deleted_at=now)
    )


async def erase(connection: Connection, user_id: UUID) -> None:
    """Take everything off a closed account that tells who it was.

    What is left is a row without a name, for the messages that others keep. Whatever may be absent
    goes, columns that come later among it.
    """
    absent = {column.name: None for column in users.columns if column.nullable}
    del absent["deleted_at"]
    await connection.execute(
        users.update()
        .where(users.c.id == user_id)
        .values(
            **absent,
            handle=f"deleted_{user_id.hex[-12:]}",
            display_name=DELETED,
            display_name_folded=_folded(DELETED),
            is_admin=False,
        )
    )


async def credentials(connection: Connection, handle: str) -> tuple[UUID, str | None] | None:
    """Return a person's id and password hash, None in its place for who has no password."""
    row = (await connection.execute(_CREDENTIALS, {"handle": handle})).one_or_none()
    return (row.id, row.password_hash) if row else None


async def search(
    connection: Connection, prefix: str, *, after_handle: str | None, limit: int
) -> Sequence[User]:
    """Return people whose handle or name starts with `prefix`, by handle, after a given one."""
    folded = _folded(prefix)
    query = (
        sa.select(*_COLUMNS)
        .where(users.c.deleted_at.is_(None))
        .where(
            users.c.handle.startswith(folded, autoescape=True)
            | users.c.display_name_folded.startswith(folded, autoescape=True)
        )
        .order_by(users.c.handle)
        .limit(limit)
    )
    if after_handle is not None:
        query = query.where(users.c.handle > after_handle)
    return [User(*row) for row in await connection.execute(query)]


async def lock(connection: Connection, user_id: UUID) -> User:
    """Return an account that nobody else changes until the commit; raises `KeyError`."""
    await connection.execute(
        sa.select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    )
    return (await by_ids(connection, [user_id]))[user_id]
