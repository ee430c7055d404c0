"""Kinds of accounts, where sessions come from, tickets, and the audit log.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "users", sa.Column("kind", sa.String(16), nullable=False, server_default="person")
    )
    op.add_column("users", sa.Column("suspended_at", UtcDateTime))
    op.add_column("users", sa.Column("deleted_at", UtcDateTime))
    op.add_column("sessions", sa.Column("address", sa.String(64)))
    op.add_column("sessions", sa.Column("user_agent", sa.String(200)))
    op.add_column("sessions", sa.Column("confirmed_at", UtcDateTime))
    _password_hash(nullable=True)
    op.create_table(
        "tickets",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("hash", name="uq_tickets_hash"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_tickets_user_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_tickets_user_id_purpose", "tickets", ["user_id", "purpose"])
    op.create_index("ix_tickets_expires_at", "tickets", ["expires_at"])
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("act", sa.String(48), nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("session_id", sa.Uuid),
        sa.Column("subject_id", sa.Uuid),
        sa.Column("address", sa.String(64)),
        sa.Column("user_agent", sa.String(200)),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    for column in ("actor_id", "subject_id", "act"):
        op.create_index(f"ix_audit_log_{column}_id", "audit_log", [column, "id"])
    _refuse_changes()


def downgrade() -> None:
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change")
    op.drop_table("tickets")
    op.execute("UPDATE users SET password_hash = '' WHERE password_hash IS NULL")
    _password_hash(nullable=False)
    for column in ("confirmed_at", "user_agent", "address"):
        op.drop_column("sessions", column)
    for column in ("deleted_at", "suspended_at", "kind"):
        op.drop_column("users", column)


def _password_hash(*, nullable: bool) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("users", "password_hash", nullable=nullable)
        return
    # SQLite changes no column, and a table made anew would take with it what refers to it.
    default = None if nullable else ""
    op.add_column(
        "users",
        sa.Column("new_hash", sa.String(255), nullable=nullable, server_default=default),
    )
    op.execute("UPDATE users SET new_hash = password_hash")
    op.drop_column("users", "password_hash")
    op.alter_column("users", "new_hash", new_column_name="password_hash")


def _refuse_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            """
            CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
            """
        )
        op.execute(
            "CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER audit_log_no_{change.lower()} BEFORE {change} ON audit_log "
            "BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END"
        )
    # A row that replaces another one takes it away without setting off what stands above.
    op.execute(
        "CREATE TRIGGER audit_log_no_replace BEFORE INSERT ON audit_log "
        "WHEN EXISTS (SELECT 1 FROM audit_log WHERE id = NEW.id) "
        "BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END"
    )
