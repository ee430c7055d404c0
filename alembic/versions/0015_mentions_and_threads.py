"""Who is mentioned where, how many replies a thread has got, and who hides how far they have read.

Revision: 0015, after 0014
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("thread_number", sa.Integer))
    op.add_column(
        "settings",
        sa.Column("hides_receipts", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    hiding = sa.text("hides_receipts")
    op.create_index(
        "ix_settings_hides_receipts",
        "settings",
        ["user_id"],
        postgresql_where=hiding,
        sqlite_where=hiding,
    )
    op.create_table(
        "threads",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("root_seq", sa.BigInteger, nullable=False),
        sa.Column("reply_count", sa.Integer, nullable=False),
        sa.Column("last_reply_seq", sa.BigInteger, nullable=False),
        sa.Column("last_reply_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "root_seq", name="pk_threads"),
        sa.ForeignKeyConstraint(
            ["chat_id", "root_seq"],
            ["messages.chat_id", "messages.seq"],
            name="fk_threads_chat_id_root_seq",
            ondelete="CASCADE",
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "thread_follows",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("root_seq", sa.BigInteger, nullable=False),
        sa.Column("following", sa.Boolean, nullable=False),
        sa.Column("read_count", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("user_id", "chat_id", "root_seq", name="pk_thread_follows"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_thread_follows_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["chat_id", "root_seq"],
            ["messages.chat_id", "messages.seq"],
            name="fk_thread_follows_chat_id_root_seq",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_thread_follows_chat_id_root_seq", "thread_follows", ["chat_id", "root_seq"])
    op.create_table(
        "mentions",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False),
        sa.Column("counted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "chat_id", "message_seq", name="pk_mentions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_mentions_user_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["chat_id", "message_seq"],
            ["messages.chat_id", "messages.seq"],
            name="fk_mentions_chat_id_message_seq",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_mentions_chat_id_message_seq", "mentions", ["chat_id", "message_seq"])
    op.create_table(
        "all_mentions",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", name="pk_all_mentions"),
        sa.ForeignKeyConstraint(
            ["chat_id", "message_seq"],
            ["messages.chat_id", "messages.seq"],
            name="fk_all_mentions_chat_id_message_seq",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("all_mentions")
    op.drop_table("mentions")
    op.drop_table("thread_follows")
    op.drop_table("threads")
    op.drop_index("ix_settings_hides_receipts", "settings")
    op.drop_column("settings", "hides_receipts")
    op.drop_column("messages", "thread_number")
