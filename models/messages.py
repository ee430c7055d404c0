"""Messages: a chat's numbered history. `seq` is dense per chat and never reused.

A message that has expired is as good as deleted from that moment on, whether the worker has been
there already or not: a row in which it still stands makes a `Message` without it, whoever reads it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import UtcDateTime, columns, metadata
from models.database import Connection

MAX_QUOTE = 1024  # characters


class MessageKind(StrEnum):
    """What a message is."""

    TEXT = "text"
    POLL = "poll"
    SYSTEM = "system"  # what happened in the chat, told in its history


class SystemKind(StrEnum):
    """What a system message tells; its actor is the sender."""

    TITLE_CHANGED = "title_changed"
    MEMBER_ADDED = "member_added"
    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    MEMBER_REMOVED = "member_removed"
    MESSAGE_PINNED = "message_pinned"
    MESSAGE_TTL_CHANGED = "message_ttl_changed"


messages = sa.Table(
    "messages",
    metadata,
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE")),
    sa.Column("seq", sa.BigInteger, autoincrement=False),
    sa.Column("sender_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reply_to_seq", sa.BigInteger),
    # A retry is known for good by its id, and told from a misuse of the id by a keyed hash of
    # what was first sent, which outlives the text.
    sa.Column("client_message_id", sa.Uuid, nullable=False),
    sa.Column("content_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("edited_at", UtcDateTime),
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("kind", sa.String(16), nullable=False, server_default=MessageKind.TEXT.value),
    # The words of the message that is answered which this one is about.
    sa.Column("quote", sa.String(MAX_QUOTE)),
    # The message that started the thread it is in.
    sa.Column("thread_root_seq", sa.BigInteger),
    # Its number among the replies there: from 1, without gaps, never reused.
    sa.Column("thread_number", sa.Integer),
    # Where it was first written, if it was forwarded from there. Without foreign keys, which SQLite
    # would make the table anew for.
    sa.Column("forward_sender_id", sa.Uuid),
    sa.Column("forward_chat_id", sa.Uuid),
    sa.Column("forward_seq", sa.BigInteger),
    sa.Column("forward_sent_at", UtcDateTime),
    sa.Column("mentions_all", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("has_link", sa.Boolean, nullable=False, server_default=sa.false()),
    # From then on it is shown to nobody, whether its content is gone already or not.
    sa.Column("expires_at", UtcDateTime),
    # When a poll closes by itself; none once it has.
    sa.Column("closes_at", UtcDateTime),
    # What its kind needs besides the text: a poll's answers, what a system message tells.
    sa.Column("details", sa.JSON(none_as_null=True)),
    # Whom a system message is about, without a foreign key as above.
    sa.Column("subject_id", sa.Uuid),
    sa.PrimaryKeyConstraint("chat_id", "seq"),
    sa.UniqueConstraint("sender_id", "client_message_id"),
    sa.Index(
        "ix_messages_expires_at",
        "expires_at",
        postgresql_where=sa.text("expires_at IS NOT NULL AND deleted_at IS NULL"),
        sqlite_where=sa.text("expires_at IS NOT NULL AND deleted_at IS NULL"),
    ),
    sa.Index(
        "ix_messages_closes_at",
        "closes_at",
        postgresql_where=sa.text("closes_at IS NOT NULL"),
        sqlite_where=sa.text("closes_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_messages_chat_id_thread_root_seq_seq",
        "chat_id",
        "thread_root_seq",
        "seq",
        postgresql_where=sa.text("thread_root_seq IS NOT NULL"),
        sqlite_where=sa.text("thread_root_seq IS NOT NULL"),
    ),
    # For who looks through a chat for what somebody wrote, for links, for anything but texts.
    sa.Index("ix_messages_chat_id_sender_id_seq", "chat_id", "sender_id", "seq"),
    sa.Index(
        "ix_messages_chat_id_seq_linking",
        "chat_id",
        "seq",
        postgresql_where=sa.text("has_link"),
        sqlite_where=sa.text("has_link"),
    ),
    sa.Index(
        "ix_messages_chat_id_kind_seq",
        "chat_id",
        "kind",
        "seq",
        postgresql_where=sa.text("kind <> 'text'"),
        sqlite_where=sa.text("kind <> 'text'"),
    ),
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it is stored; a deleted one keeps its place with an empty text."""

    chat_id: UUID
    seq: int
    sender_id: UUID
    text: str
    reply_to_seq: int | None
    client_message_id: UUID
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    kind: str = MessageKind.TEXT.value
    quote: str | None = None
    thread_root_seq: int | None = None
    forward_sender_id: UUID | None = None
    forward_chat_id: UUID | None = None
    forward_seq: int | None = None
    forward_sent_at: datetime | None = None
    mentions_all: bool = False
    has_link: bool = False
    expires_at: datetime | None = None
    closes_at: datetime | None = None
    details: dict[str, Any] | None = None
    subject_id: UUID | None = None
    thread_number: int | None = None

    def __post_init__(self) -> None:
        # Here, and not where messages are read, so that nobody can forget it.
        if self.expires_at is not None and self.deleted_at is None:
            for name, value in _left_at(self.expires_at, datetime.now(UTC)).items():
                object.__setattr__(self, name, value)


# What is taken away from a message that is deleted or has expired. What stays is its place, whose
# it is, when it was written, and what it was.
EMPTIED: dict[str, Any] = {
    "text": "",
    "reply_to_seq": None,
    "quote": None,
    "forward_sender_id": None,
    "forward_chat_id": None,
    "forward_seq": None,
    "forward_sent_at": None,
    "has_link": False,
    "details": None,
    "subject_id": None,
}


def _left_at(expires_at: datetime, now: datetime) -> dict[str, Any]:
    """Return what a message that expires is changed to by then."""
    return {**EMPTIED, "deleted_at": expires_at} if expires_at <= now else {}


# The columns of a message as it is now, for statements that make no `Message` of it.
_THIS_MOMENT = sa.bindparam("this_moment", callable_=lambda: datetime.now(UTC), type_=UtcDateTime)
_HAS_EXPIRED = messages.c.expires_at <= _THIS_MOMENT
# For statements that are about messages, and make nothing of them at all.
HAS_NOT_EXPIRED = messages.c.expires_at.is_(None) | (messages.c.expires_at > _THIS_MOMENT)
_WITHOUT = {
    name: sa.case(
        (_HAS_EXPIRED, sa.null() if value is None else sa.literal(value)),
        else_=messages.c[name],
    )
    for name, value in EMPTIED.items()
}
AS_IT_IS_NOW: dict[str, sa.ColumnElement[Any]] = {
    **{name: sa.type_coerce(case, messages.c[name].type) for name, case in _WITHOUT.items()},
    "deleted_at": sa.func.coalesce(
        messages.c.deleted_at, sa.case((_HAS_EXPIRED, messages.c.expires_at)), type_=UtcDateTime
    ),
}


MessageKey = tuple[UUID, int]

_COLUMNS = columns(messages, Message)
_ONE = sa.select(*_COLUMNS).where(
    messages.c.chat_id == sa.bindparam("chat_id"), messages.c.seq == sa.bindparam("seq")
)


_SENT = sa.select(messages.c.client_message_id).where(
    messages.c.sender_id == sa.bindparam("sender_id"),
    messages.c.client_message_id.in_(sa.bindparam("client_message_ids", expanding=True)),
)
_DIALECTS = ("sqlite", "postgresql")
_BY_KEYS = {
    dialect: sa.text(pairs.by_pairs(dialect, _COLUMNS, messages.c.chat_id, messages.c.seq)).columns(
        *_COLUMNS
    )
    for dialect in _DIALECTS
}
_MAY_READ = """EXISTS (
    SELECT 1 FROM members AS m
    WHERE m.user_id = :viewer_id AND m.chat_id = messages.chat_id AND m.left_seq IS NULL
      AND m.first_message_seq <= messages.seq
)"""
# When somebody hid a message of `messages` from themselves: `models/hidden.py` has the table.
HIDDEN_AT = """(
    SELECT h.hidden_at FROM hidden_messages AS h
    WHERE h.user_id = :viewer_id AND h.chat_id = messages.chat_id AND h.message_seq = messages.seq
)"""
SHOWN_COLUMNS = (*_COLUMNS, sa.column("hidden_at", UtcDateTime))
_READABLE_BY_KEYS = {
    dialect: sa.text(
        pairs.by_pairs(
            dialect,
            _COLUMNS,
            messages.c.chat_id,
            messages.c.seq,
            where=_MAY_READ,
            more=f"{HIDDEN_AT} AS hidden_at",
        )
    )
    .bindparams(sa.bindparam("viewer_id", type_=sa.Uuid))
    .columns(*SHOWN_COLUMNS)
    for dialect in _DIALECTS
}


async def insert_many(connection: Connection, rows: Sequence[tuple[Message, bytes]]) -> None:
    """Store messages of any chats at once, each with the hash of what was first sent."""
    await connection.execute(
        messages.insert(),
        [
            {field.name: getattr(message, field.name) for field in fields(message)}
            | {"content_hash": content_hash}
            for message, content_hash in rows
        ],
    )


async def by_key(connection: Connection, chat_id: UUID, seq: int) -> Message | None:
    """Return one message whoever asks; the caller has checked the chat."""
    row = (await connection.execute(_ONE, {"chat_id": chat_id, "seq": seq})).one_or_none()
    return Message(*row) if row else None


async def is_sent(connection: Connection, sender_id: UUID, client_message_id: UUID) -> bool:
    """Whether somebody has sent a message under an id, whatever became of it."""
    values = {"sender_id": sender_id, "client_message_ids": [client_message_id]}
    return (await connection.execute(_SENT, values)).first() is not None


async def by_keys(connection: Connection, keys: Iterable[MessageKey]) -> dict[MessageKey, Message]:
    """Return messages by key whoever asks: for the log, which checks membership itself."""
    wanted = set(keys)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(_BY_KEYS[dialect], pairs.parameters(dialect, wanted))
    return {(row.chat_id, row.seq): Message(*row) for row in rows}


async def readable_by_keys(
    connection: Connection, viewer_id: UUID, keys: Iterable[MessageKey]
) -> dict[MessageKey, Message]:
    """Return those of the messages that the viewer may read now: present, and since joining.

    Those that they hid from themselves look deleted.
    """
    wanted = set(keys)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(
        _READABLE_BY_KEYS[dialect],
        {"viewer_id": viewer_id, **pairs.parameters(dialect, wanted)},
    )
    return {(row.chat_id, row.seq): shown(row) for row in rows}


def shown(row: sa.Row[Any]) -> Message:
    """Return a message of `SHOWN_COLUMNS` as somebody sees it who may have hidden it."""
    values, hidden_at = tuple(row)[:-1], row[-1]
    message = Message(*values)
    if hidden_at is None or message.deleted_at is not None:
        return message
    return without_content(message, hidden_at)


def without_content(message: Message, at: datetime) -> Message:
    """Return a message as it is when it was deleted at a moment."""
    return replace(message, deleted_at=at, **EMPTIED)


async def sent_among(
    connection: Connection, sender_id: UUID, client_message_ids: Iterable[UUID]
) -> set[UUID]:
    """Return those of the ids of somebody's client under which they have sent a message."""
    found = await connection.execute(
        _SENT, {"sender_id": sender_id, "client_message_ids": list(client_message_ids)}
    )
    return set(found.scalars())


async def edit(
    connection: Connection, chat_id: UUID, seq: int, *, text: str, has_link: bool, now: datetime
) -> None:
    """Replace a message's text."""
    await connection.execute(
        messages.update()
        .where(messages.c.chat_id == chat_id, messages.c.seq == seq)
        .values(text=text, has_link=has_link, edited_at=now)
    )


async def delete(connection: Connection, chat_id: UUID, seq: int, *, now: datetime) -> None:
    """Take a message's content away for good; its number stays."""
    await connection.execute(
        messages.update()
        .where(messages.c.chat_id == chat_id, messages.c.seq == seq)
        .values(**EMPTIED, deleted_at=now)
    )
