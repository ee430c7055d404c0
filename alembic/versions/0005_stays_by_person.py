"""An index of every stay by person and chat, past ones included.

Revision: 0005, after 0003
"""

from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_members_user_id_chat_id", "members", ["user_id", "chat_id"])


def downgrade() -> None:
    op.drop_index("ix_members_user_id_chat_id", "members")
