"""An index of past stays by person: catching up went through every member of every chat for them.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_members_user_id_past",
        "members",
        ["user_id"],
        postgresql_where=sa.text("left_seq IS NOT NULL"),
        sqlite_where=sa.text("left_seq IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_members_user_id_past", "members")
