"""People: who they are, how they are found, and who may see whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from models import handles, user_words
from models.base import UtcDateTime, columns, metadata
from models.blocks import blocks
from models.chats import ChatKind, chats
from models.database import Connection
from models.errors import HandleTaken
from models.members import members
from models.messages import messages
from models.settings import settings
from models.user_words import Entry

if TYPE_CHECKING:
    from models.viewer import Viewer

DELETED = "Deleted account"  # the name of what is left of one


class UserKind(StrEnum):
    """What kind of account it is."""

    PERSON = "person"
    GUEST = "guest"  # in one chat, by a link, for a while
    BOT = "bot"  # a program, signed in by tokens


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # Lower case from the start. That nobody has one which looks like it: `models/handles.py`.
    sa.Column("handle", sa.String(32), nullable=False, unique=True),
    sa.Column("display_name", sa.String(64), nullable=False),
    sa.Column("email", sa.String(254)),
    # None: guests, bots, and people whom another issuer vouches for.
    sa.Column("password_hash", sa.String(255)),
    sa.Column("kind", sa.String(16), nullable=False, server_default=UserKind.PERSON.value),
    sa.Column("is_admin", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("suspended_at", UtcDateTime),
    # What is left of an account that was deleted is its row, for the messages that others keep.
    sa.Column("deleted_at", UtcDateTime),
    sa.Column("bio", sa.String(500)),
    sa.Column("status_text", sa.String(100)),
    sa.Column("status_emoji", sa.String(32)),
    sa.Column("status_expires_at", UtcDateTime),
    sa.Column("locale", sa.String(35)),
    sa.Column("time_zone", sa.String(64)),
    # Of a million people a handful: looked up, and locked, by whatever administrators do.
    sa.Index(
        "ix_users_administrators",
        "id",
        postgresql_where=sa.text("is_admin"),
        sqlite_where=sa.text("is_admin"),
    ),
)


@dataclass(frozen=True, slots=True)
class User:
    """An account as others may see it, with what only its owner may see (`email`, `locale`)."""

    id: UUID
    handle: str
    display_name: str
    email: str | None
    is_admin: bool
    created_at: datetime
    kind: str = UserKind.PERSON.value
    suspended_at: datetime | None = None
    deleted_at: datetime | None = None
    bio: str | None = None
    status_text: str | None = None
    status_emoji: str | None = None
    status_expires_at: datetime | None = None
    locale: str | None = None
    time_zone: str | None = None

    @property
    def may_sign_in(self) -> bool:
        """Whether sessions of the account are good for anything."""
        return self.suspended_at is None and self.deleted_at is None


_COLUMNS = columns(users, User)
_BY_IDS = sa.select(users.c.id).where(users.c.id.in_(sa.bindparam("ids", expanding=True)))
_BY_ID = sa.select(*_COLUMNS).where(users.c.id.in_(sa.bindparam("ids", expanding=True)))
_BY_HANDLE = sa.select(*_COLUMNS).where(
    users.c.handle == sa.bindparam("handle"), users.c.deleted_at.is_(None)
)
_CREDENTIALS = sa.select(users.c.id, users.c.password_hash).where(
    users.c.handle == sa.bindparam("handle")
)


_LOCK = (
    sa.select(users.c.id).where(users.c.id == sa.bindparam("id")).with_for_update(key_share=True)
)


async def create(connection: Connection, user: User, password_hash: str | None) -> None:
    """Store an account; raises `HandleTaken` when the handle, or one like it, is somebody's.

    It may have been somebody's as well: see `models/handles.py`.
    """
    values = {field.name: getattr(user, field.name) for field in fields(user)}
    try:
        await connection.execute(users.insert(), {**values, "password_hash": password_hash})
    except IntegrityError as error:
        raise HandleTaken(user.handle) from error
    await handles.claim(connection, user.id, user.handle, user.created_at)
    await index(connection, user.id)


async def lock(connection: Connection, user_id: UUID) -> User:
    """Return an account that nobody else changes until the commit; raises `KeyError`.

    A statement of its own: what is read afterwards is read under the lock.
    """
    await connection.execute(_LOCK, {"id": user_id})
    return (await by_ids(connection, [user_id]))[user_id]


async def change_handle(connection: Connection, user: User, handle: str, now: datetime) -> None:
    """Give a locked account another handle; raises `HandleTaken`.

    The one that it had stays claimed: see `handles.hold`.
    """
    await handles.claim(connection, user.id, handle, now)
    try:
        await connection.execute(users.update().where(users.c.id == user.id).values(handle=handle))
    except IntegrityError as error:
        raise HandleTaken(handle) from error
    await index(connection, user.id)


_PROFILE = (
    "display_name",
    "bio",
    "status_text",
    "status_emoji",
    "status_expires_at",
    "locale",
    "time_zone",
)


async def change_profile(connection: Connection, user: User) -> None:
    """Store the profile of a locked account."""
    changed = {name: getattr(user, name) for name in _PROFILE}
    await connection.execute(users.update().where(users.c.id == user.id).values(changed))
    await index(connection, user.id)


async def index(connection: Connection, user_id: UUID) -> None:
    """Have an account found by its names as they are now, or not at all if it is not to be found.

    To be called in the transaction that changes its names, or whether it hides; the account must
    be locked, or new. Whoever is suspended keeps their words, and nobody finds them meanwhile.
    """
    found = sa.select(users.c.handle, users.c.display_name).where(users.c.id == user_id, _LISTED)
    row = (await connection.execute(found)).one_or_none()
    await user_words.replace(connection, user_id, list(row) if row else [])


async def by_ids(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, User]:
    """Return the people of these ids that exist, by id, whoever asks.

    For what is in rows that the viewer may read: senders, members, actors. An id that somebody
    brings along is looked up with `visible_to`.
    """
    wanted = list(set(ids))
    if not wanted:
        return {}
    rows = await connection.execute(_BY_ID, {"ids": wanted})
    return {row.id: User(*row) for row in rows}


async def by_handle(connection: Connection, handle: str) -> User | None:
    """Return the person with this (lower-case) handle, whoever asks; see `by_ids`."""
    row = (await connection.execute(_BY_HANDLE, {"handle": handle})).one_or_none()
    return User(*row) if row else None


async def make_administrator(connection: Connection, user_id: UUID, is_admin: bool) -> None:
    """Make somebody an administrator, or no longer one."""
    await connection.execute(users.update().where(users.c.id == user_id).values(is_admin=is_admin))


async def close(connection: Connection, user_id: UUID, now: datetime) -> None:
    """Close a deleted account for good: nobody signs in to it, finds it, or adds it to a chat."""
    await connection.execute(
        users.update()
        .where(users.c.id == user_id, users.c.deleted_at.is_(None))
        .values(deleted_at=now)
    )
    await user_words.replace(connection, user_id, [])


async def erase(connection: Connection, user_id: UUID) -> None:
    """Take everything off a closed account that tells who it was.

    What is left is a row without a name, for the messages that others keep. Whatever may be absent
    goes, columns that come later among it.
    """
    absent = {column.name: None for column in users.columns if column.nullable}
    del absent["deleted_at"]
    await connection.execute(
        users.update()
        .where(users.c.id == user_id)
        .values(
            **absent,
            handle=f"deleted_{user_id.hex[-12:]}",
            display_name=DELETED,
            is_admin=False,
        )
    )
    await user_words.replace(connection, user_id, [])


async def credentials(connection: Connection, handle: str) -> tuple[UUID, str | None] | None:
    """Return a person's id and password hash, None in its place for who has no password."""
    row = (await connection.execute(_CREDENTIALS, {"handle": handle})).one_or_none()
    return (row.id, row.password_hash) if row else None


async def password_of(connection: Connection, user_id: UUID) -> str | None:
    """Return the hash of a person's password, None where there is none."""
    found = await connection.execute(sa.select(users.c.password_hash).where(users.c.id == user_id))
    password_hash: str | None = found.scalar()
    return password_hash


async def set_password(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Give a person another password."""
    await connection.execute(
        users.update().where(users.c.id == user_id).values(password_hash=password_hash)
    )


# --- who may see whom --------------------------------------------------------------------------


def _there_is(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a row of another table meets conditions on it and on the row at hand.

    One value for each row at hand, looked up by key. Of EXISTS, PostgreSQL may make a join that
    reads the other table whole.
    """
    row = sa.select(sa.literal_column("1")).where(*conditions).limit(1).scalar_subquery()
    return row.is_not(None)


# Whom words are kept of to be found by: everybody may see them while they may sign in.
_LISTED = (
    (users.c.kind != UserKind.GUEST.value)
    & users.c.deleted_at.is_(None)
    & ~_there_is(settings.c.user_id == users.c.id, settings.c.hides)
)
# Whom everybody may see: who does not hide, and has an account to be written to.
_OPEN = users.c.suspended_at.is_(None) & _LISTED


def _met(*, they_left: bool, viewer_left: bool) -> sa.ColumnElement[bool]:
    """Whether the viewer and somebody were in a chat at the same time, in stays of these sorts."""
    theirs, mine = members.alias("theirs"), members.alias("mine")
    return _there_is(
        theirs.c.user_id == users.c.id,
        theirs.c.left_seq.is_not(None) if they_left else theirs.c.left_seq.is_(None),
        _there_is(
            mine.c.user_id == sa.bindparam("viewer_id"),
            mine.c.chat_id == theirs.c.chat_id,
            mine.c.left_seq.is_not(None) if viewer_left else mine.c.left_seq.is_(None),
            *([mine.c.joined_seq <= theirs.c.left_seq] if they_left else []),
            *([theirs.c.joined_seq <= mine.c.left_seq] if viewer_left else []),
        ),
    )


def _in_touch(*, who_writes: str) -> sa.ColumnElement[bool]:
    """Whether the viewer and somebody are in a chat now, in which a certain one has a contact.

    That one, `theirs` or `mine`, has written in it if it is a direct chat.
    """
    theirs, mine = members.alias("theirs"), members.alias("mine")
    writer = {"theirs": theirs.c.user_id, "mine": sa.bindparam("viewer_id")}[who_writes]
    return _there_is(
        theirs.c.user_id == users.c.id,
        theirs.c.left_seq.is_(None),
        _there_is(
            mine.c.user_id == sa.bindparam("viewer_id"),
            mine.c.chat_id == theirs.c.chat_id,
            mine.c.left_seq.is_(None),
        ),
        _there_is(chats.c.id == theirs.c.chat_id, chats.c.kind != ChatKind.DIRECT.value)
        | _there_is(messages.c.chat_id == theirs.c.chat_id, messages.c.sender_id == writer),
    )


# Present and past stays apart: each have an index of their own.
# Of who is gone for good nothing is to be seen, not even that they were there.
_ACQUAINTED = (users.c.id == sa.bindparam("viewer_id")) | users.c.deleted_at.is_(None) & sa.or_(
    *(
        _met(they_left=they, viewer_left=viewer)
        for they in (False, True)
        for viewer in (False, True)
    ),
)
# Who blocks somebody looks to them as somebody who hides does: found by nobody, and there for who
# was in a chat with them.
_UNBLOCKED = ~_there_is(
    blocks.c.user_id == users.c.id, blocks.c.blocked_id == sa.bindparam("viewer_id")
)
# By the kind of who looks. In this order: chats are only looked through for those who hide.
_TO = {
    UserKind.GUEST: _ACQUAINTED,
    UserKind.PERSON: _OPEN & _UNBLOCKED | _ACQUAINTED,
    UserKind.BOT: _OPEN & _UNBLOCKED | _ACQUAINTED,
}
_VISIBLE = {kind: _BY_ID.where(seen) for kind, seen in _TO.items()}
_CONTACTS = _BY_IDS.where(_in_touch(who_writes="mine"))
_HAVING = _BY_IDS.where(_in_touch(who_writes="theirs"))
_SEEN_BY_ALL = _BY_ID.where(_OPEN)
_VISIBLE_BY_HANDLE = {kind: _BY_HANDLE.where(seen) for kind, seen in _TO.items()}


async def visible_to(
    connection: Connection, viewer: "Viewer", ids: Iterable[UUID]
) -> dict[UUID, User]:
    """Return those of the people whom the viewer may see, by id.

    Everybody sees themselves, and whomever they have been in a chat with at the same time, since
    those have written to them. Of the others, guests see nobody, and everybody else those who do
    not hide, do not block them, and are not guests, suspended or deleted.
    """
    wanted = list(set(ids))
    if not wanted:
        return {}
    asked = {"viewer_id": viewer.user_id, "ids": wanted}
    return {row.id: User(*row) for row in await connection.execute(_VISIBLE[viewer.kind], asked)}


async def seen_by(
    connection: Connection, user_id: UUID, viewers: Mapping[UUID, UserKind]
) -> set[UUID]:
    """Return those of the viewers, given with their kinds, who may see somebody.

    It is `visible_to` the other way round, of one person who is not deleted: having been in a chat
    at the same time is the same for both.
    """
    asked = {"viewer_id": user_id, "ids": list(viewers)}
    met = {row.id for row in await connection.execute(_VISIBLE[UserKind.GUEST], asked)}
    if (await connection.execute(_SEEN_BY_ALL, {"ids": [user_id]})).first() is None:
        return met
    return met | {viewer for viewer, kind in viewers.items() if kind is not UserKind.GUEST}


async def visible_by_handle(connection: Connection, viewer: "Viewer", handle: str) -> User | None:
    """Return the person with this (lower-case) handle, if the viewer may see them."""
    asked = {"viewer_id": viewer.user_id, "handle": handle}
    row = (await connection.execute(_VISIBLE_BY_HANDLE[viewer.kind], asked)).one_or_none()
    return User(*row) if row else None


async def contacts(connection: Connection, user_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the people who are contacts of somebody.

    Those are whoever is in a chat with them now: in a direct chat, which anybody may begin, once
    they have written there themselves.
    """
    rows = await connection.execute(_CONTACTS, {"viewer_id": user_id, "ids": list(set(ids))})
    return {row.id for row in rows}


async def having_contact(connection: Connection, user_id: UUID, ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the people of whom somebody is a contact: `contacts` the other way round."""
    rows = await connection.execute(_HAVING, {"viewer_id": user_id, "ids": list(set(ids))})
    return {row.id for row in rows}


async def search(
    connection: Connection, prefix: str, *, after: Entry | None, limit: int
) -> Sequence[tuple[Entry, User]]:
    """Return people of whose names a word begins so, each with the place in the list, in order.

    Only those whom everybody may see: `index` sees to that.
    """
    found = await user_words.find(connection, prefix, after=after, limit=limit)
    people = await by_ids(connection, [entry.user_id for entry in found])
    return [(entry, people[entry.user_id]) for entry in found]
