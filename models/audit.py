"""The audit log: every act that bears on security, by whom, on what, and from where.

Rows are appended and never changed: triggers refuse it, whoever asks.
"""

from collections.abc import Mapping, Sequence
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
    EXPORT_REQUESTED = "export_requested"
    EXPORT_DOWNLOADED = "export_downloaded"
    DELETION_REQUESTED = "deletion_requested"
    DELETION_CANCELLED = "deletion_cancelled"
    ACCOUNT_ERASED = "account_erased"
    LOGGED_OUT = "logged_out"
    SESSION_REVOKED = "session_revoked"
    OTHER_SESSIONS_REVOKED = "other_sessions_revoked"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    SIGNING_KEYS_REVOKED = "signing_keys_revoked"
    LOG_IN_CHALLENGED = "log_in_challenged"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    TOTP_ENABLED = "totp_enabled"
    TOTP_DISABLED = "totp_disabled"
    PASSKEY_REGISTERED = "passkey_registered"
    PASSKEY_RENAMED = "passkey_renamed"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_CLONED = "passkey_cloned"
    IDENTITY_CONFIRMED = "identity_confirmed"
    IDENTITY_NOT_CONFIRMED = "identity_not_confirmed"
    EXTERNAL_PERSON_CREATED = "external_person_created"
    ADMINISTRATOR_BY_ISSUER = "administrator_by_issuer"
    NO_ADMINISTRATOR_BY_ISSUER = "no_administrator_by_issuer"
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a name of an act
    GUEST_LINK_CREATED = "guest_link_created"
    GUEST_LINK_REVOKED = "guest_link_revoked"
    GUEST_JOINED = "guest_joined"
    GUEST_REMOVED = "guest_removed"
    BOT_CREATED = "bot_created"
    BOT_TOKEN_CREATED = "bot_token_created"  # noqa: S105 - a name of an act
    BOT_TOKEN_REVOKED = "bot_token_revoked"  # noqa: S105 - a name of an act
    BOT_DELETED = "bot_deleted"
    WEBHOOK_CREATED = "webhook_created"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_DELETED = "webhook_deleted"
    WEBHOOK_SECRET_ROTATED = "webhook_secret_rotated"  # noqa: S105 - a name of an act
    INCOMING_WEBHOOK_CREATED = "incoming_webhook_created"
    INCOMING_WEBHOOK_REVOKED = "incoming_webhook_revoked"
    USER_SUSPENDED = "user_suspended"
    USER_REINSTATED = "user_reinstated"
    SESSIONS_ENDED_BY_ADMINISTRATOR = "sessions_ended_by_administrator"
    ADMINISTRATOR_GRANTED = "administrator_granted"
    ADMINISTRATOR_REVOKED = "administrator_revoked"
    SIGN_UP_POLICY_SET = "sign_up_policy_set"
    INVITATION_CREATED = "invitation_created"
    INVITATION_REVOKED = "invitation_revoked"
    USER_REPORTED = "user_reported"
    REPORT_RESOLVED = "report_resolved"
    MESSAGE_REPORTED = "message_reported"
    CHAT_REPORTED = "chat_reported"
    MESSAGE_DELETED_BY_ADMINISTRATOR = "message_deleted_by_administrator"
    MEMBER_REMOVED_BY_ADMINISTRATOR = "member_removed_by_administrator"
    WORD_FILTERS_SET = "word_filters_set"
    HANDLE_CHANGED = "handle_changed"
    DISPLAY_NAME_CHANGED = "display_name_changed"
    SETTINGS_CHANGED = "settings_changed"
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


async def page(
    connection: Connection,
    *,
    actor_id: UUID | None,
    subject_id: UUID | None,
    act: Act | None,
    since: datetime | None,
    until: datetime | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Entry]:
    """Return acts, the newest first, after a given one; every condition given holds for them.

    `since` is of the range, `until` is not.
    """
    query = sa.select(*COLUMNS).order_by(audit_log.c.id.desc()).limit(limit)
    if actor_id is not None:
        query = query.where(audit_log.c.actor_id == actor_id)
    if subject_id is not None:
        query = query.where(audit_log.c.subject_id == subject_id)
    if act is not None:
        query = query.where(audit_log.c.act == act.value)
    if since is not None:
        query = query.where(audit_log.c.at >= since)
    if until is not None:
        query = query.where(audit_log.c.at < until)
    if after is not None:
        query = query.where(audit_log.c.id < after)
    return [Entry(*row) for row in await connection.execute(query)]


async def newest(connection: Connection, user_id: UUID | None, *, limit: int) -> Sequence[Entry]:
    """Return the newest acts by or on somebody, or all, in the order in which they were done."""
    query = sa.select(*COLUMNS).order_by(audit_log.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where((audit_log.c.actor_id == user_id) | (audit_log.c.subject_id == user_id))
    return [Entry(*row) for row in await connection.execute(query)][::-1]
