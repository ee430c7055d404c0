"""Mentions: whom messages name, and how many of those somebody has not read.

By name: a row for everybody who is named, and a counter on their membership
(`members.unread_mentions`), which the pointer takes down as it passes them.

Of everybody at once: a row for the message, with its number among those of the chat, and the last
number on the chat (`chats.all_mentions`). How many somebody has not read is that number less the
one where their pointer stands, so nothing is written for each of ten thousand members.

Sends are stored by `models/storing_postgresql.py` and `models/storing_sqlite.py`; here is what
everything else needs.
"""

import sqlalchemy as sa

from models.base import metadata

mentions = sa.Table(
    "mentions",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE")),
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    # Whether it counts by itself. Where the message mentions everybody, it counts for that.
    sa.Column("counted", sa.Boolean, nullable=False),
    # In this order for whoever's pointer passes some.
    sa.PrimaryKeyConstraint("user_id", "chat_id", "message_seq"),
    sa.Index("ix_mentions_chat_id_message_seq", "chat_id", "message_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)

all_mentions = sa.Table(
    "all_mentions",
    metadata,
    sa.Column("chat_id", sa.Uuid),
    sa.Column("message_seq", sa.BigInteger, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),  # dense: what is forgotten leaves no gap
    sa.PrimaryKeyConstraint("chat_id", "message_seq"),
    sa.ForeignKeyConstraint(
        ["chat_id", "message_seq"], ["messages.chat_id", "messages.seq"], ondelete="CASCADE"
    ),
)
