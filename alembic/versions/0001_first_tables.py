"""First tables: users, sessions, chats, members, messages, events.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from models.base import BigIdentity, TransactionId, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("handle", sa.String(32), nullable=False),
        sa.Column("display_name", sa.String(64), nullable=False),
        sa.Column("display_name_folded", sa.String(128), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("handle", name="uq_users_handle"),
    )
    op.create_index("ix_users_display_name_folded", "users", ["display_name_folded", "id"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("device_name", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.Column("refresh_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("previous_refresh_hash", sa.LargeBinary(32)),
        sa.Column("refreshed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "chats",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(128)),
        sa.Column("description", sa.String(1024)),
        sa.Column("direct_key", sa.String(80)),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_message_seq", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_event_seq", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("last_activity_at", UtcDateTime, nullable=False),
        sa.Column("member_count", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_chats"),
        sa.UniqueConstraint("direct_key", name="uq_chats_direct_key"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_chats_created_by"),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("joined_at", UtcDateTime, nullable=False),
        sa.Column("joined_seq", sa.BigInteger, nullable=False),
        sa.Column("first_message_seq", sa.BigInteger, nullable=False),
        sa.Column("left_seq", sa.BigInteger),
        sa.Column("read_seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_members_chat_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_members_user_id"),
        postgresql_with={"fillfactor": 80},
    )
    op.create_index(
        "uq_members_present",
        "members",
        ["user_id", "chat_id"],
        unique=True,
        postgresql_where=sa.text("left_seq IS NULL"),
        sqlite_where=sa.text("left_seq IS NULL"),
    )
    op.create_index("ix_members_chat_id_id", "members", ["chat_id", "id"])
    op.create_table(
        "messages",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("sender_id", sa.Uuid, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reply_to_seq", sa.BigInteger),
        sa.Column("client_message_id", sa.Uuid, nullable=False),
        sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("edited_at", UtcDateTime),
        sa.Column("deleted_at", UtcDateTime),
        sa.PrimaryKeyConstraint("chat_id", "seq", name="pk_messages"),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_messages_chat_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name="fk_messages_sender_id"),
        sa.UniqueConstraint(
            "sender_id", "client_message_id", name="uq_messages_sender_id_client_message_id"
        ),
    )
    op.create_table(
        "events",
        sa.Column("id", BigIdentity, nullable=False, autoincrement=True),
        sa.Column("chat_id", sa.Uuid),
        sa.Column("user_id", sa.Uuid),
        sa.Column("seq", sa.BigInteger),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("message_seq", sa.BigInteger),
        sa.Column("xid", TransactionId),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.CheckConstraint(
            "(chat_id IS NULL) <> (user_id IS NULL)", name=op.f("ck_events_addressed_once")
        ),
        sa.UniqueConstraint("chat_id", "seq", name="uq_events_chat_id_seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_user_id_id", "events", ["user_id", "id"])
    op.create_index("ix_events_xid", "events", ["xid"])


def downgrade() -> None:
    for table in ("events", "messages", "members", "chats", "sessions", "users"):
        op.drop_table(table)
