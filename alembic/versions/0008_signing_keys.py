"""Keys that sign access tokens.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("signs_from", UtcDateTime, nullable=False),
        sa.Column("verifies_until", UtcDateTime),
        sa.PrimaryKeyConstraint("number", name="pk_signing_keys"),
        sa.UniqueConstraint("id", name="uq_signing_keys_id"),
    )


def downgrade() -> None:
    op.drop_table("signing_keys")
