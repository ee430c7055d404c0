"""Leases: which nodes run, and whose sockets they hold.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "node_leases",
        sa.Column("run", sa.Uuid, nullable=False),
        sa.Column("node_id", sa.String(63), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("sockets", sa.Integer, nullable=False),
        sa.Column("people", sa.Integer, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_node_leases"),
    )
    op.create_table(
        "node_sessions",
        sa.Column("run", sa.Uuid, nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("sockets", sa.Integer, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("run", "session_id", name="pk_node_sessions"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["node_leases.run"],
            name="fk_node_sessions_run",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_node_sessions_session_id", "node_sessions", ["session_id"])
    op.create_index("ix_node_sessions_user_id", "node_sessions", ["user_id"])


def downgrade() -> None:
    op.drop_table("node_sessions")
    op.drop_table("node_leases")
