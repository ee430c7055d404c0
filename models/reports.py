"""Reports: what people tell administrators about others."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
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


class ReportKind(StrEnum):
    """What was reported."""

    USER = "user"
    MESSAGE = "message"
    CHAT = "chat"


class ReportAction(StrEnum):
    """What an administrator did about a report, beside closing it."""

    NONE = "none"
    DELETE_MESSAGE = "delete_message"
    REMOVE_FROM_CHAT = "remove_from_chat"


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
    sa.Column("kind", sa.String(16), nullable=False, server_default=ReportKind.USER.value),
    # Of a message or a chat which; without foreign keys, which SQLite would make the table anew
    # for.
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger),
    # What was to be read when it was reported, so that deleting it destroys nothing.
    sa.Column("evidence", sa.JSON(none_as_null=True)),
    sa.Column("action", sa.String(32)),
    sa.Index(
        "ix_reports_id_open",
        "id",
        postgresql_where=sa.text("resolved_at IS NULL"),
        sqlite_where=sa.text("resolved_at IS NULL"),
    ),
    sa.Index(
        "ix_reports_resolved_at",
        "resolved_at",
        postgresql_where=sa.text("resolved_at IS NOT NULL"),
        sqlite_where=sa.text("resolved_at IS NOT NULL"),
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
    kind: str = ReportKind.USER.value
    chat_id: UUID | None = None
    message_seq: int | None = None
    evidence: dict[str, Any] | None = None
    action: str | None = None


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
    connection: Connection,
    report_id: UUID,
    *,
    by: UUID,
    note: str | None,
    action: ReportAction,
    now: datetime,
) -> Report | None:
    """Close a report; returns it, None if it does not exist or is closed already."""
    row = (
        await connection.execute(
            reports.update()
            .where(reports.c.id == report_id, reports.c.resolved_at.is_(None))
            .values(resolved_at=now, resolved_by=by, note=note, action=action.value)
            .returning(*_COLUMNS)
        )
    ).one_or_none()
    return Report(*row) if row else None


async def prune(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete reports that were closed long ago, what they had kept with them; returns how many."""
    old = (
        sa.select(reports.c.id)
        .where(reports.c.resolved_at.is_not(None), reports.c.resolved_at < before)
        .limit(limit)
    )
    result = await connection.execute(reports.delete().where(reports.c.id.in_(old)))
    return result.rowcount
