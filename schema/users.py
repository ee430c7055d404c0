"""People."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models import users
from resolvers import users as use_cases
from schema.connections import (
    After,
    Connection,
    First,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    page_size,
)
from schema.context import Context, Info
from schema.ids import Kind, encode
from schema.node import Node

DEFAULT_PAGE = 20


@strawberry.enum(description="What kind of account it is.")
class UserKind(Enum):
    PERSON = strawberry.enum_value("person", description="Somebody who registered.")
    GUEST = strawberry.enum_value(
        "guest", description="Somebody who came into one chat by a link, for a while."
    )
    BOT = strawberry.enum_value("bot", description="A program of somebody's.")


@strawberry.type(description="A person, as others see them.")
class User(Node):
    handle: str = strawberry.field(description="Their unique name: lower-case a–z, 0–9, _.")
    display_name: str = strawberry.field(description="The name to show.")
    kind: UserKind = strawberry.field(description="Whether it is a person, a guest or a bot.")
    created_at: datetime = strawberry.field(description="When they registered.")
    row: strawberry.Private[users.User]

    @property
    def is_deleted(self) -> bool:
        """Whether it is what is left of an account."""
        return self.row.deleted_at is not None

    @classmethod
    def of(cls, row: users.User) -> Self:
        """Return a person as the schema shows them."""
        return cls(
            id=strawberry.ID(encode(Kind.USER, row.id)),
            handle=row.handle,
            display_name=row.display_name,
            kind=UserKind(row.kind),
            created_at=row.created_at,
            row=row,
        )


@strawberry.type(description="A page of people.")
class UserConnection(Connection[User]):
    pass


async def users_by_ids(context: Context, ids: Sequence[UUID]) -> list[User | None]:
    """Return one person per id, None for an id of nobody; the same id is the same object."""
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
    _ = info.context.signed_in
    row = await use_cases.by_handle(info.context.services, handle)
    return User.of(row) if row else None


async def search_users(
    info: Info,
    search: Annotated[str, strawberry.argument(description="How the handle or name starts.")],
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> UserConnection:
    """Resolve `Query.users`."""
    _ = info.context.signed_in
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    after_handle = decode_cursor(after, parts=1, path="after")[0] if after is not None else None
    rows = await use_cases.search(
        info.context.services, search, after_handle=after_handle, limit=shown.fetch
    )
    found: UserConnection = connection(
        UserConnection,
        rows,
        shown,
        node=User.of,
        cursor=lambda row: encode_cursor(row.handle),
        bounded_after=after is not None,
    )
    return found
