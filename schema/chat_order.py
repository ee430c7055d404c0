"""What of a chat those see who keep order in it: the fields of `Chat` that are about that.

For `schema/chats.py` alone, which has to be imported first.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema import bans as ban_types
from schema import chat_acts as chat_act_types
from schema import joining as joining_types
from schema import word_filters as filter_types
from schema.connections import DEFAULT_PAGE, After, First
from schema.context import Info

if TYPE_CHECKING:
    from schema.bans import BanConnection
    from schema.chat_acts import ChatActConnection
    from schema.chats import Chat
    from schema.joining import JoinLink, JoinRequestConnection
    from schema.word_filters import WordFilter

LazyBanConnection = Annotated["BanConnection", strawberry.lazy("schema.bans")]
LazyChatActConnection = Annotated["ChatActConnection", strawberry.lazy("schema.chat_acts")]
LazyJoinLink = Annotated["JoinLink", strawberry.lazy("schema.joining")]
LazyJoinRequestConnection = Annotated["JoinRequestConnection", strawberry.lazy("schema.joining")]
LazyWordFilter = Annotated["WordFilter", strawberry.lazy("schema.word_filters")]


async def join_links(
    objects: Sequence["Chat"], info: Info
) -> "list[list[joining_types.JoinLink] | None]":
    """Resolve `Chat.joinLinks`."""
    return await joining_types.join_links_of_each(objects, info)


async def join_requests(
    objects: Sequence["Chat"], info: Info, first: First = DEFAULT_PAGE, after: After = None
) -> "list[joining_types.JoinRequestConnection | None]":
    """Resolve `Chat.joinRequests`."""
    return await joining_types.join_request_pages(objects, info, first, after)


async def bans(
    objects: Sequence["Chat"], info: Info, first: First = DEFAULT_PAGE, after: After = None
) -> "list[ban_types.BanConnection | None]":
    """Resolve `Chat.bans`."""
    return await ban_types.ban_pages(objects, info, first, after)


async def word_filters(
    objects: Sequence["Chat"], info: Info
) -> "list[list[filter_types.WordFilter] | None]":
    """Resolve `Chat.wordFilters`."""
    return await filter_types.word_filters_of_each(objects, info)


async def audit_log(
    objects: Sequence["Chat"], info: Info, first: First = DEFAULT_PAGE, after: After = None
) -> "list[chat_act_types.ChatActConnection | None]":
    """Resolve `Chat.auditLog`."""
    return await chat_act_types.chat_act_pages(objects, info, first, after)
