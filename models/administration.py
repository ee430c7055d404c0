"""Accounts as administrators see them, and who the administrators are."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa

from models.base import columns
from models.database import Connection
from models.users import User, UserKind, users

_COLUMNS = columns(users, User)
_ADMINISTRATORS = (
    sa.select(*_COLUMNS)
    .where(
        # As the index has it: SQLite uses it for no other spelling.
        sa.text("users.is_admin"),
        users.c.suspended_at.is_(None),
        users.c.deleted_at.is_(None),
    )
    .order_by(users.c.id)
)


async def page(
    connection: Connection,
    *,
    search: str | None,
    kind: UserKind | None,
    suspended: bool | None,
    after_handle: str | None,
    limit: int,
) -> Sequence[User]:
    """Return accounts by handle, after a given one: also those that others do not find.

    `search` is how the handle or the display name starts, or a whole e-mail address.
    """
    query = sa.select(*_COLUMNS).order_by(users.c.handle).limit(limit)
    if search:
        wanted = search.lower()
        query = query.where(
            users.c.handle.startswith(wanted, autoescape=True)
            | sa.func.lower(users.c.display_name).startswith(wanted, autoescape=True)
            | (sa.func.lower(users.c.email) == wanted)
        )
    if kind is not None:
        query = query.where(users.c.kind == kind.value)
    if suspended is not None:
        at = users.c.suspended_at
        query = query.where(at.is_not(None) if suspended else at.is_(None))
    if after_handle is not None:
        query = query.where(users.c.handle > after_handle)
    return [User(*row) for row in await connection.execute(query)]


async def administrators(connection: Connection, *, lock: bool = False) -> dict[UUID, User]:
    """Return the administrators that can act, by id.

    Under `lock` nobody else makes or unmakes one: what is decided by who is left stays true.
    """
    query = _ADMINISTRATORS
    if lock:
        query = query.with_for_update(key_share=True)
    return {row.id: User(*row) for row in await connection.execute(query)}


async def make_administrator(connection: Connection, user_id: UUID, *, is_admin: bool) -> bool:
    """Give or take somebody's administration; returns whether that changed anything."""
    result = await connection.execute(
        users.update()
        .where(users.c.id == user_id, users.c.is_admin.is_not(is_admin))
        .values(is_admin=is_admin)
    )
    return result.rowcount == 1
