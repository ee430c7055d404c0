"""Threads as people read them: their counts, who follows them, and their pages.

The counts themselves are kept with every reply: see `models/threads.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import columns
from models.database import Connection
from models.members import members
from models.messages import HIDDEN_AT, SHOWN_COLUMNS, Message, MessageKey, messages, shown
from models.threads import thread_follows, threads

LOOKED_AT = 30  # replies, the newest, among whose authors participants are looked for

_DIALECTS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Replies:
    """How many replies a thread has got, deleted ones included, and the last of them."""

    chat_id: UUID
    root_seq: int
    reply_count: int
    last_reply_seq: int
    last_reply_at: datetime

    @property
    def key(self) -> MessageKey:
        """The message that started the thread."""
        return self.chat_id, self.root_seq


@dataclass(frozen=True, slots=True)
class Follow:
    """Whether somebody follows a thread, and the number of the last reply that they have read."""

    following: bool
    read_count: int


_REPLIES_COLUMNS = columns(threads, Replies)
_REPLIES = {
    dialect: sa.text(
        pairs.by_pairs(dialect, _REPLIES_COLUMNS, threads.c.chat_id, threads.c.root_seq)
    ).columns(*_REPLIES_COLUMNS)
    for dialect in _DIALECTS
}
_FOLLOW_COLUMNS = [
    thread_follows.c.chat_id,
    thread_follows.c.root_seq,
    thread_follows.c.following,
    thread_follows.c.read_count,
]
_FOLLOWS = {
    dialect: sa.text(
        pairs.by_pairs(
            dialect,
            _FOLLOW_COLUMNS,
            thread_follows.c.chat_id,
            thread_follows.c.root_seq,
            where="user_id = :user_id",
        )
    )
    .bindparams(sa.bindparam("user_id", type_=sa.Uuid))
    .columns(*_FOLLOW_COLUMNS)
    for dialect in _DIALECTS
}


async def replies(connection: Connection, keys: Iterable[MessageKey]) -> dict[MessageKey, Replies]:
    """Return the counts of those of these threads that have any reply."""
    wanted = set(keys)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(_REPLIES[dialect], pairs.parameters(dialect, wanted))
    return {(row.chat_id, row.root_seq): Replies(*row) for row in rows}


async def follows(
    connection: Connection, user_id: UUID, keys: Iterable[MessageKey]
) -> dict[MessageKey, Follow]:
    """Return how somebody follows those of these threads of which anything is known."""
    wanted = set(keys)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(
        _FOLLOWS[dialect], {"user_id": user_id, **pairs.parameters(dialect, wanted)}
    )
    return {(row.chat_id, row.root_seq): Follow(row.following, row.read_count) for row in rows}


# Who begins to follow has read what is there; who follows already is where they were.
_FOLLOW = sa.text(
    """
    INSERT INTO thread_follows (user_id, chat_id, root_seq, following, read_count)
    VALUES (:user_id, :chat_id, :root_seq, :following, coalesce(
        (SELECT reply_count FROM threads WHERE chat_id = :chat_id AND root_seq = :root_seq), 0
    ))
    ON CONFLICT (user_id, chat_id, root_seq) DO UPDATE SET
        following = excluded.following, read_count = excluded.read_count
    WHERE thread_follows.following <> excluded.following
    """
).bindparams(
    sa.bindparam("user_id", type_=sa.Uuid),
    sa.bindparam("chat_id", type_=sa.Uuid),
    sa.bindparam("root_seq", type_=sa.BigInteger),
    sa.bindparam("following", type_=sa.Boolean),
)


async def follow(
    connection: Connection, user_id: UUID, key: MessageKey, *, following: bool
) -> bool:
    """Let somebody follow a thread from now on, or not any more; returns whether it changed."""
    chat_id, root_seq = key
    values = {"user_id": user_id, "chat_id": chat_id, "root_seq": root_seq, "following": following}
    return bool((await connection.execute(_FOLLOW, values)).rowcount)


async def mark_read(connection: Connection, user_id: UUID, key: MessageKey, number: int) -> bool:
    """Move somebody's pointer in a thread that they follow forward; returns whether it moved."""
    chat_id, root_seq = key
    mine = thread_follows.c
    replied = (
        sa.select(threads.c.reply_count)
        .where(threads.c.chat_id == chat_id, threads.c.root_seq == root_seq)
        .scalar_subquery()
    )
    up_to = sa.case((replied < number, replied), else_=sa.literal(number))
    moved = await connection.execute(
        thread_follows.update()
        .where(
            mine.user_id == user_id,
            mine.chat_id == chat_id,
            mine.root_seq == root_seq,
            mine.following,
            mine.read_count < up_to,
        )
        .values(read_count=up_to)
    )
    return bool(moved.rowcount)


# Who enters has read what is there, whatever they had read when they left. By the primary key.
_REPLY_COUNT = (
    sa.select(threads.c.reply_count)
    .where(
        threads.c.chat_id == thread_follows.c.chat_id,
        threads.c.root_seq == thread_follows.c.root_seq,
    )
    .scalar_subquery()
)
_MARK_ALL_READ = (
    thread_follows.update()
    .where(
        thread_follows.c.user_id.in_(sa.bindparam("user_ids", expanding=True)),
        thread_follows.c.chat_id == sa.bindparam("of_chat"),
        thread_follows.c.read_count < _REPLY_COUNT,
    )
    .values(read_count=_REPLY_COUNT)
)


async def mark_all_read(connection: Connection, chat_id: UUID, user_ids: Sequence[UUID]) -> None:
    """Let people who enter a locked chat have read all threads that they followed there before."""
    await connection.execute(_MARK_ALL_READ, {"of_chat": chat_id, "user_ids": list(user_ids)})


# A page of each thread, at the newest or the oldest end of a range: a look-up by the index that
# holds a thread's replies, so that the cost is that of the rows returned at any depth.
_PAGES = {
    "postgresql": """
        SELECT {names}
        FROM unnest(CAST(:firsts AS uuid[]), CAST(:seconds AS bigint[])) AS wanted (of_chat, root)
        CROSS JOIN LATERAL (
            SELECT * FROM messages
            WHERE chat_id = of_chat AND thread_root_seq = root AND seq > :after AND seq < :before
            ORDER BY seq {order} LIMIT :limit
        ) AS messages
        ORDER BY messages.chat_id, messages.seq
    """,
    "sqlite": """
        SELECT {names}
        FROM json_each(:pairs) AS wanted CROSS JOIN messages
            ON messages.chat_id = json_extract(wanted.value, '$[0]')
            AND messages.thread_root_seq = json_extract(wanted.value, '$[1]')
            AND messages.seq > :after AND messages.seq < :before
            AND messages.seq {within} coalesce((
                SELECT p.seq FROM messages AS p
                WHERE p.chat_id = json_extract(wanted.value, '$[0]')
                  AND p.thread_root_seq = json_extract(wanted.value, '$[1]')
                  AND p.seq > :after AND p.seq < :before
                ORDER BY p.seq {order} LIMIT 1 OFFSET :limit - 1
            ), {otherwise})
        ORDER BY messages.chat_id, messages.seq
    """,
}
_BEYOND_ALL = 2**62  # above every sequence number


@cache
def _pages(
    dialect: str, wanted: Sequence[sa.ColumnClause[Any]], *, newest: bool
) -> sa.TextualSelect:
    hiding = wanted is SHOWN_COLUMNS
    names = [f"messages.{column.name}" for column in (wanted[:-1] if hiding else wanted)]
    if hiding:
        names.append(f"{HIDDEN_AT} AS hidden_at")
    statement = sa.text(
        _PAGES[dialect].format(
            names=", ".join(names),
            order="DESC" if newest else "ASC",
            within=">=" if newest else "<=",
            otherwise=0 if newest else _BEYOND_ALL,
        )
    )
    if hiding:
        statement = statement.bindparams(sa.bindparam("viewer_id", type_=sa.Uuid))
    return statement.columns(*wanted)


async def pages(
    connection: Connection,
    viewer_id: UUID,
    keys: Iterable[MessageKey],
    *,
    limit: int,
    after: int | None,
    before: int | None,
    newest: bool,
) -> dict[MessageKey, list[Message]]:
    """Return a page of each thread's replies, oldest first, for whoever may read its root.

    It holds at most `limit` with `after < seq < before`, at the newest or the oldest end of that
    range. Whoever may read a thread's root may read all that answers it; what they hid from
    themselves looks deleted.
    """
    found: dict[MessageKey, list[Message]] = {key: [] for key in keys}
    rows = await _read(
        connection,
        found,
        SHOWN_COLUMNS,
        limit=limit,
        after=after,
        before=before,
        newest=newest,
        viewer_id=viewer_id,
    )
    for message in map(shown, rows):
        if message.thread_root_seq is not None:
            found[message.chat_id, message.thread_root_seq].append(message)
    return found


_AUTHOR = (messages.c.chat_id, messages.c.thread_root_seq, messages.c.sender_id, messages.c.seq)


async def participants(
    connection: Connection, keys: Iterable[MessageKey], *, limit: int
) -> dict[MessageKey, list[UUID]]:
    """Return who wrote the newest replies of each thread, who wrote last first."""
    found: dict[MessageKey, list[UUID]] = {key: [] for key in keys}
    rows = await _read(
        connection, found, _AUTHOR, limit=LOOKED_AT, after=None, before=None, newest=True
    )
    for row in reversed(rows):
        authors = found[row.chat_id, row.thread_root_seq]
        if row.sender_id not in authors and len(authors) < limit:
            authors.append(row.sender_id)
    return found


async def _read(
    connection: Connection,
    keys: Iterable[MessageKey],
    wanted: Sequence[sa.ColumnClause[Any]],
    *,
    limit: int,
    after: int | None,
    before: int | None,
    newest: bool,
    **more: object,
) -> Sequence[Any]:
    asked = set(keys)
    if not asked:
        return []
    dialect = connection.dialect.name
    values = {
        **pairs.parameters(dialect, asked),
        **more,
        "limit": limit,
        "after": 0 if after is None else after,
        "before": _BEYOND_ALL if before is None else before,
    }
    return (await connection.execute(_pages(dialect, wanted, newest=newest), values)).all()


Place = tuple[datetime, UUID, int]  # a thread's last reply, its chat, its root's number


async def followed(
    connection: Connection, user_id: UUID, *, after: Place | None, limit: int, unread: bool
) -> list[Replies]:
    """Return threads that somebody follows and may read, the latest reply first.

    With `unread` only those with replies that they have not read.
    """
    query = (
        sa.select(*_REPLIES_COLUMNS)
        .select_from(thread_follows)
        .join(
            threads,
            (threads.c.chat_id == thread_follows.c.chat_id)
            & (threads.c.root_seq == thread_follows.c.root_seq),
        )
        .join(
            members,
            (members.c.user_id == thread_follows.c.user_id)
            & (members.c.chat_id == thread_follows.c.chat_id)
            & members.c.left_seq.is_(None)
            & (members.c.first_message_seq <= thread_follows.c.root_seq),
        )
        .where(thread_follows.c.user_id == user_id, thread_follows.c.following)
        .order_by(
            threads.c.last_reply_at.desc(), threads.c.chat_id.desc(), threads.c.root_seq.desc()
        )
        .limit(limit)
    )
    if unread:
        query = query.where(threads.c.reply_count > thread_follows.c.read_count)
    if after is not None:
        moment, chat_id, root_seq = after
        same = threads.c.last_reply_at == moment
        query = query.where(
            (threads.c.last_reply_at < moment)
            | (same & (threads.c.chat_id < chat_id))
            | (same & (threads.c.chat_id == chat_id) & (threads.c.root_seq < root_seq))
        )
    return [Replies(*row) for row in await connection.execute(query)]
