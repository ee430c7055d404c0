"""Members: one row per stay of a person in a chat.

A stay covers the events `joined_seq … left_seq` of the chat, and its history starts at message
`first_message_seq`. Somebody who comes back gets a new row, so what was said in between stays
unseen.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa

from models import pairs
from models.base import UtcDateTime, columns, metadata
from models.database import Connection

FIRST_EVENT_SEQ = 1  # a chat's creation
# A moment that no clock of ours comes to: "until somebody says otherwise".
FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


class Role(StrEnum):
    """What a member may do; see `resolvers/permissions.py`."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    GUEST = "guest"


members = sa.Table(
    "members",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("chat_id", sa.Uuid, sa.ForeignKey("chats.id", ondelete="CASCADE"), nullable=False),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("joined_at", UtcDateTime, nullable=False),
    sa.Column("joined_seq", sa.BigInteger, nullable=False),
    sa.Column("first_message_seq", sa.BigInteger, nullable=False),
    # The number of the first message that was said after they had come, where that is another:
    # they may read what was said before, or have cleared their history since.
    sa.Column("joined_message_seq", sa.BigInteger),
    sa.Column("left_seq", sa.BigInteger),
    # The last message that reached a device of theirs, and the last one they have read.
    sa.Column("delivered_seq", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("read_seq", sa.BigInteger, nullable=False),
    # Unread mentions of them by name, and up to which of those of everybody they have read: see
    # `models/mentions.py`.
    sa.Column("unread_mentions", sa.Integer, nullable=False, server_default="0"),
    # Until when they may not write, whoever wants that: a moderator, or who blocks them in a
    # direct chat. And when they last did, in a chat with slow mode.
    sa.Column("silenced_until", UtcDateTime),
    sa.Column("last_sent_at", UtcDateTime),
    # How they keep the chat for themselves.
    sa.Column("muted_until", UtcDateTime),
    # The last message that was there when they put it into their archive: a later one takes it
    # out again, unless they have muted the chat. See `models/keeping.py`.
    sa.Column("archived_seq", sa.BigInteger),
    sa.Column("pin_position", sa.Integer),
    sa.Index(
        "uq_members_present",
        "user_id",
        "chat_id",
        unique=True,
        postgresql_where=sa.text("left_seq IS NULL"),
        sqlite_where=sa.text("left_seq IS NULL"),
    ),
    # For catching up, which goes through past stays as well. Few stays are past.
    sa.Index(
        "ix_members_user_id_past",
        "user_id",
        postgresql_where=sa.text("left_seq IS NOT NULL"),
        sqlite_where=sa.text("left_seq IS NOT NULL"),
    ),
    # Of thousands a handful, told of who asks to come in.
    sa.Index(
        "ix_members_chat_id_keepers",
        "chat_id",
        postgresql_where=sa.text("role IN ('owner', 'admin') AND left_seq IS NULL"),
        sqlite_where=sa.text("role IN ('owner', 'admin') AND left_seq IS NULL"),
    ),
    # Of a person's thousands of chats a handful.
    sa.Index(
        "ix_members_user_id_pinned",
        "user_id",
        postgresql_where=sa.text("pin_position IS NOT NULL"),
        sqlite_where=sa.text("pin_position IS NOT NULL"),
    ),
    # Keys are UUIDv7, so this lists a chat's members in the order in which they came.
    sa.Index("ix_members_chat_id_id", "chat_id", "id"),
    postgresql_with={"fillfactor": 80},
)


@dataclass(frozen=True, slots=True)
class Member:
    """One stay of a person in a chat."""

    id: UUID
    chat_id: UUID
    user_id: UUID
    role: str
    joined_at: datetime
    joined_seq: int
    first_message_seq: int
    left_seq: int | None
    delivered_seq: int
    read_seq: int
    unread_mentions: int = 0
    silenced_until: datetime | None = None
    last_sent_at: datetime | None = None
    muted_until: datetime | None = None
    archived_seq: int | None = None
    pin_position: int | None = None
    joined_message_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Since:
    """Where what somebody sees of a chat begins: with an event, and with a message."""

    joined_seq: int
    first_message_seq: int


_COLUMNS = columns(members, Member)
# That module imports this one, so its table is named here instead of imported.
_CHATS = sa.table(
    "chats",
    sa.column("id", sa.Uuid),
    sa.column("last_message_seq", sa.BigInteger),
    sa.column("expired_seq", sa.BigInteger),
)
_PRESENT = sa.select(*_COLUMNS).where(members.c.left_seq.is_(None))
_OF_USER = sa.select(members.c.chat_id, members.c.joined_seq, members.c.first_message_seq).where(
    members.c.user_id == sa.bindparam("user_id"), members.c.left_seq.is_(None)
)
_BY_IDS = _PRESENT.where(
    members.c.chat_id == sa.bindparam("chat_id"),
    members.c.user_id.in_(sa.bindparam("user_ids", expanding=True)),
)
_FOUNDERS = (
    sa.select(members.c.chat_id, members.c.user_id)
    .where(
        members.c.chat_id.in_(sa.bindparam("chat_ids", expanding=True)),
        members.c.joined_seq == FIRST_EVENT_SEQ,
    )
    .order_by(members.c.id)
)


def _stays(dialect: str) -> sa.TextualSelect:
    # Present and past ones apart: each have an index of their own.
    halves = (
        pairs.by_pairs(dialect, _COLUMNS, members.c.chat_id, members.c.user_id, where=where)
        for where in (_IS_PRESENT, _IS_PAST)
    )
    return sa.text("UNION ALL".join(halves)).columns(*_COLUMNS)


def _half(dialect: str, where: str) -> sa.TextualSelect:
    return sa.text(
        pairs.by_pairs(dialect, _COLUMNS, members.c.chat_id, members.c.user_id, where=where)
    ).columns(*_COLUMNS)


_IS_PRESENT, _IS_PAST = "left_seq IS NULL", "left_seq IS NOT NULL"
_DIALECTS = ("sqlite", "postgresql")
_STAYS = {dialect: _stays(dialect) for dialect in _DIALECTS}
# Not `chat_id IN (…)`: with a plan made for whoever asks, PostgreSQL may read all the chats of
# somebody who is in thousands.
_OF_CHATS = {dialect: _half(dialect, _IS_PRESENT) for dialect in _DIALECTS}
_PAST = {dialect: _half(dialect, _IS_PAST) for dialect in _DIALECTS}


# For statements that begin with chats of which one has the ids, `:chat_ids` by `pairs.listed`, and
# go on with those that `:user_id` is in: from these chats, not from all that the person is in.
THEIR_CHATS = {
    "postgresql": """
        unnest(CAST(:chat_ids AS uuid[])) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT * FROM members
            WHERE user_id = :user_id AND chat_id = wanted.id AND left_seq IS NULL OFFSET 0
        ) AS members
        CROSS JOIN LATERAL (SELECT * FROM chats WHERE id = members.chat_id OFFSET 0) AS chats
    """,
    "sqlite": """
        json_each(:chat_ids) AS wanted
        CROSS JOIN members ON members.user_id = :user_id AND members.chat_id = wanted.value
            AND members.left_seq IS NULL
        CROSS JOIN chats ON chats.id = members.chat_id
    """,
}


async def add(connection: Connection, rows: Sequence[Member]) -> None:
    """Store new stays in a locked chat."""
    await connection.execute(
        members.insert(),
        [{field.name: getattr(row, field.name) for field in fields(row)} for row in rows],
    )


async def of_chats(
    connection: Connection, user_id: UUID, chat_ids: Iterable[UUID]
) -> dict[UUID, Member]:
    """Return a person's present memberships of these chats, by chat id."""
    wanted = [(chat_id, user_id) for chat_id in chat_ids]
    if not wanted:
        return {}
    dialect = connection.dialect.name
    rows = await connection.execute(_OF_CHATS[dialect], pairs.parameters(dialect, wanted))
    return {row.chat_id: Member(*row) for row in rows}


async def of_user(connection: Connection, user_id: UUID) -> dict[UUID, Since]:
    """Return every chat a person is in, with where what they see of it begins."""
    rows = await connection.execute(_OF_USER, {"user_id": user_id})
    return {row.chat_id: Since(row.joined_seq, row.first_message_seq) for row in rows}


async def among(
    connection: Connection, chat_id: UUID, user_ids: Iterable[UUID]
) -> dict[UUID, Member]:
    """Return those of the people who are in the chat, by user id."""
    rows = await connection.execute(_BY_IDS, {"chat_id": chat_id, "user_ids": list(set(user_ids))})
    return {row.user_id: Member(*row) for row in rows}


async def founders(connection: Connection, chat_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return who was in each chat from its first event on, by chat id."""
    wanted = list(set(chat_ids))
    result: dict[UUID, list[UUID]] = {chat_id: [] for chat_id in wanted}
    if wanted:
        for row in await connection.execute(_FOUNDERS, {"chat_ids": wanted}):
            result[row.chat_id].append(row.user_id)
    return result


async def readable_by_ids(
    connection: Connection, viewer_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, Member]:
    """Return those present memberships that belong to chats the viewer is in, by their id."""
    mine = members.alias("mine")
    rows = await connection.execute(
        _PRESENT.join(mine, mine.c.chat_id == members.c.chat_id).where(
            members.c.id.in_(set(ids)), mine.c.user_id == viewer_id, mine.c.left_seq.is_(None)
        )
    )
    return {row.id: Member(*row) for row in rows}


async def stays(connection: Connection, people: Iterable[tuple[UUID, UUID]]) -> list[Member]:
    """Return every stay, present or past, of these (chat id, user id) pairs."""
    wanted = set(people)
    if not wanted:
        return []
    dialect = connection.dialect.name
    rows = await connection.execute(_STAYS[dialect], pairs.parameters(dialect, wanted))
    return [Member(*row) for row in rows]


async def past(
    connection: Connection, chat_id: UUID, user_ids: Collection[UUID]
) -> dict[UUID, Member]:
    """Return the last stay of each of these people who were in a chat and are not, by user id."""
    latest: dict[UUID, Member] = {}
    if user_ids:
        dialect = connection.dialect.name
        wanted = pairs.parameters(dialect, [(chat_id, user_id) for user_id in user_ids])
        for row in await connection.execute(_PAST[dialect], wanted):
            stay = Member(*row)
            earlier = latest.get(stay.user_id)
            if earlier is None or earlier.joined_seq < stay.joined_seq:
                latest[stay.user_id] = stay
    return latest


async def staff(connection: Connection, chat_id: UUID, *, limit: int) -> list[Member]:
    """Return a chat's owner and admins, those who came first first."""
    query = sa.select(*_COLUMNS).where(
        members.c.chat_id == chat_id,
        members.c.left_seq.is_(None),
        sa.text("members.role IN ('owner', 'admin')"),
    )
    rows = await connection.execute(query.order_by(members.c.id).limit(limit))
    return [Member(*row) for row in rows]


# What has expired is not there to be read.
_UNREAD = _CHATS.c.last_message_seq - sa.case(
    (members.c.read_seq < _CHATS.c.expired_seq, _CHATS.c.expired_seq), else_=members.c.read_seq
)
_UNREAD_TOTAL = (
    sa.select(sa.func.coalesce(sa.func.sum(_UNREAD), 0))
    .select_from(members.join(_CHATS, _CHATS.c.id == members.c.chat_id))
    .where(members.c.user_id == sa.bindparam("user_id"), members.c.left_seq.is_(None))
)
_UNREAD_CHATS = _UNREAD_TOTAL.with_only_columns(sa.func.count()).where(
    _UNREAD > 0,
    members.c.archived_seq.is_(None) | (members.c.archived_seq < _CHATS.c.last_message_seq),
    members.c.muted_until.is_(None) | (members.c.muted_until <= sa.bindparam("now")),
)


async def unread_total(connection: Connection, user_id: UUID) -> int:
    """Return how many messages a person has not read, over all their chats, counting no rows."""
    return int((await connection.execute(_UNREAD_TOTAL, {"user_id": user_id})).scalar_one())


async def unread_chats(connection: Connection, user_id: UUID, now: datetime) -> int:
    """Return in how many chats that are neither muted nor archived somebody has not read all."""
    rows = await connection.execute(_UNREAD_CHATS, {"user_id": user_id, "now": now})
    return int(rows.scalar_one())


async def pages(
    connection: Connection,
    viewer_id: UUID,
    chat_ids: Iterable[UUID],
    *,
    after: UUID | None,
    limit: int,
) -> dict[UUID, list[Member]]:
    """Return up to `limit` members of each chat in order of joining, after a row id.

    Nobody of a chat that the viewer is not in.

    One statement for all chats: an inner look-up finds the far end of each chat's page, so that
    the cost is that of the rows returned.
    """
    wanted = list(set(chat_ids))
    result: dict[UUID, list[Member]] = {chat_id: [] for chat_id in wanted}
    if not wanted:
        return result

    def in_range(table: sa.FromClause) -> sa.ColumnElement[bool]:
        condition = (table.c.chat_id == _CHATS.c.id) & table.c.left_seq.is_(None)
        return condition if after is None else condition & (table.c.id > after)

    mine, probe = members.alias("mine"), members.alias("probe")
    far_end = (
        sa.select(probe.c.id)
        .where(in_range(probe))
        .order_by(probe.c.id)
        .limit(1)
        .offset(limit - 1)
        .scalar_subquery()
        .correlate(_CHATS)
    )
    rows = await connection.execute(
        sa.select(*_COLUMNS)
        .select_from(_CHATS)
        .join(mine, mine.c.chat_id == _CHATS.c.id)
        .join(members, in_range(members))
        .where(
            mine.c.user_id == viewer_id,
            mine.c.left_seq.is_(None),
            _CHATS.c.id.in_(wanted),
            members.c.id <= sa.func.coalesce(far_end, sa.literal(UUID(int=2**128 - 1))),
        )
        .order_by(members.c.chat_id, members.c.id)
    )
    for row in rows:
        result[row.chat_id].append(Member(*row))
    return result


async def change_role(connection: Connection, member_id: UUID, role: Role) -> None:
    """Give a member another role."""
    await connection.execute(
        members.update().where(members.c.id == member_id).values(role=role.value)
    )


async def silence(connection: Connection, member_id: UUID, until: datetime | None) -> None:
    """Have a member of a locked chat not write until a moment; None lets them write."""
    await connection.execute(
        members.update().where(members.c.id == member_id).values(silenced_until=until)
    )


async def silence_all(connection: Connection, chat_id: UUID, until: datetime | None) -> None:
    """Do as `silence` does to everybody in a locked chat: the two people of a direct one."""
    await connection.execute(
        members.update()
        .where(members.c.chat_id == chat_id, members.c.left_seq.is_(None))
        .values(silenced_until=until)
    )


async def advance(connection: Connection, member_id: UUID, seq: int) -> None:
    """Move a member's pointers to a message that they have sent, unless they have just left."""
    await connection.execute(
        members.update()
        .where(members.c.id == member_id, members.c.left_seq.is_(None), members.c.read_seq < seq)
        .values(delivered_seq=seq, read_seq=seq, unread_mentions=0)
    )


async def start_history(connection: Connection, member_id: UUID, seq: int) -> None:
    """Let what a member may read begin with a message."""
    await connection.execute(
        members.update()
        .where(members.c.id == member_id)
        .values(
            first_message_seq=seq,
            joined_message_seq=sa.func.coalesce(
                members.c.joined_message_seq, members.c.first_message_seq
            ),
        )
    )


async def leave(connection: Connection, member_id: UUID, left_seq: int) -> None:
    """End a stay with the event numbered `left_seq`."""
    await connection.execute(
        members.update().where(members.c.id == member_id).values(left_seq=left_seq)
    )
