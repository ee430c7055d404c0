"""Polls.

Revision: 0019, after 0014
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0019"
down_revision = "0014"
branch_labels = None
depends_on = None


def _of_message(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"],
        ["messages.chat_id", "messages.seq"],
        name=f"fk_{table}_chat_id_message_seq",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.add_column("messages", sa.Column("closes_at", UtcDateTime))
    open_ = sa.text("closes_at IS NOT NULL")
    op.create_index(
        "ix_messages_closes_at",
        "messages",
        ["closes_at"],
        postgresql_where=open_,
        sqlite_where=open_,
    )
    op.create_table(
        "polls",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("voters", sa.Integer, nullable=False),
        sa.Column("closed_at", UtcDateTime),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", name="pk_polls"),
        _of_message("polls"),
    )
    op.create_table(
        "poll_votes",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("option", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", "option", "id", name="pk_poll_votes"),
        _of_message("poll_votes"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_poll_votes_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "uq_poll_votes_user_id",
        "poll_votes",
        ["user_id", "chat_id", "message_seq", "option"],
        unique=True,
    )


def downgrade() -> None:
    op.drop_table("poll_votes")
    op.drop_table("polls")
    op.drop_index("ix_messages_closes_at", "messages")
    op.drop_column("messages", "closes_at")
