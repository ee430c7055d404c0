"""Reactions to messages.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reactions",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("message_seq", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("emoji", sa.String(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "message_seq", "user_id", "emoji", name="pk_reactions"),
        sa.ForeignKeyConstraint(
            ["chat_id", "message_seq"],
            ["messages.chat_id", "messages.seq"],
            name="fk_reactions_chat_id_message_seq",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_reactions_user_id", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("reactions")
