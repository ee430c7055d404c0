"""An index of past stays by person.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
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
