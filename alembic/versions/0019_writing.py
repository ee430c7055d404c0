"""Polls, drafts, and messages for later.

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def _of_message(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"],
        ["messages.chat_id", "messages.seq"],
        name=f"fk_{table}_chat_id_message_seq",
        ondelete="CASCADE",
    )


def _of(table: str, *nouns: str) -> list[sa.ForeignKeyConstraint]:
    return [
        sa.ForeignKeyConstraint(
            [f"{noun}_id"], [f"{noun}s.id"], name=f"fk_{table}_{noun}_id", ondelete="CASCADE"
        )
        for noun in nouns
    ]


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
        *_of("poll_votes", "user"),
    )
    op.create_index(
        "uq_poll_votes_user_id",
        "poll_votes",
        ["user_id", "chat_id", "message_seq", "option"],
        unique=True,
    )
    op.create_table(
        "scheduled_messages",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("client_message_id", sa.Uuid, nullable=False),
        sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reply_to_seq", sa.BigInteger),
        sa.Column("extras", sa.JSON),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("send_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure_code", sa.String(32)),
        sa.Column("failure", sa.String(200)),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("claimed_until", UtcDateTime),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_messages"),
        *_of("scheduled_messages", "user", "chat"),
        sa.UniqueConstraint(
            "user_id", "client_message_id", name="uq_scheduled_messages_user_id_client_message_id"
        ),
    )
    op.create_index(
        "ix_scheduled_messages_user_id",
        "scheduled_messages",
        ["user_id", "chat_id", "send_at", "id"],
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_scheduled_messages_due_at",
        "scheduled_messages",
        ["due_at"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )
    op.create_table(
        "drafts",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("thread_root_seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reply_to_seq", sa.BigInteger),
        sa.Column("version", sa.Uuid, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "chat_id", "thread_root_seq", name="pk_drafts"),
        *_of("drafts", "user", "chat"),
    )


def downgrade() -> None:
    op.drop_table("drafts")
    op.drop_table("scheduled_messages")
    op.drop_table("poll_votes")
    op.drop_table("polls")
    op.drop_index("ix_messages_closes_at", "messages")
    op.drop_column("messages", "closes_at")
