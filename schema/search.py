"""The search for messages."""

from typing import Annotated

import strawberry

from models.messages import MessageKind as StoredKind
from models.search import Wanted
from models.search_query import MAX_QUERY, MAX_WORDS, MIN_PREFIX
from resolvers import search as use_cases
from schema.connections import (
    After,
    First,
    Page,
    PageInfo,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page_size,
)
from schema.context import Info
from schema.ids import Kind, decode
from schema.message_filter import MessageFilter
from schema.messages import Message, MessageConnection, MessageEdge
from schema.moments import moment

DEFAULT_PAGE = 20

_QUERY = strawberry.argument(
    description=f'Words, all of which must be there, in any form; `"in quotes"` one after the '
    f"other as they are written; `begi*` at least {MIN_PREFIX} characters that a word begins with; "
    f"`-without` a word. Up to {MAX_QUERY} characters and {MAX_WORDS} words."
)
_FILTER = strawberry.argument(description="Which messages are looked through.")


async def search_messages(
    info: Info,
    query: Annotated[str, _QUERY],
    filter: Annotated[MessageFilter | None, _FILTER] = None,
    first: First = DEFAULT_PAGE,
    after: After = None,
) -> MessageConnection:
    """Resolve `Query.searchMessages`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    services = info.context.services
    found = await use_cases.find(
        services,
        info.context.signed_in,
        query,
        _wanted(filter),
        before=_place(after) if after is not None else None,
        limit=shown.fetch,
    )
    hits = found.hits[: shown.size]
    edges = [
        MessageEdge(
            node=Message.of(hit.message),
            cursor=encode_cursor(str(hit.id)),
            snippet=found.snippet(services, hit),
        )
        for hit in hits
    ]
    return MessageConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=len(found.hits) > shown.size,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )


def _wanted(given: MessageFilter | None) -> Wanted:
    """Return a filter's conditions; raises `InvalidInput`."""
    if given is None:
        return Wanted()
    return Wanted(
        chat_id=decode(Kind.CHAT, given.chat_id, path="chatId") if given.chat_id else None,
        sender_id=decode(Kind.USER, given.sender_id, path="senderId") if given.sender_id else None,
        kind=StoredKind[given.kind.name].value if given.kind else None,
        sent_from=moment(given.sent_from, path="sentFrom"),
        sent_until=moment(given.sent_until, path="sentUntil"),
        has_link=given.has_link,
    )


def _place(cursor: str) -> int:
    (place,) = decode_cursor(cursor, parts=1, path="after")
    if not (place.isascii() and place.isdigit() and len(place) <= 18):
        raise invalid_cursor("after")
    return int(place)
