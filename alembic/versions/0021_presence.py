"""When people were last connected, which devices lie about unused, and who is invisible.

Revision: 0021, after 0020
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "settings", sa.Column("invisible", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "last_seen",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.Column("away", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("user_id", name="pk_last_seen"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_last_seen_user_id", ondelete="CASCADE"
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "away_sessions",
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_away_sessions"),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name="fk_away_sessions_session_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_away_sessions_user_id", "away_sessions", ["user_id"])


def downgrade() -> None:
    op.drop_table("away_sessions")
    op.drop_table("last_seen")
    op.drop_column("settings", "invisible")
