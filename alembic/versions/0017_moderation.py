"""Ways into chats, who is kept out, words that are not wanted, and what was done about order.

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _of_reports() -> list[sa.Column]:
    # Without foreign keys, which SQLite would make the table anew for.
    return [
        sa.Column("kind", sa.String(16), nullable=False, server_default="user"),
        sa.Column("chat_id", sa.Uuid),
        sa.Column("message_seq", sa.BigInteger),
        sa.Column("evidence", sa.JSON),
        sa.Column("action", sa.String(32)),
    ]


def _references(table: str, *columns: tuple[str, str, str | None]) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(
            [name], [f"{target}.id"], name=f"fk_{table}_{name}", ondelete=ondelete
        )
        for name, target, ondelete in columns
    ]


def upgrade() -> None:
    op.create_table(
        "bans",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("banned_by", sa.Uuid, nullable=False),
        sa.Column("banned_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.String(500)),
        sa.Column("until", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_bans"),
        sa.UniqueConstraint("chat_id", "user_id", name="uq_bans_chat_id_user_id"),
        *_references(
            "bans",
            ("chat_id", "chats", "CASCADE"),
            ("user_id", "users", "CASCADE"),
            ("banned_by", "users", None),
        ),
    )
    op.create_index("ix_bans_chat_id_id", "bans", ["chat_id", "id"])
    op.create_index("ix_bans_user_id_id", "bans", ["user_id", "id"])
    op.create_table(
        "join_links",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(64)),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("max_uses", sa.Integer),
        sa.Column("uses", sa.Integer, nullable=False, server_default="0"),
        sa.Column("requires_approval", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_join_links"),
        sa.UniqueConstraint("hash", name="uq_join_links_hash"),
        *_references("join_links", ("chat_id", "chats", "CASCADE"), ("created_by", "users", None)),
    )
    op.create_index("ix_join_links_chat_id_id", "join_links", ["chat_id", "id"])
    op.create_table(
        "join_requests",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("link_id", sa.Uuid, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("declined_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_join_requests"),
        sa.UniqueConstraint("chat_id", "user_id", name="uq_join_requests_chat_id_user_id"),
        *_references(
            "join_requests",
            ("chat_id", "chats", "CASCADE"),
            ("user_id", "users", "CASCADE"),
            ("link_id", "join_links", "CASCADE"),
        ),
    )
    op.create_index("ix_join_requests_chat_id_id", "join_requests", ["chat_id", "id"])
    op.create_index("ix_join_requests_user_id_id", "join_requests", ["user_id", "id"])
    op.create_index("ix_join_requests_link_id", "join_requests", ["link_id"])
    declined = sa.text("declined_at IS NOT NULL")
    op.create_index(
        "ix_join_requests_declined_at",
        "join_requests",
        ["declined_at"],
        postgresql_where=declined,
        sqlite_where=declined,
    )
    op.create_table(
        "chat_acts",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("act", sa.String(48), nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("message_seq", sa.BigInteger),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chat_acts"),
    )
    op.create_index("ix_chat_acts_chat_id_id", "chat_acts", ["chat_id", "id"])
    _refuse_changes()
    op.create_table(
        "word_filters",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("filters", sa.JSON, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", name="pk_word_filters"),
        sa.UniqueConstraint("version", name="uq_word_filters_version"),
    )
    state = op.create_table(
        "word_filter_version",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_word_filter_version"),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(state, [{"id": 1, "version": 0}])
    keepers = sa.text("role IN ('owner', 'admin') AND left_seq IS NULL")
    op.create_index(
        "ix_members_chat_id_keepers",
        "members",
        ["chat_id"],
        postgresql_where=keepers,
        sqlite_where=keepers,
    )
    for column in _of_reports():
        op.add_column("reports", column)
    resolved = sa.text("resolved_at IS NOT NULL")
    op.create_index(
        "ix_reports_resolved_at",
        "reports",
        ["resolved_at"],
        postgresql_where=resolved,
        sqlite_where=resolved,
    )


def _refuse_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # The function came with the audit log.
        op.execute(
            "CREATE TRIGGER chat_acts_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chat_acts "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER chat_acts_no_{change.lower()} BEFORE {change} ON chat_acts "
            "BEGIN SELECT RAISE(ABORT, 'chat_acts is append-only'); END"
        )
    # A row that replaces another one takes it away without setting off what stands above.
    op.execute(
        "CREATE TRIGGER chat_acts_no_replace BEFORE INSERT ON chat_acts "
        "WHEN EXISTS (SELECT 1 FROM chat_acts WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'chat_acts is append-only'); END"
    )


def downgrade() -> None:
    op.drop_index("ix_members_chat_id_keepers", "members")
    op.drop_index("ix_reports_resolved_at", "reports")
    for column in _of_reports():
        op.drop_column("reports", column.name)
    for table in (
        "word_filter_version",
        "word_filters",
        "chat_acts",
        "join_requests",
        "join_links",
        "bans",
    ):
        op.drop_table(table)
