"""The three root types: what the schema offers, each field one call."""

from collections.abc import AsyncGenerator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import strawberry

from models.errors import InvalidInput
from schema import chats as chat_fields
from schema import members as member_fields
from schema import messages as message_fields
from schema import presence as presence_fields
from schema import threads as thread_fields
from schema import typing as typing_fields
from schema import users as user_fields
from schema import viewer as viewer_fields
from schema.account_root import AccountMutations
from schema.bot_root import BotMutations
from schema.chat_root import ChatMutations
from schema.connections import MAX_PAGE
from schema.content_root import ContentMutations
from schema.context import Info
from schema.event_types import Event
from schema.events import subscribe_events
from schema.ids import Kind, decode, decode_message, decode_thread, kind_of
from schema.joining_root import JoiningMutations, JoiningQueries
from schema.keeping_root import KeepingMutations
from schema.message_root import MessageMutations
from schema.moderation_root import ModerationMutations
from schema.node import Node
from schema.presence_root import PresenceMutations
from schema.search_root import SearchQueries
from schema.server_info import Server, server_info
from schema.thread_events import subscribe_thread_events
from schema.webhook_root import WebhookMutations
from schema.writing_root import WritingMutations

_IDS = strawberry.argument(description=f"The ids, {MAX_PAGE} at most.")
_ID = strawberry.argument(description="The id.")


def _version() -> str:
    try:
        return version("hubbub")
    except PackageNotFoundError:
        return "unknown"


_SERVER = server_info(_version())


def _server() -> Server:
    return _SERVER


async def _node(info: Info, id: Annotated[strawberry.ID, _ID]) -> Node | None:
    return (await _nodes(info, [id]))[0]


async def _nodes(info: Info, ids: Annotated[list[strawberry.ID], _IDS]) -> list[Node | None]:
    _ = info.context.signed_in
    if len(ids) > MAX_PAGE:
        raise InvalidInput(f"At most {MAX_PAGE} ids can be asked for at once.", path=["ids"])
    by_kind: dict[Kind, list[strawberry.ID]] = {}
    for id_ in ids:
        by_kind.setdefault(kind_of(id_), []).append(id_)
    found: dict[strawberry.ID, Node | None] = {}
    for kind, wanted in by_kind.items():
        found.update(zip(wanted, await _of_kind(info, kind, wanted), strict=True))
    return [found[id_] for id_ in ids]


async def _of_kind(info: Info, kind: Kind, ids: Sequence[strawberry.ID]) -> Sequence[Node | None]:
    context = info.context
    if kind is Kind.USER:
        return await user_fields.visible_users(context, [decode(kind, id_) for id_ in ids])
    if kind is Kind.CHAT:
        return await chat_fields.readable_chats(context, [decode(kind, id_) for id_ in ids])
    if kind is Kind.MESSAGE:
        return await message_fields.readable_messages(context, [decode_message(id_) for id_ in ids])
    if kind is Kind.THREAD:
        return await thread_fields.readable_threads(context, [decode_thread(id_) for id_ in ids])
    if kind is Kind.MEMBERSHIP:
        return await member_fields.readable_memberships(context, [decode(kind, id_) for id_ in ids])
    return [None] * len(ids)


@strawberry.type(description="What can be asked.")
class Query(SearchQueries, JoiningQueries):
    viewer: viewer_fields.Viewer | None = strawberry.field(
        resolver=viewer_fields.viewer, description="The signed-in person; null when nobody is."
    )
    node: Node | None = strawberry.field(
        resolver=_node, description="The thing with this id, if the viewer may see it."
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        description="The things with these ids, in their order; null for what is not there.",
    )
    user: user_fields.User | None = strawberry.field(
        resolver=user_fields.user,
        description="The person with this handle, if the viewer may see them.",
    )
    users: user_fields.UserConnection = strawberry.field(
        resolver=user_fields.search_users,
        description="People of whose handle or display name a word begins so, in the order of "
        "these words. Who hides is not among them.",
    )
    chat: chat_fields.Chat | None = strawberry.field(
        resolver=chat_fields.chat, description="A chat that the viewer is in."
    )
    thread: thread_fields.Thread | None = strawberry.field(
        resolver=thread_fields.thread,
        description="The thread that a message has started, or may start, if the viewer may read "
        "it.",
    )
    server: Server = strawberry.field(
        resolver=_server, description="The server itself; needs no session."
    )


@strawberry.type(description="What can be done. Each answers with what changed, or with `errors`.")
class Mutation(
    # The last one's fields come first.
    PresenceMutations,
    ModerationMutations,
    JoiningMutations,
    ContentMutations,
    WritingMutations,
    MessageMutations,
    WebhookMutations,
    BotMutations,
    KeepingMutations,
    ChatMutations,
    AccountMutations,
):
    pass


@strawberry.type(description="What can be listened to, over `graphql-transport-ws`.")
class Subscription:
    events: AsyncGenerator[Event, None] = strawberry.subscription(
        resolver=subscribe_events,
        description="Everything durable in the viewer's chats, each chat's in order, with what "
        "concerns the viewer alone and how far people have got in reading: with `after` from there "
        "on, else from now on.",
    )
    thread_events: AsyncGenerator[Event, None] = strawberry.subscription(
        resolver=subscribe_thread_events,
        description="Of `events` those about the messages of a thread, its first one included: "
        "with `after` from there on, else from now on. Ends with the viewer's `MemberLeft`.",
    )
    typing: AsyncGenerator[typing_fields.TypingChanged, None] = strawberry.subscription(
        resolver=typing_fields.typing, description="Who types in a chat, the viewer aside."
    )
    presence: AsyncGenerator[presence_fields.PresenceChanged, None] = strawberry.subscription(
        resolver=presence_fields.presence,
        description="Whether people are there: of each first as it is, then whenever it changes.",
    )
