"""What messages said before, who does not want to see which, and what is pinned.

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TABLES = ("message_edits", "hidden_messages", "pinned_messages")
_LINK = sa.text("has_link")
_KIND = sa.text("kind <> 'text'")


def _of_message(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"],
        ["messages.chat_id", "messages.seq"],
        name=f"fk_{table}_chat_id_message_seq",
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "message_edits",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("written_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", "number", name="pk_message_edits"),
        _of_message("message_edits"),
    )
    op.create_table(
        "hidden_messages",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("hidden_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "chat_id", "message_seq", name="pk_hidden_messages"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_hidden_messages_user_id", ondelete="CASCADE"
        ),
        _of_message("hidden_messages"),
    )
    op.create_index(
        "ix_hidden_messages_chat_id_message_seq", "hidden_messages", ["chat_id", "message_seq"]
    )
    op.create_table(
        "pinned_messages",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("pinned_by", sa.Uuid, nullable=False),
        sa.Column("pinned_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", name="pk_pinned_messages"),
        sa.ForeignKeyConstraint(["pinned_by"], ["users.id"], name="fk_pinned_messages_pinned_by"),
        _of_message("pinned_messages"),
    )
    op.create_index(
        "ix_messages_chat_id_sender_id_seq", "messages", ["chat_id", "sender_id", "seq"]
    )
    op.create_index(
        "ix_messages_chat_id_seq_linking",
        "messages",
        ["chat_id", "seq"],
        postgresql_where=_LINK,
        sqlite_where=_LINK,
    )
    op.create_index(
        "ix_messages_chat_id_kind_seq",
        "messages",
        ["chat_id", "kind", "seq"],
        postgresql_where=_KIND,
        sqlite_where=_KIND,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_chat_id_kind_seq", "messages")
    op.drop_index("ix_messages_chat_id_seq_linking", "messages")
    op.drop_index("ix_messages_chat_id_sender_id_seq", "messages")
    for table in _TABLES:
        op.drop_table(table)
