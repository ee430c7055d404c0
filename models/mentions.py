"""Mentions: whom messages name, and how many of those somebody has not read.

By name: a row for everybody who is named, and a counter on their membership
(`members.unread_mentions`), which the pointer takes down as it passes them.

Of everybody at once: a row for the message, with its number among those of the chat, and the last
number on the chat (`chats.all_mentions`). How many somebody has not read is that number less the
one where their pointer stands, so nothing is written for each of ten thousand members.

Sends are stored by `models/storing_postgresql.py` and `models/storing_sqlite.py`; here is what
everything else needs.
"""

from collections.abc import Collection, Iterable
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import metadata
from models.blocks import blocks
from models.chats import chats
from models.database import Connection
from models.members import members
from models.messages import MessageKey, messages
from models.users import users

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

_BY_KEYS = {
    dialect: sa.text(
        pairs.by_pairs(dialect, list(mentions.c), mentions.c.chat_id, mentions.c.message_seq)
    ).columns(*mentions.c)
    for dialect in ("sqlite", "postgresql")
}
_PRESENT = (
    sa.select(users.c.id)
    .select_from(users.join(members, members.c.user_id == users.c.id))
    .where(
        users.c.handle.in_(sa.bindparam("handles", expanding=True)),
        members.c.chat_id == sa.bindparam("chat_id"),
        members.c.left_seq.is_(None),
        ~sa.exists().where(
            blocks.c.user_id == users.c.id, blocks.c.blocked_id == sa.bindparam("sender_id")
        ),
    )
)
_PASSED = (
    sa.select(all_mentions.c.number)
    .where(
        all_mentions.c.chat_id == members.c.chat_id,
        all_mentions.c.message_seq <= members.c.read_seq,
    )
    .order_by(all_mentions.c.message_seq.desc())
    .limit(1)
    .correlate(members)
    .scalar_subquery()
)
# Whoever has read everything, and chats where nobody mentions everybody, cost no look-up.
_UNREAD = members.c.unread_mentions + sa.case(
    ((chats.c.all_mentions == 0) | (members.c.read_seq >= chats.c.last_message_seq), 0),
    else_=chats.c.all_mentions - sa.func.coalesce(_PASSED, 0),
)
_MINE = (members.c.user_id == sa.bindparam("user_id")) & members.c.left_seq.is_(None)
_IN_CHATS = members.join(chats, chats.c.id == members.c.chat_id)
_COUNTS = (
    sa.select(members.c.chat_id, _UNREAD.label("unread"))
    .select_from(_IN_CHATS)
    .where(_MINE, members.c.chat_id.in_(sa.bindparam("chat_ids", expanding=True)))
)
_TOTAL = sa.select(sa.func.coalesce(sa.func.sum(_UNREAD), 0)).select_from(_IN_CHATS).where(_MINE)


async def present(
    connection: Connection, chat_id: UUID, sender_id: UUID, handles: Collection[str]
) -> list[UUID]:
    """Return who of these handles is in a chat, without those who block the sender."""
    found = await connection.execute(
        _PRESENT, {"chat_id": chat_id, "sender_id": sender_id, "handles": list(handles)}
    )
    return list(found.scalars())


async def of(connection: Connection, keys: Iterable[MessageKey]) -> dict[MessageKey, list[UUID]]:
    """Return whom each of the messages names, in no order that means anything."""
    wanted = set(keys)
    result: dict[MessageKey, list[UUID]] = {key: [] for key in wanted}
    if wanted:
        dialect = connection.dialect.name
        for row in await connection.execute(_BY_KEYS[dialect], pairs.parameters(dialect, wanted)):
            result[row.chat_id, row.message_seq].append(row.user_id)
    return result


async def unread(
    connection: Connection, user_id: UUID, chat_ids: Iterable[UUID]
) -> dict[UUID, int]:
    """Return how many messages that somebody has not read mention them, by chat."""
    rows = await connection.execute(_COUNTS, {"user_id": user_id, "chat_ids": list(set(chat_ids))})
    return {row.chat_id: int(row.unread) for row in rows}


async def unread_total(connection: Connection, user_id: UUID) -> int:
    """Return how many messages that somebody has not read mention them, in all their chats."""
    return int((await connection.execute(_TOTAL, {"user_id": user_id})).scalar_one())


async def forget(connection: Connection, key: MessageKey) -> None:
    """Take back whom a message mentions, in a locked chat: for what is deleted, or has expired.

    Who has not read it yet has one less to read.
    """
    chat_id, seq = key
    of_message = (mentions.c.chat_id == chat_id) & (mentions.c.message_seq == seq)
    gone = await connection.execute(
        mentions.delete().where(of_message).returning(mentions.c.user_id, mentions.c.counted)
    )
    counted = [row.user_id for row in gone if row.counted]
    if counted:
        await connection.execute(
            members.update()
            .where(_not_read_by(counted, key), members.c.unread_mentions > 0)
            .values(unread_mentions=members.c.unread_mentions - 1)
        )
    of_all = await connection.execute(
        all_mentions.delete().where(
            all_mentions.c.chat_id == chat_id, all_mentions.c.message_seq == seq
        )
    )
    if of_all.rowcount:
        await _shift(connection, key, -1)
        await _flag(connection, key, mentions_all=False)


async def renew(
    connection: Connection, key: MessageKey, user_ids: Collection[UUID], *, everybody: bool
) -> None:
    """Let a message of a locked chat mention these people who are in it, and nobody else."""
    await forget(connection, key)
    chat_id, seq = key
    if user_ids:
        await connection.execute(
            mentions.insert(),
            [
                {
                    "user_id": user_id,
                    "chat_id": chat_id,
                    "message_seq": seq,
                    "counted": not everybody,
                }
                for user_id in user_ids
            ],
        )
    if everybody:
        before = (
            sa.select(sa.func.coalesce(sa.func.max(all_mentions.c.number), 0))
            .where(all_mentions.c.chat_id == chat_id, all_mentions.c.message_seq < seq)
            .scalar_subquery()
        )
        await _shift(connection, key, 1)
        await connection.execute(
            all_mentions.insert().values(chat_id=chat_id, message_seq=seq, number=before + 1)
        )
        await _flag(connection, key, mentions_all=True)
    elif user_ids:
        await connection.execute(
            members.update()
            .where(_not_read_by(user_ids, key))
            .values(unread_mentions=members.c.unread_mentions + 1)
        )


def _not_read_by(user_ids: Collection[UUID], key: MessageKey) -> sa.ColumnElement[bool]:
    chat_id, seq = key
    return (
        (members.c.chat_id == chat_id)
        & members.c.user_id.in_(user_ids)
        & members.c.left_seq.is_(None)
        & (members.c.read_seq < seq)
    )


async def _shift(connection: Connection, key: MessageKey, by: int) -> None:
    """Renumber the mentions of everybody after a message, and count them on the chat."""
    chat_id, seq = key
    await connection.execute(
        all_mentions.update()
        .where(all_mentions.c.chat_id == chat_id, all_mentions.c.message_seq > seq)
        .values(number=all_mentions.c.number + by)
    )
    await connection.execute(
        chats.update().where(chats.c.id == chat_id).values(all_mentions=chats.c.all_mentions + by)
    )


async def _flag(connection: Connection, key: MessageKey, *, mentions_all: bool) -> None:
    await connection.execute(
        messages.update()
        .where(messages.c.chat_id == key[0], messages.c.seq == key[1])
        .values(mentions_all=mentions_all)
    )
