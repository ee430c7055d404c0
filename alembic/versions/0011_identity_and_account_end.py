"""People whom another issuer vouches for; exports of one's data, and the end of accounts.

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UNDER_WAY = "state IN ('queued', 'running')"


def upgrade() -> None:
    op.create_table(
        "external_identities",
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("claims_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_external_identities"),
        _of_user("external_identities"),
    )
    op.create_index("ix_external_identities_user_id", "external_identities", ["user_id"])
    op.create_table(
        "exports",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("size", sa.BigInteger),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claim", sa.Uuid),
        sa.Column("claimed_until", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_exports"),
        _of_user("exports"),
    )
    op.create_index(
        "uq_exports_under_way",
        "exports",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text(UNDER_WAY),
        sqlite_where=sa.text(UNDER_WAY),
    )
    op.create_index("ix_exports_user_id", "exports", ["user_id"])
    op.create_index("ix_exports_expires_at", "exports", ["expires_at"])
    op.create_table(
        "export_chunks",
        sa.Column("export_id", sa.Uuid, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("export_id", "number", name="pk_export_chunks"),
        sa.ForeignKeyConstraint(
            ["export_id"], ["exports.id"], name="fk_export_chunks_export_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "account_deletions",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("requested_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("begun_at", UtcDateTime),
        sa.Column("claimed_until", UtcDateTime),
        sa.PrimaryKeyConstraint("user_id", name="pk_account_deletions"),
        _of_user("account_deletions"),
    )
    op.create_index("ix_account_deletions_due_at", "account_deletions", ["due_at"])
    op.create_index(
        "ix_reactions_user_id", "reactions", ["user_id", "chat_id", "message_seq", "emoji"]
    )


def downgrade() -> None:
    op.drop_index("ix_reactions_user_id", "reactions")
    for table in (
        "account_deletions",
        "export_chunks",
        "exports",
        "external_identities",
    ):
        op.drop_table(table)


def _of_user(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["user_id"], ["users.id"], name=f"fk_{table}_user_id", ondelete="CASCADE"
    )
