"""Mails that wait to be sent, and whose e-mail addresses are proven.

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mails",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mails"),
    )
    op.create_index("ix_mails_due_at", "mails", ["due_at"])
    op.create_table(
        "verified_emails",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("key", sa.String(254), nullable=False),
        sa.Column("verified_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_verified_emails"),
        sa.UniqueConstraint("key", name="uq_verified_emails_key"),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name="fk_verified_emails_user_id",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    op.drop_table("verified_emails")
    op.drop_table("mails")
