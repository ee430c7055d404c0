"""Profiles, settings, handles that nobody else may look like, and words that people are found by.

Revision: 0012, after 0011
"""

import sqlalchemy as sa
from alembic import op

from models.base import UtcDateTime
from models.handles import handles, key
from models.user_words import entries, user_words

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_PROFILE = {
    "bio": sa.String(500),
    "status_text": sa.String(100),
    "status_emoji": sa.String(32),
    "status_expires_at": UtcDateTime,
    "locale": sa.String(35),
    "time_zone": sa.String(64),
}
_BATCH = 1000  # people whose rows are in memory at once


def upgrade() -> None:
    for name, type_ in _PROFILE.items():
        op.add_column("users", sa.Column(name, type_))
    op.drop_index("ix_users_display_name_folded", "users")
    op.drop_column("users", "display_name_folded")
    op.create_table(
        "settings",
        sa.Column("user_id", sa.Uuid, nullable=False),
        *(
            sa.Column(name, sa.String(16), nullable=False, server_default="everybody")
            for name in ("who_may_message", "who_may_call", "who_may_add", "who_sees_last_seen")
        ),
        sa.Column("hides", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("user_id", name="pk_settings"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_settings_user_id", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "handles",
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", sa.Uuid),
        sa.Column("held_until", UtcDateTime),
        sa.PrimaryKeyConstraint("hash", name="pk_handles"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_handles_user_id"),
    )
    op.create_index("ix_handles_user_id", "handles", ["user_id"])
    word = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
    op.create_table(
        "user_words",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("word", word, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "word", name="pk_user_words"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_user_words_user_id", ondelete="CASCADE"
        ),
    )
    _fill()
    op.create_index("ix_user_words_word_user_id", "user_words", ["word", "user_id"])


def _fill() -> None:
    """Claim the handles that there are, and have everybody found who was."""
    connection = op.get_bind()
    taken: set[bytes] = set()
    for people in _everybody():
        claims, words = [], []
        for id_, handle, name, kind, deleted_at in people:
            # Of two that look alike whoever came first has the claim; the other keeps the handle.
            if (claim := key(handle)) not in taken:
                taken.add(claim)
                claims.append({"hash": claim, "user_id": id_, "held_until": None})
            if kind != "guest" and deleted_at is None:
                words += [{"user_id": id_, "word": word} for word in entries([handle, name])]
        if claims:
            connection.execute(handles.insert(), claims)
        if words:
            connection.execute(user_words.insert(), words)


def _everybody():
    """Yield everybody's id, handle, names, kind and end, as they came, in batches."""
    names = ("handle", "display_name", "kind", "deleted_at")
    users = sa.table("users", sa.column("id", sa.Uuid), *map(sa.column, names))
    page = sa.select(users).order_by(users.c.id).limit(_BATCH)
    people = op.get_bind().execute(page).all()
    while people:
        yield people
        people = op.get_bind().execute(page.where(users.c.id > people[-1].id)).all()


def downgrade() -> None:
    for table in ("user_words", "handles", "settings"):
        op.drop_table(table)
    op.add_column(
        "users",
        sa.Column("display_name_folded", sa.String(128), nullable=False, server_default=""),
    )
    users = sa.table("users", sa.column("id", sa.Uuid), sa.column("display_name_folded"))
    for people in _everybody():
        op.get_bind().execute(
            users.update()
            .where(users.c.id == sa.bindparam("key"))
            .values(display_name_folded=sa.bindparam("folded")),
            [{"key": id_, "folded": name.casefold()[:128]} for id_, _, name, *_ in people],
        )
    op.create_index("ix_users_display_name_folded", "users", ["display_name_folded", "id"])
    for name in _PROFILE:
        op.drop_column("users", name)
