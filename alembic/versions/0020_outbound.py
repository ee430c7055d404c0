"""Link previews, webhooks that go out, and webhooks that come in.

Revision: 0020, after 0019
"""

import sqlalchemy as sa
from alembic import op

from models.base import BigIdentity, UtcDateTime

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def _previews() -> None:
    op.create_table(
        "link_previews",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("url", sa.String(2048), nullable=False),
        sa.Column("title", sa.String(200)),
        sa.Column("description", sa.String(500)),
        sa.Column("site_name", sa.String(80)),
        sa.Column("image_url", sa.String(2048)),
        sa.Column("wanted_at", UtcDateTime, nullable=False),
        sa.Column("fetched_at", UtcDateTime),
        sa.Column("failed_at", UtcDateTime),
        sa.Column("due_at", UtcDateTime),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("hash", name="pk_link_previews"),
    )
    queued = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_link_previews_due_at",
        "link_previews",
        ["due_at"],
        postgresql_where=queued,
        sqlite_where=queued,
    )
    op.create_index("ix_link_previews_wanted_at", "link_previews", ["wanted_at"])
    op.create_table(
        "link_preview_waits",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hash", "chat_id", "message_seq", name="pk_link_preview_waits"),
        sa.ForeignKeyConstraint(
            ["hash"],
            ["link_previews.hash"],
            name="fk_link_preview_waits_hash",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "log_followers",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("read_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_log_followers"),
    )


def _outgoing() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("kinds", sa.String(512), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("failing_since", UtcDateTime),
        sa.Column("disabled_at", UtcDateTime),
        sa.Column("disabled_reason", sa.String(64)),
        sa.Column("waiting", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", UtcDateTime),
        sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_webhooks_created_by"),
    )
    queued = sa.text("due_at IS NOT NULL")
    op.create_index(
        "ix_webhooks_due_at", "webhooks", ["due_at"], postgresql_where=queued, sqlite_where=queued
    )
    op.create_table(
        "webhook_chats",
        sa.Column("webhook_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("after_seq", sa.BigInteger, nullable=False),
        sa.Column("first_message_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("webhook_id", "chat_id", name="pk_webhook_chats"),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name="fk_webhook_chats_webhook_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_webhook_chats_chat_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_webhook_chats_chat_id", "webhook_chats", ["chat_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", BigIdentity, autoincrement=True, nullable=False),
        sa.Column("key", sa.Uuid, nullable=False),
        sa.Column("webhook_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("chat_id", sa.Uuid),
        sa.Column("seq", sa.BigInteger),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("message_seq", sa.BigInteger),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempted_at", UtcDateTime),
        sa.Column("status", sa.Integer),
        sa.Column("problem", sa.String(128)),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_deliveries"),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name="fk_webhook_deliveries_webhook_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_webhook_id_id", "webhook_deliveries", ["webhook_id", "id"]
    )


def _incoming() -> None:
    op.create_table(
        "incoming_webhooks",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("bot_id", sa.Uuid, nullable=False),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_incoming_webhooks"),
        sa.UniqueConstraint("hash", name="uq_incoming_webhooks_hash"),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_incoming_webhooks_chat_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["bot_id"], ["users.id"], name="fk_incoming_webhooks_bot_id"),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name="fk_incoming_webhooks_created_by"
        ),
    )
    op.create_index("ix_incoming_webhooks_chat_id", "incoming_webhooks", ["chat_id"])
    op.create_index("ix_incoming_webhooks_bot_id", "incoming_webhooks", ["bot_id"])


def upgrade() -> None:
    _previews()
    _outgoing()
    _incoming()


def downgrade() -> None:
    for table in (
        "incoming_webhooks",
        "webhook_deliveries",
        "webhook_chats",
        "webhooks",
        "log_followers",
        "link_preview_waits",
        "link_previews",
    ):
        op.drop_table(table)
