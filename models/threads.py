"""Threads: how many replies a message has got, and who wants to hear of them.

A reply is a message of the chat like others, with the root's number as its `thread_root_seq`, and
numbered in its thread besides. So what somebody has not read of a thread is a difference:
`reply_count - read_count`. Both tables are kept by `models/storing_postgresql.py` and
`models/storing_sqlite.py`, in the transaction of the reply.
"""

import sqlalchemy as sa

from models.base import UtcDateTime, metadata

threads = sa.Table(
    "threads",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("root_seq", sa.BigInteger, autoincrement=False),
    # The number of the last reply: one that was deleted keeps its place, and counts.
    sa.Column("reply_count", sa.Integer, nullable=False),
    sa.Column("last_reply_seq", sa.BigInteger, nullable=False),
    sa.Column("last_reply_at", UtcDateTime, nullable=False),
    sa.PrimaryKeyConstraint("chat_id", "root_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "root_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
    # Every reply updates the row: half-empty pages keep the new version on the same page.
    postgresql_with={"fillfactor": 50},
)

# Who has written in a thread, whose message it started from, and who asked to follow it; those who
# asked not to are here as well, so that only their own next reply makes them follow it again.
thread_follows = sa.Table(
    "thread_follows",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("chat_id", sa.Uuid),
    sa.Column("root_seq", sa.BigInteger, autoincrement=False),
    sa.Column("following", sa.Boolean, nullable=False),
    # The number of the last reply that they have read.
    sa.Column("read_count", sa.Integer, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("user_id", "chat_id", "root_seq"),
    # For who follows a thread.
    sa.Index("ix_thread_follows_chat_id_root_seq", "chat_id", "root_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "root_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)
