"""Reports: what people tell administrators about others."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata
from models.database import Connection

MAX_REPORT = 1000
MAX_NOTE = 500


class ReportReason(StrEnum):
    """What is wrong."""

    SPAM = "spam"
    HARASSMENT = "harassment"
    IMPERSONATION = "impersonation"
    ILLEGAL = "illegal"
    OTHER = "other"


reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("reporter_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("subject_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("reason", sa.String(32), nullable=False),
    sa.Column("text", sa.String(MAX_REPORT)),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("resolved_at", UtcDateTime),
    sa.Column("resolved_by", sa.Uuid, sa.ForeignKey("users.id")),
    sa.Column("note", sa.String(MAX_NOTE)),
    sa.Index(
        "ix_reports_id_open",
        "id",
        postgresql_where=sa.text("resolved_at IS NULL"),
        sqlite_where=sa.text("resolved_at IS NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody has told about somebody, and what became of it."""

    id: UUID
    reporter_id: UUID
    subject_id: UUID
    reason: str
    text: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    note: str | None


_COLUMNS = columns(reports, Report)


async def create(connection: Connection, report: Report) -> None:
    """Store a report."""
    values = {field.name: getattr(report, field.name) for field in fields(report)}
    await connection.execute(reports.insert().values(**values))


async def page(
    connection: Connection, *, resolved: bool | None, after: UUID | None, limit: int
) -> Sequence[Report]:
    """Return reports, the newest first, after a given one."""
    query = sa.select(*_COLUMNS).order_by(reports.c.id.desc()).limit(limit)
    if resolved is not None:
        at = reports.c.resolved_at
        query = query.where(at.is_not(None) if resolved else at.is_(None))
    if after is not None:
        query = query.where(reports.c.id < after)
    return [Report(*row) for row in await connection.execute(query)]


async def resolve(
    connection: Connection, report_id: UUID, *, by: UUID, note: str | None, now: datetime
) -> Report | None:
    """Close a report; returns it, None if it does not exist or is closed already."""
    row = (
        await connection.execute(
            reports.update()
            .where(reports.c.id == report_id, reports.c.resolved_at.is_(None))
            .values(resolved_at=now, resolved_by=by, note=note)
            .returning(*_COLUMNS)
        )
    ).one_or_none()
    return Report(*row) if row else None
