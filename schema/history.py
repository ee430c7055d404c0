"""A chat's history: pages from either end, around a message or a moment, of all of it or a part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from models import history, messages, users
from models.database import Connection
from models.errors import InvalidInput, NotFound
from models.history import EVERYTHING, Filter, Range
from models.messages import Message as Row
from models.messages import MessageKind
from schema.connections import (
    PageInfo,
    connection,
    encode_cursor,
    page,
    page_size,
    seq_of,
)
from schema.context import Context
from schema.ids import Kind, decode, decode_message
from schema.messages import Message, MessageConnection, MessageEdge
from schema.moments import moment

if TYPE_CHECKING:
    from schema.message_filter import MessageFilter

DEFAULT_PAGE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Which page of a chat's history is asked for."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    around_id: str | None = None
    around_date: datetime | None = None
    filter: "MessageFilter | None" = None


async def message_pages(
    context: Context, chat_ids: Sequence[UUID], asked: Asked
) -> list[MessageConnection | NotFound]:
    """Return the same page of history for each chat, as far as the viewer may read."""
    only = _filter(asked.filter)
    async with context.db.reading() as db:
        await _check(db, context, chat_ids, asked.filter, only)
        ranges = await _ranges(db, chat_ids, asked.filter)
        if asked.around_id is not None or asked.around_date is not None:
            return await _around(db, context, ranges, asked, only)
        shown = page(asked.first, asked.last, default_last=DEFAULT_PAGE)
        after, before = seq_of(asked.after, "after"), seq_of(asked.before, "before")
        rows = await history.pages(
            db,
            context.signed_in.user_id,
            {
                chat_id: each.narrowed(after=after, before=before)
                for chat_id, each in ranges.items()
            },
            limit=shown.fetch,
            newest=shown.backwards,
            only=only,
        )
    return [
        connection(
            MessageConnection,
            rows[chat_id],
            shown,
            node=Message.of,
            edge=MessageEdge,
            cursor=_cursor,
            bounded_before=before is not None,
            bounded_after=after is not None,
        )
        for chat_id in chat_ids
    ]


async def _check(
    db: Connection,
    context: Context,
    chat_ids: Sequence[UUID],
    given: "MessageFilter | None",
    only: Filter,
) -> None:
    """Raise `NotFound` for ids in a filter that are not there for the viewer, or not here."""
    if given is not None and given.chat_id is not None:
        wanted = decode(Kind.CHAT, given.chat_id, path="chatId")
        if any(chat_id != wanted for chat_id in chat_ids):
            raise NotFound("The chat", path=["chatId"])
    if only.sender_id is not None and not await users.visible_to(
        db, context.signed_in, [only.sender_id]
    ):
        raise NotFound("The person", path=["senderId"])


async def _ranges(
    db: Connection, chat_ids: Sequence[UUID], given: "MessageFilter | None"
) -> dict[UUID, Range]:
    """Return where in each chat to look, as far as a filter says that."""
    ranges = dict.fromkeys(chat_ids, Range())
    if given is None:
        return ranges
    sent_from = moment(given.sent_from, path="sentFrom")
    sent_until = moment(given.sent_until, path="sentUntil")
    if sent_from is not None:
        firsts = await history.first_since(db, ranges, sent_from)
        ranges = {
            chat_id: each.narrowed(after=firsts.get(chat_id, 1) - 1)
            for chat_id, each in ranges.items()
        }
    if sent_until is not None:
        firsts = await history.first_since(db, ranges, sent_until)
        ranges = {
            chat_id: each.narrowed(before=firsts.get(chat_id, 1))
            for chat_id, each in ranges.items()
        }
    return ranges


def _filter(given: "MessageFilter | None") -> Filter:
    if given is None:
        return EVERYTHING
    return Filter(
        sender_id=decode(Kind.USER, given.sender_id, path="senderId") if given.sender_id else None,
        kind=MessageKind[given.kind.name] if given.kind else None,
        has_link=given.has_link,
    )


async def _around(
    db: Connection, context: Context, ranges: Mapping[UUID, Range], asked: Asked, only: Filter
) -> list[MessageConnection | NotFound]:
    """Return the page of each chat that has a message, or what came next, in its middle."""
    if asked.around_id is not None and asked.around_date is not None:
        raise InvalidInput("Give aroundId or aroundDate, not both.", path=["aroundDate"])
    for name, value in (("after", asked.after), ("before", asked.before), ("last", asked.last)):
        if value is not None:
            raise InvalidInput(f"A page around something has no {name}.", path=[name])
    size = page_size(asked.first, default=DEFAULT_PAGE)
    viewer_id = context.signed_in.user_id
    middles = await _middles(db, viewer_id, ranges, asked)
    halves = [
        await history.pages(
            db,
            viewer_id,
            {chat_id: ranges[chat_id].narrowed(**bound(seq)) for chat_id, seq in middles.items()},
            limit=size + 1,
            newest=newest,
            only=only,
        )
        for newest, bound in ((True, _before), (False, _from))
    ]
    earlier, later = halves
    return [
        _page_of(earlier[chat_id], later[chat_id], size)
        if chat_id in middles
        else NotFound("The message", path=["aroundId"])
        for chat_id in ranges
    ]


def _before(seq: int) -> dict[str, int]:
    return {"before": seq}


def _from(seq: int) -> dict[str, int]:
    return {"after": seq - 1}


async def _middles(
    db: Connection, viewer_id: UUID, ranges: Mapping[UUID, Range], asked: Asked
) -> dict[UUID, int]:
    """Return the number in the middle of each chat's page; none if it is not for the viewer."""
    if asked.around_id is not None:
        key = decode_message(asked.around_id, path="aroundId")
        found = await messages.readable_by_keys(db, viewer_id, [key])
        return {chat_id: seq for chat_id, seq in found if chat_id in ranges}
    date = moment(asked.around_date, path="aroundDate")
    return await history.first_since(db, ranges, date) if date is not None else {}


def _page_of(earlier: Sequence[Row], later: Sequence[Row], size: int) -> MessageConnection:
    """Return a page of what is before and what is from the middle on, as even as there is of it."""
    shown_later = min(len(later), size - min(size // 2, len(earlier)))
    shown_earlier = min(len(earlier), size - shown_later)
    rows = [*earlier[len(earlier) - shown_earlier :], *later[:shown_later]]
    edges = [MessageEdge(node=Message.of(row), cursor=_cursor(row)) for row in rows]
    return MessageConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=len(later) > shown_later,
            has_previous_page=len(earlier) > shown_earlier,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _cursor(row: Row) -> str:
    return encode_cursor(str(row.seq))
