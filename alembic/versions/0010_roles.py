"""Guests and their links, bots and their tokens, sign-up, suspensions, reports.

Revision: 0010, after 0009
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _reference(table: str, column: str, to: str, *, cascade: bool = False) -> sa.Constraint:
    return sa.ForeignKeyConstraint(
        [column], [to], name=f"fk_{table}_{column}", ondelete="CASCADE" if cascade else None
    )


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    op.create_table(
        "guest_links",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_guest_links"),
        sa.UniqueConstraint("hash", name="uq_guest_links_hash"),
        _reference("guest_links", "chat_id", "chats.id", cascade=True),
        _reference("guest_links", "created_by", "users.id"),
    )
    op.create_index("ix_guest_links_chat_id_id", "guest_links", ["chat_id", "id"])
    op.create_table(
        "guests",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("link_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("removed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("user_id", name="pk_guests"),
        _reference("guests", "user_id", "users.id", cascade=True),
        _reference("guests", "link_id", "guest_links.id", cascade=True),
        _reference("guests", "chat_id", "chats.id", cascade=True),
    )
    op.create_index("ix_guests_link_id", "guests", ["link_id"])
    _partial_index("ix_guests_expires_at_present", "guests", ["expires_at"], "removed_at IS NULL")
    op.create_table(
        "bots",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("description", sa.String(500)),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_bots"),
        _reference("bots", "user_id", "users.id", cascade=True),
        _reference("bots", "owner_id", "users.id"),
    )
    op.create_index("ix_bots_owner_id", "bots", ["owner_id"])
    op.create_table(
        "bot_tokens",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("bot_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_bot_tokens"),
        sa.UniqueConstraint("hash", name="uq_bot_tokens_hash"),
        _reference("bot_tokens", "bot_id", "bots.user_id", cascade=True),
    )
    op.create_index("ix_bot_tokens_bot_id", "bot_tokens", ["bot_id"])
    op.create_table(
        "sign_up_policy",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("policy", sa.String(16)),
        sa.Column("changed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_sign_up_policy"),
    )
    op.execute("INSERT INTO sign_up_policy (id) VALUES (1)")
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("max_uses", sa.Integer, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_by", sa.Uuid),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_invitations"),
        sa.UniqueConstraint("hash", name="uq_invitations_hash"),
        _reference("invitations", "created_by", "users.id"),
    )
    op.create_table(
        "suspensions",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("suspended_by", sa.Uuid, nullable=False),
        sa.Column("suspended_at", UtcDateTime, nullable=False),
        sa.Column("until", UtcDateTime),
        sa.PrimaryKeyConstraint("user_id", name="pk_suspensions"),
        _reference("suspensions", "user_id", "users.id", cascade=True),
        _reference("suspensions", "suspended_by", "users.id"),
    )
    _partial_index("ix_suspensions_until", "suspensions", ["until"], "until IS NOT NULL")
    op.create_table(
        "reports",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("reporter_id", sa.Uuid, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("text", sa.String(1000)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("resolved_by", sa.Uuid),
        sa.Column("note", sa.String(500)),
        sa.PrimaryKeyConstraint("id", name="pk_reports"),
        _reference("reports", "reporter_id", "users.id"),
        _reference("reports", "subject_id", "users.id"),
        _reference("reports", "resolved_by", "users.id"),
    )
    _partial_index("ix_reports_id_open", "reports", ["id"], "resolved_at IS NULL")
    _partial_index("ix_users_administrators", "users", ["id"], "is_admin")


def downgrade() -> None:
    op.drop_index("ix_users_administrators", "users")
    for table in (
        "reports",
        "suspensions",
        "invitations",
        "sign_up_policy",
        "bot_tokens",
        "bots",
        "guests",
        "guest_links",
    ):
        op.drop_table(table)
