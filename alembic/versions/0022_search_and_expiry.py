"""What messages are found by, and how far a server-wide retention has been applied.

Revision: 0022, after 0021
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
import structlog
from alembic import op
from sqlalchemy.dialects import postgresql

from models.base import BigIdentity, UtcDateTime
from models.search import INSERT_ON_POSTGRESQL, PENDING, Text, document
from models.terms import Terms

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

log = structlog.get_logger(__name__)

_BATCH = 2000  # messages whose texts are in memory at once
_TOLD = 100_000  # how often it is said how far it has got, in messages

_messages = sa.table(
    "messages",
    sa.column("chat_id", sa.Uuid),
    sa.column("seq", sa.BigInteger),
    sa.column("sender_id", sa.Uuid),
    sa.column("text", sa.Text),
    sa.column("kind", sa.String),
    sa.column("created_at", UtcDateTime),
    sa.column("deleted_at", UtcDateTime),
)
_entries = sa.table(
    "search_entries",
    sa.column("chat_id", sa.Uuid),
    sa.column("seq", sa.BigInteger),
    sa.column("words", sa.Text),
)

# The terms are made for it: every byte that is not ASCII belongs to a word, and so do the signs
# that mark a stem and a term that is no word. Nothing is ranked, so no lengths are kept.
_INDEX = """
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, content = 'search_entries', content_rowid = 'id', columnsize = 0,
    tokenize = "ascii tokenchars '_='"
)
"""
_TRIGGERS = {
    "added": """
        AFTER INSERT ON search_entries BEGIN
            INSERT INTO search_index (rowid, words) VALUES (new.id, new.words);
        END
    """,
    "dropped": """
        AFTER DELETE ON search_entries BEGIN
            INSERT INTO search_index (search_index, rowid, words)
            VALUES ('delete', old.id, old.words);
        END
    """,
    "changed": """
        AFTER UPDATE OF words ON search_entries BEGIN
            INSERT INTO search_index (search_index, rowid, words)
            VALUES ('delete', old.id, old.words);
            INSERT INTO search_index (rowid, words) VALUES (new.id, new.words);
        END
    """,
}


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "search_entries",
        sa.Column("id", BigIdentity, primary_key=True, autoincrement=True),
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("words", postgresql.TSVECTOR() if on_postgresql else sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_entries"),
        sa.UniqueConstraint("chat_id", "seq", name="uq_search_entries_chat_id_seq"),
        sqlite_autoincrement=True,
    )
    if not on_postgresql:
        op.execute(_INDEX)
        for name, body in _TRIGGERS.items():
            op.execute(f"CREATE TRIGGER search_entries_{name} {body}")
    _fill()
    if on_postgresql:  # all at once takes a fraction of the time
        op.create_index(
            "ix_search_entries_words",
            "search_entries",
            ["words"],
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": PENDING},
        )
    op.create_table(
        "retention_marks",
        sa.Column("chat_id", sa.Uuid, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", name="pk_retention_marks"),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name="fk_retention_marks_chat_id", ondelete="CASCADE"
        ),
    )


def _fill() -> None:
    """Index what has been said; by chat, since every message has its place in one."""
    connection = op.get_bind()
    terms = Terms()
    # As they were sent, so that the newest are found first; a table of what is where to begin with.
    query = (
        sa.select(_messages.c.chat_id, _messages.c.seq)
        .where(_messages.c.deleted_at.is_(None), _messages.c.kind != "system")
        .order_by(_messages.c.created_at, _messages.c.chat_id, _messages.c.seq)
    )
    keys = connection.execute(query).all()
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        rows = connection.execute(
            sa.select(
                _messages.c.chat_id, _messages.c.seq, _messages.c.sender_id, _messages.c.text
            ).where(sa.tuple_(_messages.c.chat_id, _messages.c.seq).in_([(*key,) for key in batch]))
        )
        texts = {(row.chat_id, row.seq): Text(*row) for row in rows}
        _store(connection, terms, [texts[key.chat_id, key.seq] for key in batch])
        done = start + len(batch)
        if done // _TOLD > start // _TOLD:
            log.info("messages_indexed", count=done, of=len(keys))


def _store(connection: sa.Connection, terms: Terms, texts: Sequence[Text]) -> None:
    dialect = connection.dialect.name
    words = [document(dialect, terms, text) for text in texts]
    if dialect == "sqlite":
        values: Any = [
            {"chat_id": text.chat_id, "seq": text.seq, "words": of_text}
            for text, of_text in zip(texts, words, strict=True)
        ]
        connection.execute(_entries.insert(), values)
        return
    connection.execute(
        sa.text(INSERT_ON_POSTGRESQL.format(rows=_ROWS)),
        {
            "chat_ids": [text.chat_id for text in texts],
            "seqs": [text.seq for text in texts],
            "words": words,
        },
    )


_ROWS = """
    unnest(CAST(:chat_ids AS uuid[]), CAST(:seqs AS bigint[]), CAST(:words AS text[]))
    WITH ORDINALITY AS row (chat_id, seq, words, n)
"""


def downgrade() -> None:
    op.drop_table("retention_marks")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search_entries")  # with its index, or its triggers
