"""Exports of a person's data: what was asked for, how far it is, and the file in pieces.

The pieces are in the database because every node can read that one, and none the disk of another's
worker. Whoever makes an export holds it under a claim, which lapses unless it is renewed: what a
worker leaves half done, another one begins anew.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.errors import Raced

CHUNK = 1024 * 1024  # bytes; every piece but the last has as many


class ExportState(StrEnum):
    """How far an export is."""

    QUEUED = "queued"
    RUNNING = "running"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"


_UNDER_WAY = "state IN ('queued', 'running')"

exports = sa.Table(
    "exports",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("progress", sa.Float, nullable=False),  # 0 to 1
    sa.Column("requested_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime),
    sa.Column("size", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False),
    # Who makes it, and until when nobody else may.
    sa.Column("claim", sa.Uuid),
    sa.Column("claimed_until", UtcDateTime),
    # One at a time for each person, which also finds what there is to do.
    sa.Index(
        "uq_exports_under_way",
        "user_id",
        unique=True,
        postgresql_where=sa.text(_UNDER_WAY),
        sqlite_where=sa.text(_UNDER_WAY),
    ),
    sa.Index("ix_exports_user_id", "user_id"),
    sa.Index("ix_exports_expires_at", "expires_at"),
)

export_chunks = sa.Table(
    "export_chunks",
    metadata,
    sa.Column("export_id", sa.Uuid, sa.ForeignKey("exports.id", ondelete="CASCADE")),
    sa.Column("number", sa.Integer, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("export_id", "number"),
)


@dataclass(frozen=True, slots=True)
class Export:
    """One export as its person sees it; what failed and what has expired has no file."""

    id: UUID
    user_id: UUID
    state: str
    progress: float
    requested_at: datetime
    expires_at: datetime | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make an export, for the `attempts`th time."""

    export: Export
    id: UUID
    attempts: int


_COLUMNS = columns(exports, Export)


async def request(connection: Connection, export: Export) -> None:
    """Store a new export; raises `Raced` while another one of the person's is under way."""
    try:
        await connection.execute(
            exports.insert().values(
                id=export.id,
                user_id=export.user_id,
                state=export.state,
                progress=export.progress,
                requested_at=export.requested_at,
                attempts=0,
            )
        )
    except IntegrityError as error:
        raise Raced from error


async def of_user(connection: Connection, user_id: UUID, *, limit: int) -> list[Export]:
    """Return a person's exports, the newest first."""
    rows = await connection.execute(
        sa.select(*_COLUMNS)
        .where(exports.c.user_id == user_id)
        .order_by(exports.c.id.desc())  # keys are UUIDv7
        .limit(limit)
    )
    return [Export(*row) for row in rows]


async def ready(connection: Connection, export_id: UUID, now: datetime) -> Export | None:
    """Return an export whose file is there."""
    row = (
        await connection.execute(
            sa.select(*_COLUMNS).where(
                exports.c.id == export_id,
                exports.c.state == ExportState.READY.value,
                exports.c.expires_at > now,
            )
        )
    ).one_or_none()
    return Export(*row) if row else None


async def claim(
    connection: Connection, claim_id: UUID, now: datetime, until: datetime
) -> Claim | None:
    """Take the oldest export that nobody makes; what is there of its file goes."""
    free = (
        sa.select(*_COLUMNS, exports.c.attempts)
        .where(
            sa.text(_UNDER_WAY),
            (exports.c.claimed_until.is_(None)) | (exports.c.claimed_until < now),
        )
        .order_by(exports.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await connection.execute(free)).one_or_none()
    if row is None:
        return None
    *found, attempts = row
    export = Export(*found)
    await connection.execute(
        exports.update()
        .where(exports.c.id == export.id)
        .values(
            state=ExportState.RUNNING.value,
            progress=0.0,
            attempts=attempts + 1,
            claim=claim_id,
            claimed_until=until,
        )
    )
    await connection.execute(export_chunks.delete().where(export_chunks.c.export_id == export.id))
    return Claim(export, claim_id, attempts + 1)


async def renew(
    connection: Connection, claimed: Claim, *, progress: float, until: datetime
) -> bool:
    """Say how far an export is, and keep it; returns whether it is still the claimant's."""
    return await _change(connection, claimed, progress=progress, claimed_until=until)


async def add_chunk(connection: Connection, export_id: UUID, number: int, data: bytes) -> None:
    """Store a piece of the file, in the transaction in which the claim was renewed."""
    await connection.execute(
        export_chunks.insert().values(export_id=export_id, number=number, data=data)
    )


async def finish(
    connection: Connection, claimed: Claim, *, size: int, expires_at: datetime
) -> bool:
    """Give the file to its person; returns whether it was still the claimant's to give."""
    return await _change(
        connection,
        claimed,
        state=ExportState.READY.value,
        progress=1.0,
        size=size,
        expires_at=expires_at,
        claim=None,
        claimed_until=None,
    )


async def release(connection: Connection, claimed: Claim) -> bool:
    """Leave an export to the next who looks."""
    return await _change(
        connection, claimed, state=ExportState.QUEUED.value, claim=None, claimed_until=None
    )


async def fail(connection: Connection, claimed: Claim, *, expires_at: datetime) -> bool:
    """Give an export up for good, and what there is of its file."""
    failed = await _change(
        connection,
        claimed,
        state=ExportState.FAILED.value,
        expires_at=expires_at,
        claim=None,
        claimed_until=None,
    )
    if failed:
        of_this = export_chunks.c.export_id == claimed.export.id
        await connection.execute(export_chunks.delete().where(of_this))
    return failed


async def _change(connection: Connection, claimed: Claim, **values: object) -> bool:
    result = await connection.execute(
        exports.update()
        .where(exports.c.id == claimed.export.id, exports.c.claim == claimed.id)
        .values(**values)
    )
    return result.rowcount == 1


async def chunk(connection: Connection, export_id: UUID, number: int) -> bytes | None:
    """Return one piece of a file."""
    row = (
        await connection.execute(
            sa.select(export_chunks.c.data).where(
                export_chunks.c.export_id == export_id, export_chunks.c.number == number
            )
        )
    ).one_or_none()
    return bytes(row.data) if row else None


async def expire(connection: Connection, now: datetime) -> list[UUID]:
    """Mark files whose time is over, and return which."""
    result = await connection.execute(
        exports.update()
        .where(exports.c.state == ExportState.READY.value, exports.c.expires_at <= now)
        .values(state=ExportState.EXPIRED.value, size=None)
        .returning(exports.c.id)
    )
    return list(result.scalars())


async def drop_chunks(connection: Connection, *, limit: int) -> int:
    """Delete at most `limit` pieces of files that are no more to be had; returns how many went."""
    over = sa.select(exports.c.id).where(exports.c.state == ExportState.EXPIRED.value)
    return await _drop(connection, over, limit)


async def _drop(connection: Connection, of: sa.Select[UUID], limit: int) -> int:
    doomed = (
        sa.select(export_chunks.c.export_id, export_chunks.c.number)
        .where(export_chunks.c.export_id.in_(of))
        .limit(limit)
    )
    key = sa.tuple_(export_chunks.c.export_id, export_chunks.c.number)
    result = await connection.execute(export_chunks.delete().where(key.in_(doomed)))
    return result.rowcount


async def drop_chunks_of(connection: Connection, user_id: UUID, *, limit: int) -> int:
    """Delete at most `limit` pieces of a person's files; returns how many went."""
    theirs = sa.select(exports.c.id).where(exports.c.user_id == user_id)
    return await _drop(connection, theirs, limit)


async def prune(connection: Connection, before: datetime, *, limit: int) -> int:
    """Delete at most `limit` exports that expired or failed long ago; returns how many went."""
    doomed = (
        sa.select(exports.c.id)
        .where(exports.c.expires_at < before, exports.c.state != ExportState.READY.value)
        .limit(limit)
    )
    result = await connection.execute(exports.delete().where(exports.c.id.in_(doomed)))
    return result.rowcount
