"""Sessions: one per sign-in and device, each with a family of rotating refresh tokens."""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models.base import UtcDateTime, columns, metadata
from models.client import MAX_USER_AGENT
from models.database import Connection
from models.errors import Raced
from models.users import User, users

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("device_name", sa.String(64), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("last_seen_at", UtcDateTime, nullable=False),
    sa.Column("expires_at", UtcDateTime, nullable=False),
    sa.Column("revoked_at", UtcDateTime),
    # Where it was opened: a network, not an address.
    sa.Column("address", sa.String(64)),
    sa.Column("user_agent", sa.String(MAX_USER_AGENT)),
    # When the person last proved to be who they are, if ever in this session; dangerous changes
    # ask for it.
    sa.Column("confirmed_at", UtcDateTime),
    # Only hashes: a stolen table signs nobody in. The previous one serves the grace period.
    sa.Column("refresh_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("previous_refresh_hash", sa.LargeBinary(32)),
    sa.Column("refreshed_at", UtcDateTime, nullable=False),
    sa.Index("ix_sessions_user_id", "user_id"),
    sa.Index("ix_sessions_expires_at", "expires_at"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in on one device."""

    id: UUID
    user_id: UUID
    device_name: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    confirmed_at: datetime | None = None
    address: str | None = None
    user_agent: str | None = None

    def live(self, now: datetime) -> bool:
        """Whether the session still signs its person in."""
        return self.revoked_at is None and now < self.expires_at


SHOWN = (
    200  # of somebody's sessions; a person has a few, a program that logs in anew each time more
)


@dataclass(frozen=True, slots=True)
class RefreshState:
    """What a refresh is decided by."""

    session: Session
    refresh_hash: bytes
    previous_refresh_hash: bytes | None
    refreshed_at: datetime


_COLUMNS = columns(sessions, Session)
_BY_ID = sa.select(*_COLUMNS).where(sessions.c.id == sa.bindparam("id"))
_USER_COLUMNS = columns(users, User)
_WITH_USER = (
    sa.select(*_COLUMNS, *_USER_COLUMNS)
    .join_from(sessions, users)
    .where(sessions.c.id == sa.bindparam("id"))
    .set_label_style(sa.LABEL_STYLE_TABLENAME_PLUS_COL)
)
_LIVE_OF_USER = (
    sa.select(*_COLUMNS)
    .where(
        sessions.c.user_id == sa.bindparam("user_id"),
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > sa.bindparam("now"),
    )
    .order_by(sessions.c.last_seen_at.desc(), sessions.c.id)
    .limit(SHOWN)
)
# As one parameter, however many there are: a node asks about all its sockets' sessions at once.
_LIVE_AMONG = {
    dialect: sa.text(
        f"""
        SELECT sessions.id FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.id {among} AND revoked_at IS NULL AND expires_at > :now
        AND users.suspended_at IS NULL AND users.deleted_at IS NULL
        """  # noqa: S608 - made of the constants below
    )
    .bindparams(sa.bindparam("now", type_=UtcDateTime))
    .columns(sessions.c.id)
    for dialect, among in [
        ("postgresql", "= ANY (CAST(:ids AS uuid[]))"),
        ("sqlite", "IN (SELECT value FROM json_each(:ids))"),
    ]
}

# Two nodes may have seen the same sessions: on PostgreSQL each passes over those that somebody else
# has locked, and neither waits for the other.
_MARK_SEEN = {
    dialect: sa.text(
        f"""
        UPDATE sessions SET last_seen_at = :now WHERE id IN (
            SELECT id FROM sessions
            WHERE id {among} AND revoked_at IS NULL AND last_seen_at < :since {locking}
        )
        """  # noqa: S608 - made of the constants below
    ).bindparams(sa.bindparam("now", type_=UtcDateTime), sa.bindparam("since", type_=UtcDateTime))
    for dialect, among, locking in [
        ("postgresql", "= ANY (CAST(:ids AS uuid[]))", "FOR UPDATE SKIP LOCKED"),
        ("sqlite", "IN (SELECT value FROM json_each(:ids))", ""),
    ]
}


async def create(connection: Connection, session: Session, refresh_hash: bytes) -> None:
    """Store a session with the hash of its first refresh token.

    Raises `Raced` when there is one with its id.
    """
    try:
        await _insert(connection, session, refresh_hash)
    except IntegrityError as error:
        raise Raced from error


async def _insert(connection: Connection, session: Session, refresh_hash: bytes) -> None:
    await connection.execute(
        sessions.insert().values(
            id=session.id,
            user_id=session.user_id,
            device_name=session.device_name,
            created_at=session.created_at,
            last_seen_at=session.last_seen_at,
            expires_at=session.expires_at,
            confirmed_at=session.confirmed_at,
            address=session.address,
            user_agent=session.user_agent,
            refresh_hash=refresh_hash,
            refreshed_at=session.created_at,
        )
    )


async def by_ids(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Session]:
    """Return these sessions, live or not, by their id."""
    wanted = list(set(ids))
    if not wanted:
        return {}
    rows = await connection.execute(sa.select(*_COLUMNS).where(sessions.c.id.in_(wanted)))
    return {row.id: Session(*row) for row in rows}


async def by_id(connection: Connection, session_id: UUID) -> Session | None:
    """Return a session, live or not."""
    row = (await connection.execute(_BY_ID, {"id": session_id})).one_or_none()
    return Session(*row) if row else None


async def with_user(connection: Connection, session_id: UUID) -> tuple[Session, User] | None:
    """Return a session, live or not, and whose it is."""
    row = (await connection.execute(_WITH_USER, {"id": session_id})).one_or_none()
    if row is None:
        return None
    return Session(*row[: len(_COLUMNS)]), User(*row[len(_COLUMNS) :])


async def live_of(connection: Connection, user_id: UUID, now: datetime) -> list[Session]:
    """Return a person's live sessions, the last seen first, `SHOWN` at most."""
    rows = await connection.execute(_LIVE_OF_USER, {"user_id": user_id, "now": now})
    return [Session(*row) for row in rows]


async def live_of_many(
    connection: Connection, user_ids: Iterable[UUID], now: datetime, *, limit: int
) -> dict[UUID, list[Session]]:
    """Return these people's live sessions by person, the last seen first, so many of each."""
    result: dict[UUID, list[Session]] = {user_id: [] for user_id in user_ids}
    place = sa.func.row_number().over(
        partition_by=sessions.c.user_id,
        order_by=(sessions.c.last_seen_at.desc(), sessions.c.id),
    )
    live = (
        sa.select(*_COLUMNS, place.label("place"))
        .where(
            sessions.c.user_id.in_(list(result)),
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
        )
        .subquery()
    )
    rows = await connection.execute(
        sa.select(*(live.c[column.name] for column in _COLUMNS))
        .where(live.c.place <= limit)
        .order_by(live.c.place)
    )
    for row in rows:
        result[row.user_id].append(Session(*row))
    return result


async def seen_in(
    connection: Connection, user_id: UUID, network: str | None, *, since: datetime
) -> bool:
    """Return whether a person had a session in a network since a moment, ended or not."""
    found = await connection.execute(
        sa.select(sessions.c.id)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.address == network,
            sessions.c.last_seen_at >= since,
        )
        .limit(1)
    )
    return found.first() is not None


async def live_among(
    connection: Connection, session_ids: Collection[UUID], now: datetime
) -> set[UUID]:
    """Return which of these sessions still sign their people in.

    A bot's are not revoked when it is suspended, so accounts are looked at as well.
    """
    parameters = {"ids": _as_one(connection, session_ids), "now": now}
    rows = await connection.execute(_LIVE_AMONG[connection.dialect.name], parameters)
    return set(rows.scalars())


def _as_one(connection: Connection, session_ids: Collection[UUID]) -> object:
    """Return any number of ids as one parameter."""
    if connection.dialect.name == "sqlite":
        return json.dumps([session_id.hex for session_id in session_ids])
    return list(session_ids)


async def lock_for_refresh(connection: Connection, session_id: UUID) -> RefreshState | None:
    """Return the refresh state under the session's row lock: two refreshes cannot both win."""
    row = (
        await connection.execute(
            sa.select(
                *_COLUMNS,
                sessions.c.refresh_hash,
                sessions.c.previous_refresh_hash,
                sessions.c.refreshed_at,
            )
            .where(sessions.c.id == session_id)
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        return None
    *session, refresh_hash, previous, refreshed_at = row
    return RefreshState(Session(*session), refresh_hash, previous, refreshed_at)


async def rotate(
    connection: Connection,
    session: Session,
    *,
    refresh_hash: bytes,
    previous_refresh_hash: bytes,
    now: datetime,
    expires_at: datetime,
) -> Session:
    """Replace the refresh token, and keep the hash of the one just spent; returns the session."""
    await connection.execute(
        sessions.update()
        .where(sessions.c.id == session.id)
        .values(
            refresh_hash=refresh_hash,
            previous_refresh_hash=previous_refresh_hash,
            refreshed_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
    )
    return replace(session, last_seen_at=now, expires_at=expires_at)


async def extend(
    connection: Connection,
    session_id: UUID,
    *,
    now: datetime,
    expires_at: datetime,
    confirmed_at: datetime | None,
) -> None:
    """Note that a session was used with a newer token, which lasts until `expires_at`."""
    values = {"last_seen_at": now, "expires_at": expires_at, "confirmed_at": confirmed_at}
    await connection.execute(sessions.update().where(sessions.c.id == session_id).values(**values))


async def revoke(connection: Connection, session_id: UUID, now: datetime) -> bool:
    """End a session; returns whether it was live until now."""
    result = await connection.execute(
        sessions.update()
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return result.rowcount == 1


async def mark_seen(
    connection: Connection, session_ids: Collection[UUID], now: datetime, *, unless_since: datetime
) -> None:
    """Say of those that were not seen since a moment, and have not ended, that they were now."""
    await connection.execute(
        _MARK_SEEN[connection.dialect.name],
        {"ids": _as_one(connection, session_ids), "now": now, "since": unless_since},
    )


async def revoke_of(connection: Connection, user_id: UUID, session_id: UUID, now: datetime) -> bool:
    """End a session of a person; returns whether they had such a one that was live until now."""
    result = await connection.execute(
        sessions.update()
        .where(
            sessions.c.id == session_id,
            sessions.c.user_id == user_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
        )
        .values(revoked_at=now)
    )
    return result.rowcount == 1


async def revoke_all(
    connection: Connection, user_id: UUID, now: datetime, *, but: UUID | None = None
) -> list[UUID]:
    """End a person's sessions, all or all but one; returns those that were live until now."""
    ended = sessions.update().where(
        sessions.c.user_id == user_id,
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > now,
    )
    if but is not None:
        ended = ended.where(sessions.c.id != but)
    rows = await connection.execute(ended.values(revoked_at=now).returning(sessions.c.id))
    return list(rows.scalars())


async def confirm(connection: Connection, session_id: UUID, now: datetime) -> None:
    """Note that the session's person has proved to be who they are."""
    await connection.execute(
        sessions.update().where(sessions.c.id == session_id).values(confirmed_at=now)
    )


async def prune(connection: Connection, before: datetime, *, limit: int) -> int:
    """Delete at most `limit` sessions that ended before a moment; returns how many went."""
    doomed = (
        sa.select(sessions.c.id)
        .where((sessions.c.expires_at < before) | (sessions.c.revoked_at < before))
        .limit(limit)
    )
    result = await connection.execute(sessions.delete().where(sessions.c.id.in_(doomed)))
    return result.rowcount
