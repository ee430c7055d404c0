"""What chats, members and messages carry besides, and who blocks whom.

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def _chats() -> list[sa.Column]:
    return [
        sa.Column("history", sa.String(16), nullable=False, server_default="since_joining"),
        sa.Column("message_ttl", sa.Integer),
        sa.Column("slow_mode", sa.Integer),
        sa.Column("reaction_set", sa.JSON),
        sa.Column("all_mentions", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("expired_seq", sa.BigInteger, nullable=False, server_default="0"),
    ]


def _members() -> list[sa.Column]:
    return [
        sa.Column("unread_mentions", sa.Integer, nullable=False, server_default="0"),
        sa.Column("silenced_until", UtcDateTime),
        sa.Column("last_sent_at", UtcDateTime),
        sa.Column("muted_until", UtcDateTime),
        sa.Column("archived_seq", sa.BigInteger),
        sa.Column("pin_position", sa.Integer),
        sa.Column("joined_message_seq", sa.BigInteger),
    ]


def _messages() -> list[sa.Column]:
    return [
        sa.Column("kind", sa.String(16), nullable=False, server_default="text"),
        sa.Column("quote", sa.String(1024)),
        sa.Column("thread_root_seq", sa.BigInteger),
        sa.Column("forward_sender_id", sa.Uuid),
        sa.Column("forward_chat_id", sa.Uuid),
        sa.Column("forward_seq", sa.BigInteger),
        sa.Column("forward_sent_at", UtcDateTime),
        sa.Column("mentions_all", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("has_link", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("details", sa.JSON),
        sa.Column("subject_id", sa.Uuid),
    ]


def upgrade() -> None:
    for table, columns in (("chats", _chats()), ("members", _members()), ("messages", _messages())):
        for column in columns:
            op.add_column(table, column)
    lasting = sa.text("expires_at IS NOT NULL AND deleted_at IS NULL")
    op.create_index(
        "ix_messages_expires_at",
        "messages",
        ["expires_at"],
        postgresql_where=lasting,
        sqlite_where=lasting,
    )
    in_thread = sa.text("thread_root_seq IS NOT NULL")
    op.create_index(
        "ix_messages_chat_id_thread_root_seq_seq",
        "messages",
        ["chat_id", "thread_root_seq", "seq"],
        postgresql_where=in_thread,
        sqlite_where=in_thread,
    )
    op.create_table(
        "blocks",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("blocked_id", sa.Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "blocked_id", name="pk_blocks"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_blocks_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["blocked_id"], ["users.id"], name="fk_blocks_blocked_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_blocks_blocked_id", "blocks", ["blocked_id"])


def downgrade() -> None:
    op.drop_table("blocks")
    op.drop_index("ix_messages_chat_id_thread_root_seq_seq", "messages")
    op.drop_index("ix_messages_expires_at", "messages")
    for table, columns in (("messages", _messages()), ("members", _members()), ("chats", _chats())):
        for column in columns:
            op.drop_column(table, column.name)
