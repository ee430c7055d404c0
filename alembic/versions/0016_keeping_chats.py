"""How people keep their chats: in the archive, pinned, in folders.

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_PINNED = "pin_position IS NOT NULL"


def upgrade() -> None:
    op.create_index(
        "ix_members_user_id_pinned",
        "members",
        ["user_id"],
        postgresql_where=sa.text(_PINNED),
        sqlite_where=sa.text(_PINNED),
    )
    op.create_table(
        "folders",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("chat_ids", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_folders"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_folders_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_folders_user_id", "folders", ["user_id", "position", "id"])


def downgrade() -> None:
    op.drop_table("folders")
    op.drop_index("ix_members_user_id_pinned", "members")
