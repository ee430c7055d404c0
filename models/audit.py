"""The audit log: every act that bears on security, by whom, on what, and from where.

Rows are appended and never changed: triggers refuse it, whoever asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns, metadata, new_key
from models.client import MAX_USER_AGENT, NOWHERE, Client
from models.database import Connection


class Act(StrEnum):
    """What was done."""

    REGISTERED = "registered"
    ADMINISTRATOR_CREATED = "administrator_created"
    LOGGED_IN = "logged_in"
    LOG_IN_FAILED = "log_in_failed"
    LOGGED_OUT = "logged_out"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a name of an act
    EMAIL_VERIFICATION_REQUESTED = "email_verification_requested"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_VERIFIED = "email_verified"
    EMAIL_CHANGED = "email_changed"
    EMAIL_RESTORED = "email_restored"
    PASSWORD_RESET_REQUESTED = "password_reset_requested"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_CHANGE_FAILED = "password_change_failed"  # noqa: S105


# Nothing refers to people here: what they did stays in the log when they are gone.
audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("act", sa.String(48), nullable=False),
    # None: nobody who is known, or the command line.
    sa.Column("actor_id", sa.Uuid),
    sa.Column("session_id", sa.Uuid),
    sa.Column("subject_id", sa.Uuid),
    sa.Column("address", sa.String(64)),
    sa.Column("user_agent", sa.String(MAX_USER_AGENT)),
    sa.Column("details", sa.JSON, nullable=False),
    # Keys are UUIDv7, so each of these lists in the order in which things were done.
    sa.Index("ix_audit_log_actor_id_id", "actor_id", "id"),
    sa.Index("ix_audit_log_subject_id_id", "subject_id", "id"),
    sa.Index("ix_audit_log_act_id", "act", "id"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: UUID
    at: datetime
    act: str
    actor_id: UUID | None
    session_id: UUID | None
    subject_id: UUID | None
    address: str | None
    user_agent: str | None
    details: Mapping[str, Any]


COLUMNS = columns(audit_log, Entry)


async def record(
    connection: Connection,
    act: Act,
    *,
    now: datetime,
    actor_id: UUID | None,
    session_id: UUID | None = None,
    client: Client = NOWHERE,
    subject_id: UUID | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Append an act, in the transaction that does it; `details` hold no secrets, and no texts."""
    await connection.execute(
        audit_log.insert().values(
            id=new_key(),
            at=now,
            act=act.value,
            actor_id=actor_id,
            session_id=session_id,
            subject_id=subject_id,
            address=client.address,
            user_agent=client.user_agent,
            details=dict(details or {}),
        )
    )
