"""Who is there, as far as it is stored.

That somebody is connected is known by the leases of the nodes. Stored is when they last were, and
which of their devices lie about unused.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.base import UtcDateTime, columns, metadata
from models.database import Connection
from models.members import members
from models.settings import Audience, settings
from models.users import UserKind, users

AT_ONCE = 500  # people in one statement: others get their turn in between

# When a person was last connected; a row for everybody who ever was.
last_seen = sa.Table(
    "last_seen",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seen_at", UtcDateTime, nullable=False),
    # Whether they were away when the last connection went.
    sa.Column("away", sa.Boolean, nullable=False, server_default=sa.false()),
    # The row is written again every few minutes: half-empty pages keep it where it is.
    postgresql_with={"fillfactor": 50},
)

# Sessions whose client said that nobody uses it, until it says otherwise.
away_sessions = sa.Table(
    "away_sessions",
    metadata,
    sa.Column(
        "session_id", sa.Uuid, sa.ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Index("ix_away_sessions_user_id", "user_id"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """When somebody was last connected, and whether they were away then."""

    user_id: UUID
    seen_at: datetime
    away: bool


_AMONG = {
    "postgresql": "= ANY (CAST(:ids AS uuid[]))",
    "sqlite": "IN (SELECT value FROM json_each(:ids))",
}
_SEEN_COLUMNS = columns(last_seen, Seen)
_SEEN_OF = {
    dialect: sa.text(
        f"SELECT user_id, seen_at, away FROM last_seen WHERE user_id {among}"  # noqa: S608
    ).columns(*_SEEN_COLUMNS)
    for dialect, among in _AMONG.items()
}
_AWAY_OF = {
    dialect: sa.text(
        f"SELECT session_id FROM away_sessions WHERE user_id {among}"  # noqa: S608
    ).columns(away_sessions.c.session_id)
    for dialect, among in _AMONG.items()
}
_INVISIBLE_AMONG = {
    dialect: sa.text(
        f"SELECT user_id FROM settings WHERE user_id {among} AND invisible"  # noqa: S608
    ).columns(settings.c.user_id)
    for dialect, among in _AMONG.items()
}
# Of whom nobody shall know that they are there, nothing is written meanwhile. In one order, so that
# two nodes that have seen the same people do not wait for each other.
_MARK_SEEN = {
    dialect: sa.text(
        f"""
        INSERT INTO last_seen (user_id, seen_at, away)
        SELECT users.id, :now, :away FROM users
        WHERE users.id {among}
        AND NOT EXISTS (
            SELECT 1 FROM settings WHERE settings.user_id = users.id AND settings.invisible
        )
        ORDER BY users.id
        ON CONFLICT (user_id) DO UPDATE SET seen_at = excluded.seen_at, away = excluded.away
        WHERE last_seen.seen_at < :since
        """  # noqa: S608 - made of the constants above
    ).bindparams(
        sa.bindparam("now", type_=UtcDateTime),
        sa.bindparam("since", type_=UtcDateTime),
        sa.bindparam("away", type_=sa.Boolean),
    )
    for dialect, among in _AMONG.items()
}
_MEMBERS_OF = {
    dialect: sa.text(
        f"""
        SELECT chat_id, user_id FROM members
        WHERE chat_id {among} AND left_seq IS NULL
        """  # noqa: S608 - made of the constants above
    ).columns(members.c.chat_id, members.c.user_id)
    for dialect, among in _AMONG.items()
}
_SAMPLE = (
    sa.select(members.c.user_id)
    .join(users, users.c.id == members.c.user_id)
    .where(
        members.c.chat_id == sa.bindparam("chat_id"),
        members.c.left_seq.is_(None),
        users.c.kind != UserKind.BOT.value,
    )
    .order_by(sa.func.random())
    .limit(sa.bindparam("size"))
)
_RESERVED = {
    dialect: sa.text(
        f"""
        SELECT user_id FROM settings WHERE user_id {among}
        AND who_sees_last_seen <> '{Audience.EVERYBODY.value}'
        """  # noqa: S608 - made of the constants above
    ).columns(settings.c.user_id)
    for dialect, among in _AMONG.items()
}
_INSERT: dict[str, Any] = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}
_FREEZE = {
    dialect: insert(last_seen).on_conflict_do_update(
        index_elements=["user_id"],
        set_={name: sa.literal_column(f"excluded.{name}") for name in ("seen_at", "away")},
    )
    for dialect, insert in _INSERT.items()
}
_SAY_AWAY = {
    dialect: insert(away_sessions).on_conflict_do_nothing(index_elements=["session_id"])
    for dialect, insert in _INSERT.items()
}
_SAY_HERE = away_sessions.delete().where(away_sessions.c.session_id == sa.bindparam("of_session"))


async def mark_seen(
    connection: Connection,
    user_ids: Collection[UUID],
    now: datetime,
    *,
    away: bool,
    unless_since: datetime,
) -> None:
    """Note that people are connected now, except who is invisible or was seen since a moment."""
    if user_ids:
        await connection.execute(
            _MARK_SEEN[connection.dialect.name],
            {
                "ids": _as_one(connection, user_ids),
                "now": now,
                "since": unless_since,
                "away": away,
            },
        )


async def freeze(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Note that somebody was there now: the last that others hear of who becomes invisible."""
    values = {"user_id": user_id, "seen_at": now, "away": False}
    await connection.execute(_FREEZE[connection.dialect.name], values)


async def seen(connection: Connection, user_ids: Collection[UUID]) -> dict[UUID, Seen]:
    """Return when these people were last connected, as far as they ever were."""
    rows = await connection.execute(
        _SEEN_OF[connection.dialect.name], {"ids": _as_one(connection, user_ids)}
    )
    return {row.user_id: Seen(*row) for row in rows}


async def invisible_among(connection: Connection, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the people who want nobody to know that they are there."""
    rows = await connection.execute(
        _INVISIBLE_AMONG[connection.dialect.name], {"ids": _as_one(connection, user_ids)}
    )
    return set(rows.scalars())


async def say_away(
    connection: Connection, session_id: UUID, user_id: UUID, *, away: bool, now: datetime
) -> bool:
    """Store what a session's client says of itself; returns whether that is something new."""
    if away:
        values = {"session_id": session_id, "user_id": user_id, "since": now}
        result = await connection.execute(_SAY_AWAY[connection.dialect.name], values)
    else:
        result = await connection.execute(_SAY_HERE, {"of_session": session_id})
    return result.rowcount > 0


async def away_of(connection: Connection, user_ids: Collection[UUID]) -> set[UUID]:
    """Return the sessions of these people whose clients said that nobody uses them."""
    rows = await connection.execute(
        _AWAY_OF[connection.dialect.name], {"ids": _as_one(connection, user_ids)}
    )
    return set(rows.scalars())


async def members_of(connection: Connection, chat_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Return who is in each of these chats; they should be small ones."""
    found: dict[UUID, list[UUID]] = {chat_id: [] for chat_id in chat_ids}
    rows = await connection.execute(
        _MEMBERS_OF[connection.dialect.name], {"ids": _as_one(connection, chat_ids)}
    )
    for row in rows:
        found[row.chat_id].append(row.user_id)
    return found


async def sample_of(connection: Connection, chat_id: UUID, size: int) -> list[UUID]:
    """Return so many of a chat's members, programs aside, each as likely as any other.

    It reads all of them, so it is not for every question.
    """
    rows = await connection.execute(_SAMPLE, {"chat_id": chat_id, "size": size})
    return list(rows.scalars())


async def reserved_among(connection: Connection, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the people who do not show everybody whether they are there."""
    rows = await connection.execute(
        _RESERVED[connection.dialect.name], {"ids": _as_one(connection, user_ids)}
    )
    return set(rows.scalars())


def _as_one(connection: Connection, ids: Collection[UUID]) -> object:
    """Return ids as one parameter, however many there are."""
    if connection.dialect.name == "sqlite":
        return json.dumps([each.hex for each in ids])
    return list(ids)
