"""Delivered pointers, receipts for the tailer, and cheaper look-ups of personal events.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

from models.base import TransactionId, UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_PERSONAL = sa.text("user_id IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "members", sa.Column("delivered_seq", sa.BigInteger, nullable=False, server_default="0")
    )
    # What has been read was delivered.
    op.execute("UPDATE members SET delivered_seq = read_seq")
    op.add_column(
        "log_state", sa.Column("receipts", sa.BigInteger, nullable=False, server_default="0")
    )
    op.create_table(
        "receipts",
        sa.Column("member_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("delivered_seq", sa.BigInteger, nullable=False),
        sa.Column("read_seq", sa.BigInteger, nullable=False),
        sa.Column("xid", TransactionId, nullable=False),
        sa.Column("moved_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("member_id", name="pk_receipts"),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name="fk_receipts_member_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_receipts_xid", "receipts", ["xid"])
    op.create_index("ix_receipts_chat_id_xid", "receipts", ["chat_id", "xid"])
    # Events of chats, which are nearly all, stay out of the look-ups of personal ones.
    op.drop_index("ix_events_user_id_id", "events")
    for column in ("id", "xid"):
        op.create_index(
            f"ix_events_user_id_{column}",
            "events",
            ["user_id", column],
            postgresql_where=_PERSONAL,
            sqlite_where=_PERSONAL,
        )


def downgrade() -> None:
    for column in ("id", "xid"):
        op.drop_index(f"ix_events_user_id_{column}", "events")
    op.create_index("ix_events_user_id_id", "events", ["user_id", "id"])
    op.drop_table("receipts")
    op.drop_column("log_state", "receipts")
    op.drop_column("members", "delivered_seq")
