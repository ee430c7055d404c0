"""People."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import blocks, users
from models.user_words import Entry
from resolvers import users as use_cases
from resolvers.services import utc_now
from schema import presence as presence_types
from schema.batching import batched
from schema.connections import (
    After,
    Connection,
    First,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Context, Info
from schema.ids import Kind, encode
from schema.node import Node

if TYPE_CHECKING:
    from schema.presence import Presence

LazyPresence = Annotated["Presence", strawberry.lazy("schema.presence")]

DEFAULT_PAGE = 20
DELETED = "Deleted account"  # in place of a name


@strawberry.type(description="What somebody is up to.")
class UserStatus:
    text: str | None = strawberry.field(description="In words.")
    emoji: str | None = strawberry.field(description="As an emoji.")
    expires_at: datetime | None = strawberry.field(
        description="When it is over; null if it stays until it is changed."
    )

    @classmethod
    def of(cls, row: users.User) -> Self | None:
        """Return a person's status; None if there is none, or it is over."""
        expires_at = row.status_expires_at
        if row.status_text is None and row.status_emoji is None:
            return None
        if expires_at is not None and expires_at <= utc_now():
            return None
        return cls(text=row.status_text, emoji=row.status_emoji, expires_at=expires_at)


@strawberry.enum(description="What kind of account it is.")
class UserKind(Enum):
    PERSON = strawberry.enum_value("person", description="Somebody who registered.")
    GUEST = strawberry.enum_value(
        "guest", description="Somebody who came into one chat by a link, for a while."
    )
    BOT = strawberry.enum_value("bot", description="A program of somebody's.")


async def _viewer_blocks(objects: Sequence["User"], info: Info) -> list[bool]:
    viewer = info.context.viewer
    if viewer is None:  # somebody who is signing in right now
        return [False] * len(objects)
    async with info.context.db.reading() as db:
        blocked = await blocks.blocked_by(db, viewer.user_id, [user.row.id for user in objects])
    return [user.row.id in blocked for user in objects]


async def _presences(objects: Sequence["User"], info: Info) -> list[LazyPresence | None]:
    return await presence_types.presence_of_each(objects, info)


@strawberry.type(description="A person, as others see them.")
class User(Node):
    handle: str = strawberry.field(description="Their unique name: lower-case a–z, 0–9, _.")
    display_name: str = strawberry.field(description="The name to show.")
    kind: UserKind = strawberry.field(description="Whether it is a person, a guest or a bot.")
    created_at: datetime = strawberry.field(description="When they registered.")
    bio: str | None = strawberry.field(description="What they say about themselves.")
    status: UserStatus | None = strawberry.field(
        description="What they are up to; null when that is over."
    )
    time_zone: str | None = strawberry.field(
        description="Their time zone in the IANA database, such as `Europe/Berlin`."
    )
    deactivated: bool = strawberry.field(
        description="Whether the account is suspended or deleted: nobody is there to read."
    )
    viewer_blocks: bool = batched(
        _viewer_blocks,
        description="Whether the viewer blocks them. In groups their messages arrive all the same: "
        "fold them.",
    )
    presence: LazyPresence | None = batched(
        _presences,
        description="Whether they are there; null for programs, and if the viewer does not get to "
        "know.",
    )
    row: strawberry.Private[users.User]

    @property
    def is_deleted(self) -> bool:
        """Whether it is what is left of an account."""
        return self.row.deleted_at is not None

    @classmethod
    def of(cls, row: users.User) -> Self:
        """Return a person as the schema shows them; of who is deleted, next to nothing."""
        deleted = row.deleted_at is not None
        return cls(
            id=strawberry.ID(encode(Kind.USER, row.id)),
            handle=row.handle,
            display_name=DELETED if deleted else row.display_name,
            kind=UserKind(row.kind),
            created_at=row.created_at,
            bio=None if deleted else row.bio,
            status=None if deleted else UserStatus.of(row),
            time_zone=None if deleted else row.time_zone,
            deactivated=not row.may_sign_in,
            row=row,
        )


@strawberry.type(description="A page of people.")
class UserConnection(Connection[User]):
    pass


async def visible_users(context: Context, ids: Sequence[UUID]) -> list[User | None]:
    """Return the people of these ids whom the viewer may see, None for the others."""
    async with context.db.reading() as db:
        rows = await users.visible_to(db, context.signed_in, ids)
    shown = {user_id: User.of(row) for user_id, row in rows.items()}
    return [shown.get(user_id) for user_id in ids]


async def users_by_ids(context: Context, ids: Sequence[UUID]) -> list[User | None]:
    """Return one person per id, None for an id of nobody; the same id is the same object.

    For ids in rows that the viewer may read; those that a client names go to `visible_users`.
    """
    if not ids:
        return []
    async with context.db.reading() as db:
        rows = await users.by_ids(db, ids)
    shown = {user_id: User.of(row) for user_id, row in rows.items()}
    return [shown.get(user_id) for user_id in ids]


async def user(
    info: Info,
    handle: Annotated[str, strawberry.argument(description="Whose; case does not matter.")],
) -> User | None:
    """Resolve `Query.user`."""
    row = await use_cases.by_handle(info.context.services, info.context.signed_in, handle)
    return User.of(row) if row else None


_SEARCH = strawberry.argument(
    description="How a word of the handle or of the name begins, or several in a row. Case and "
    "accents do not matter."
)


async def search_users(
    info: Info,
    search: Annotated[str, _SEARCH],
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> UserConnection:
    """Resolve `Query.users`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    rows = await use_cases.search(
        info.context.services,
        info.context.signed_in,
        search,
        after=_place(after) if after is not None else None,
        limit=shown.fetch,
    )
    found: UserConnection = connection(
        UserConnection,
        rows,
        shown,
        node=lambda row: User.of(row[1]),
        cursor=lambda row: encode_cursor(row[0].word.encode().hex(), row[0].user_id.hex),
        bounded_after=after is not None,
    )
    return found


def _place(cursor: str) -> Entry:
    word, user_id = decode_cursor(cursor, parts=2, path="after")
    try:
        place = Entry(bytes.fromhex(word).decode(), UUID(hex=user_id))
    except ValueError as error:
        raise invalid_cursor("after") from error
    if "\0" in place.word:  # PostgreSQL would not take it
        raise invalid_cursor("after")
    return place
