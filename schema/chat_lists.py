"""The list of the viewer's chats, and which of them to show."""

from datetime import UTC, datetime
from uuid import UUID

import strawberry

from models.chat_lists import Listed, Wanted
from models.chats import ChatKind as StoredKind
from resolvers import chat_lists, folders
from schema.chats import Chat, ChatConnection, ChatKind
from schema.connections import (
    DEFAULT_PAGE,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Info
from schema.ids import Kind, decode


@strawberry.input(description="Which chats to list; every condition given must hold.")
class ChatFilter:
    kind: ChatKind | None = strawberry.field(default=None, description="Only of this kind.")
    archived: bool | None = strawberry.field(
        default=None, description="Only those in the archive, or only the others."
    )
    pinned: bool | None = strawberry.field(
        default=None,
        description="Only those that are pinned, in their order, or only the others.",
    )
    muted: bool | None = strawberry.field(
        default=None, description="Only those that are muted, or only the others."
    )
    unread: bool | None = strawberry.field(
        default=None, description="Only those with messages not read, or only the others."
    )
    folder_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only those in this folder of the viewer's."
    )


async def viewer_chats(
    info: Info, first: int | None, after: str | None, filter: ChatFilter | None
) -> ChatConnection:
    """Resolve `Viewer.chats`."""
    filter = filter or ChatFilter()
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    by_pin = bool(filter.pinned)
    position = _position(after, by_pin=by_pin) if after is not None else None
    wanted = await _wanted(info, filter)
    rows = await chat_lists.page(
        info.context.services,
        info.context.signed_in,
        wanted,
        after=position,
        limit=shown.fetch,
    )

    def cursor(row: Listed) -> str:
        place = str(row.pin_position) if by_pin else row.chat.last_activity_at.isoformat()
        return encode_cursor(place, row.chat.id.hex)

    listed: ChatConnection = connection(
        ChatConnection,
        rows,
        shown,
        node=lambda row: Chat.of(row.chat),
        cursor=cursor,
        bounded_after=after is not None,
    )
    return listed


async def _wanted(info: Info, filter: ChatFilter) -> Wanted:
    context = info.context
    among = None
    if filter.folder_id is not None:
        folder_id = decode(Kind.FOLDER, filter.folder_id, path="folderId")
        among = await folders.chats_in(context.services, context.signed_in, folder_id)
    return Wanted(
        kind=StoredKind[filter.kind.name] if filter.kind else None,
        archived=filter.archived,
        muted=filter.muted,
        pinned=filter.pinned,
        unread=filter.unread,
        among=among,
    )


def _position(after: str, *, by_pin: bool) -> tuple[datetime | int, UUID]:
    """Return the place that a cursor names; raises `InvalidInput`."""
    place, hex_id = decode_cursor(after, parts=2, path="after")
    try:
        if by_pin:
            return _number(place), UUID(hex=hex_id)
        return _in_utc(datetime.fromisoformat(place)), UUID(hex=hex_id)
    except (ValueError, OverflowError) as error:
        raise invalid_cursor("after") from error


def _number(digits: str) -> int:
    if not (digits.isdigit() and len(digits) < 10):
        raise ValueError("no place")
    return int(digits)


def _in_utc(moment: datetime) -> datetime:
    """Return the same moment in UTC; raises `ValueError`, `OverflowError` beyond the years 1–9999.

    A moment without a time zone is refused: it would be read as the server's own.
    """
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)
