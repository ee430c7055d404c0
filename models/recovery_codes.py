"""Recovery codes that are not used yet, as hashes."""

from collections.abc import Collection
from uuid import UUID

import sqlalchemy as sa

from models.base import metadata
from models.database import Connection

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sa.PrimaryKeyConstraint("user_id", "hash"),
)

_COUNT = sa.select(sa.func.count()).where(recovery_codes.c.user_id == sa.bindparam("user_id"))


async def replace(connection: Connection, user_id: UUID, hashes: Collection[bytes]) -> None:
    """Store a person's codes in place of those they had."""
    await remove(connection, user_id)
    await connection.execute(
        recovery_codes.insert(), [{"user_id": user_id, "hash": hash} for hash in hashes]
    )


async def take(connection: Connection, user_id: UUID, hash: bytes) -> bool:
    """Use up a code; returns whether there was one: of two who try it, one gets it."""
    taken = await connection.execute(
        recovery_codes.delete().where(
            recovery_codes.c.user_id == user_id, recovery_codes.c.hash == hash
        )
    )
    return taken.rowcount == 1


async def count(connection: Connection, user_id: UUID) -> int:
    """Return how many codes a person has left."""
    return int((await connection.execute(_COUNT, {"user_id": user_id})).scalar_one())


async def remove(connection: Connection, user_id: UUID) -> None:
    """Delete a person's codes."""
    await connection.execute(recovery_codes.delete().where(recovery_codes.c.user_id == user_id))
