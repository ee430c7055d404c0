"""The log's own state: its epoch, and how far it has been pruned.

Revision: 0002, after 0001
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    log_state = op.create_table(
        "log_state",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("epoch", sa.Uuid, nullable=False),
        sa.Column("floor", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("touched", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_log_state"),
        sa.CheckConstraint("id = 1", name=op.f("ck_log_state_one_row")),
    )
    op.bulk_insert(log_state, [{"id": 1, "epoch": uuid4(), "floor": 0, "touched": 0}])


def downgrade() -> None:
    op.drop_table("log_state")
