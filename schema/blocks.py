"""Blocking people."""

from typing import Annotated
from uuid import UUID

import strawberry

from resolvers import blocks as use_cases
from schema.connections import (
    DEFAULT_PAGE,
    After,
    First,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.users import User, UserConnection


@strawberry.input(description="Somebody whom the viewer wants nothing to do with.")
class BlockUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.type(description="The person, who is not told.")
class BlockUserPayload:
    user: User | None = strawberry.field(default=None, description="Who is blocked now.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="Somebody whom the viewer does not mind any more.")
class UnblockUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.type(description="The person, who is not told.")
class UnblockUserPayload:
    user: User | None = strawberry.field(default=None, description="Who is not blocked any more.")
    errors: list[UserError] = errors_field()


_BLOCK = strawberry.argument(description="Whom to block.")
_UNBLOCK = strawberry.argument(description="Whom to unblock.")


@refusals_into(BlockUserPayload)
async def block_user(info: Info, input: Annotated[BlockUserInput, _BLOCK]) -> BlockUserPayload:
    """Resolve `Mutation.blockUser`."""
    row = await use_cases.block(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return BlockUserPayload(user=User.of(row))


@refusals_into(UnblockUserPayload)
async def unblock_user(
    info: Info, input: Annotated[UnblockUserInput, _UNBLOCK]
) -> UnblockUserPayload:
    """Resolve `Mutation.unblockUser`."""
    row = await use_cases.unblock(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return UnblockUserPayload(user=User.of(row))


async def viewer_blocks(
    info: Info, first: First = DEFAULT_PAGE, after: After = None
) -> UserConnection:
    """Resolve `Viewer.blocks`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    last = None
    if after is not None:
        try:
            last = UUID(hex=decode_cursor(after, parts=1, path="after")[0])
        except ValueError as error:
            raise invalid_cursor("after") from error
    rows = await use_cases.page(
        info.context.services, info.context.signed_in, after=last, limit=shown.fetch
    )
    listed: UserConnection = connection(
        UserConnection,
        rows,
        shown,
        node=User.of,
        cursor=lambda row: encode_cursor(row.id.hex),
        bounded_after=after is not None,
    )
    return listed
