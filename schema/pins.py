"""What is pinned in chats, and the mutations that pin it."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from models import pins
from models.pins import MAX_PINS, Pin
from resolvers import pins as use_cases
from schema import messages as message_types
from schema.batching import batched
from schema.connections import (
    DEFAULT_PAGE,
    Connection,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import decode_message
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.messages import Message

LazyMessage = Annotated["Message", strawberry.lazy("schema.messages")]


async def _pinned_by(objects: Sequence["PinnedMessage"], info: Info) -> list[User | None]:
    found = await users_by_ids(info.context, [pinned.row.pinned_by for pinned in objects])
    return [user if user is not None and not user.is_deleted else None for user in found]


async def _messages(
    objects: Sequence["PinnedMessage"], info: Info
) -> "list[message_types.Message | None]":
    return await message_types.readable_messages(
        info.context, [(pinned.row.chat_id, pinned.row.message_seq) for pinned in objects]
    )


@strawberry.type(description="A message that is pinned in its chat.")
class PinnedMessage:
    pinned_at: datetime = strawberry.field(description="Since when.")
    pinned_by: User | None = batched(
        _pinned_by, description="Who pinned it; null when the account is gone."
    )
    message: LazyMessage | None = batched(
        _messages, description="The message; null if it went in this moment."
    )
    row: strawberry.Private[Pin]


@strawberry.type(description="A page of what is pinned in a chat, the last pinned first.")
class PinnedMessageConnection(Connection[PinnedMessage]):
    pass


async def pinned_messages(
    context: Context, chat_ids: Sequence[UUID], first: int | None, after: str | None
) -> list[PinnedMessageConnection]:
    """Return the same page of what is pinned in each chat, as far as the viewer may read."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    place = _place(after) if after is not None else None
    async with context.db.reading() as db:
        found = await pins.readable(db, context.signed_in.user_id, chat_ids)
    return [
        connection(
            PinnedMessageConnection,
            [row for row in found[chat_id] if place is None or _of(row) < place][: shown.fetch],
            shown,
            node=lambda row: PinnedMessage(pinned_at=row.pinned_at, row=row),
            cursor=lambda row: encode_cursor(row.pinned_at.isoformat(), str(row.message_seq)),
            bounded_after=after is not None,
        )
        for chat_id in chat_ids
    ]


def _of(row: Pin) -> tuple[datetime, int]:
    return row.pinned_at, row.message_seq


def _place(cursor: str) -> tuple[datetime, int]:
    moment, seq = decode_cursor(cursor, parts=2, path="after")
    try:
        place = datetime.fromisoformat(moment), int(seq)
    except ValueError as error:
        raise invalid_cursor("after") from error
    if place[0].tzinfo is None:
        raise invalid_cursor("after")
    return place


@strawberry.input(description="A message to pin, for everybody in its chat.")
class PinMessageInput:
    message_id: strawberry.ID = strawberry.field(
        description=f"The message. A chat has at most {MAX_PINS} that are pinned."
    )


@strawberry.type(description="The message, which is pinned.")
class PinMessagePayload:
    message: LazyMessage | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A message that is not to be pinned any more.")
class UnpinMessageInput:
    message_id: strawberry.ID = strawberry.field(description="The message.")


@strawberry.type(description="The message, which is not pinned.")
class UnpinMessagePayload:
    message: LazyMessage | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


_PIN = strawberry.argument(description="Which message.")


@refusals_into(PinMessagePayload)
async def pin_message(info: Info, input: Annotated[PinMessageInput, _PIN]) -> PinMessagePayload:
    """Resolve `Mutation.pinMessage`."""
    row = await use_cases.pin(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
    )
    return PinMessagePayload(message=message_types.Message.of(row))


@refusals_into(UnpinMessagePayload)
async def unpin_message(
    info: Info, input: Annotated[UnpinMessageInput, _PIN]
) -> UnpinMessagePayload:
    """Resolve `Mutation.unpinMessage`."""
    row = await use_cases.unpin(
        info.context.services,
        info.context.signed_in,
        key=decode_message(input.message_id, path="messageId"),
    )
    return UnpinMessagePayload(message=message_types.Message.of(row))
