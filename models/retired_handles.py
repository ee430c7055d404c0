"""Handles of deleted accounts, which nobody gets again: people would take them for who had them.

Kept as hashes, so that the table lists nobody. A handle can be guessed and tried; whether it was
ever somebody's is all that shows, and that `register` says as well.
"""

import hashlib
from datetime import datetime

import sqlalchemy as sa

from models.base import UtcDateTime, metadata
from models.database import Connection

retired_handles = sa.Table(
    "retired_handles",
    metadata,
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("retired_at", UtcDateTime, nullable=False),
)


async def retire(connection: Connection, handle: str, now: datetime) -> None:
    """Let nobody have a handle from now on."""
    if not await is_retired(connection, handle):
        await connection.execute(
            retired_handles.insert().values(hash=_hash(handle), retired_at=now)
        )


async def is_retired(connection: Connection, handle: str) -> bool:
    """Whether a handle was that of an account that was deleted."""
    found = await connection.execute(
        sa.select(retired_handles.c.hash).where(retired_handles.c.hash == _hash(handle))
    )
    return found.one_or_none() is not None


def _hash(handle: str) -> bytes:
    return hashlib.sha256(handle.encode()).digest()
