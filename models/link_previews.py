"""Link previews: what pages say of themselves, fetched once for all who link to them.

A preview belongs to a URL, not to a message: which one a message has is worked out of its text, so
that an edit changes it at once. Messages that were sent before their preview was there wait for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.links import first_link, link_hash
from models.messages import Message, MessageKey

link_previews = sa.Table(
    "link_previews",
    metadata,
    # Of the URL, which is too long for a key.
    sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("title", sa.String(200)),
    sa.Column("description", sa.String(500)),
    sa.Column("site_name", sa.String(80)),
    sa.Column("image_url", sa.String(2048)),
    # When somebody wrote the link last; when it was fetched, and when that failed, last.
    sa.Column("wanted_at", UtcDateTime, nullable=False),
    sa.Column("fetched_at", UtcDateTime),
    sa.Column("failed_at", UtcDateTime),
    # When it is to be fetched, if it is.
    sa.Column("due_at", UtcDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Index(
        "ix_link_previews_due_at",
        "due_at",
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    ),
    sa.Index("ix_link_previews_wanted_at", "wanted_at"),
)

link_preview_waits = sa.Table(
    "link_preview_waits",
    metadata,
    sa.Column(
        "hash",
        sa.LargeBinary(32),
        sa.ForeignKey("link_previews.hash", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("chat_id", sa.Uuid, primary_key=True),
    sa.Column("message_seq", sa.BigInteger, primary_key=True, autoincrement=False),
)


@dataclass(frozen=True, slots=True)
class LinkPreview:
    """What a page says of itself; one without a title has not been fetched yet."""

    hash: bytes
    url: str
    title: str | None
    description: str | None
    site_name: str | None
    image_url: str | None
    wanted_at: datetime
    fetched_at: datetime | None
    failed_at: datetime | None
    due_at: datetime | None
    attempts: int


_COLUMNS = columns(link_previews, LinkPreview)
_BY_HASHES = sa.select(*_COLUMNS).where(
    link_previews.c.hash.in_(sa.bindparam("hashes", expanding=True))
)
_DUE = (
    sa.select(link_previews.c.hash)
    .where(link_previews.c.due_at <= sa.bindparam("now"))
    .order_by(link_previews.c.due_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_TAKE = (
    link_previews.update()
    .where(link_previews.c.hash.in_(_DUE.with_for_update(skip_locked=True)))
    .values(due_at=sa.bindparam("until"), attempts=link_previews.c.attempts + 1)
    .returning(*_COLUMNS)
)
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


async def by_hashes(connection: Connection, hashes: Iterable[bytes]) -> dict[bytes, LinkPreview]:
    """Return what is known of URLs, fetched or not, by their hashes."""
    wanted = list(set(hashes))
    if not wanted:
        return {}
    rows = await connection.execute(_BY_HASHES, {"hashes": wanted})
    return {row.hash: LinkPreview(*row) for row in rows}


def may_have(message: Message) -> bool:
    """Whether a message has a link that a preview may be shown of."""
    return message.deleted_at is None and first_link(message.text) is not None


async def of_messages(
    connection: Connection, messages: Mapping[MessageKey, Message]
) -> dict[MessageKey, LinkPreview]:
    """Return the previews of messages that have one; nothing is asked if none has a link."""
    hashes = {
        key: link_hash(link)
        for key, message in messages.items()
        if message.deleted_at is None and (link := first_link(message.text))
    }
    found = await by_hashes(connection, hashes.values())
    return {
        key: found[hash_]
        for key, hash_ in hashes.items()
        if hash_ in found and found[hash_].title is not None
    }


async def want(connection: Connection, url: str, now: datetime, *, due: bool) -> None:
    """Note that somebody linked to a URL, and have it fetched if it is `due`."""
    values = {"hash": link_hash(url), "url": url, "wanted_at": now, "due_at": now if due else None}
    changed: dict[str, Any] = {"wanted_at": now}
    if due:
        changed |= {"due_at": now, "attempts": 0}
    statement = _INSERT[connection.dialect.name](link_previews).values(**values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["hash"], set_=changed))


async def wait(connection: Connection, hash_: bytes, key: MessageKey) -> None:
    """Note that a message waits for a preview."""
    statement = _INSERT[connection.dialect.name](link_preview_waits).values(
        hash=hash_, chat_id=key[0], message_seq=key[1]
    )
    await connection.execute(statement.on_conflict_do_nothing())


async def any_due(connection: Connection, now: datetime) -> bool:
    """Whether there is something to fetch."""
    return (await connection.execute(_DUE, {"now": now, "limit": 1})).first() is not None


async def take(
    connection: Connection, now: datetime, *, until: datetime, limit: int
) -> Sequence[LinkPreview]:
    """Return at most `limit` that are due, which nobody else gets until a moment."""
    rows = await connection.execute(_TAKE, {"now": now, "until": until, "limit": limit})
    return [LinkPreview(*row) for row in rows]


async def put_off(connection: Connection, preview: LinkPreview, until: datetime) -> None:
    """Have it fetched later, unless somebody else has taken it meanwhile."""
    await connection.execute(link_previews.update().where(_held(preview)).values(due_at=until))


async def fail(connection: Connection, preview: LinkPreview, now: datetime) -> None:
    """Note that there is no preview to be had, unless somebody else has taken it meanwhile.

    What was fetched before stays.
    """
    changed = await connection.execute(
        link_previews.update().where(_held(preview)).values(due_at=None, failed_at=now)
    )
    if changed.rowcount:
        await _forget_waits(connection, preview.hash)


async def store(
    connection: Connection, preview: LinkPreview, values: Mapping[str, Any], now: datetime
) -> list[MessageKey]:
    """Store what was fetched, and return the messages that waited for it.

    None, if somebody else has taken it meanwhile.
    """
    changed = await connection.execute(
        link_previews.update()
        .where(_held(preview))
        .values(**values, due_at=None, failed_at=None, fetched_at=now)
    )
    if not changed.rowcount:
        return []
    waits = await connection.execute(
        sa.select(link_preview_waits.c.chat_id, link_preview_waits.c.message_seq)
        .where(link_preview_waits.c.hash == preview.hash)
        .order_by(link_preview_waits.c.chat_id, link_preview_waits.c.message_seq)
    )
    return [(row.chat_id, row.message_seq) for row in waits]


async def told(connection: Connection, hash_: bytes, key: MessageKey) -> bool:
    """Forget that a message waits; returns whether it did until now."""
    waits = link_preview_waits.c
    gone = await connection.execute(
        link_preview_waits.delete().where(
            waits.hash == hash_, waits.chat_id == key[0], waits.message_seq == key[1]
        )
    )
    return bool(gone.rowcount)


async def prune(connection: Connection, before: datetime, *, limit: int) -> int:
    """Delete what nobody has linked to since a moment; returns how many went."""
    old = (
        sa.select(link_previews.c.hash)
        .where(link_previews.c.wanted_at < before, link_previews.c.due_at.is_(None))
        .limit(limit)
    )
    gone = await connection.execute(link_previews.delete().where(link_previews.c.hash.in_(old)))
    return gone.rowcount


async def _forget_waits(connection: Connection, hash_: bytes) -> None:
    await connection.execute(link_preview_waits.delete().where(link_preview_waits.c.hash == hash_))


def _held(preview: LinkPreview) -> sa.ColumnElement[bool]:
    return sa.and_(
        link_previews.c.hash == preview.hash,
        link_previews.c.attempts == preview.attempts,
        link_previews.c.due_at.is_not(None),
    )
