"""Join links, asking to be let in, and coming in."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry

from models import chats, join_links, join_requests
from resolvers import join_links as link_use_cases
from resolvers import join_requests as request_use_cases
from schema import chats as chat_types
from schema.batching import batched
from schema.chat_pages import key_of, page_of
from schema.connections import DEFAULT_PAGE, Connection, Page, page_size
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.moments import moment
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.chats import Chat, ChatKind

LazyChat = Annotated["Chat", strawberry.lazy("schema.chats")]
LazyChatKind = Annotated["ChatKind", strawberry.lazy("schema.chats")]


async def _created_by(objects: Sequence["JoinLink"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.created_by for each in objects])


@strawberry.type(description="A way into a chat for people with an account, while it is open.")
class JoinLink:
    id: strawberry.ID = strawberry.field(description="Opaque and stable; it lets nobody in.")
    name: str | None = strawberry.field(description="What it is called among those who see it.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it closes; null if never.")
    max_uses: int | None = strawberry.field(
        description="How many may come by it; null for any number."
    )
    uses: int = strawberry.field(description="How many have come by it, or asked to.")
    requires_approval: bool = strawberry.field(
        description="Whether who comes by it asks to be let in."
    )
    created_by: User | None = batched(_created_by, description="Who made it.")
    row: strawberry.Private[join_links.JoinLink]

    @classmethod
    def of(cls, row: join_links.JoinLink) -> Self:
        """Return a link as those see it who may make some; the token is not kept."""
        return cls(
            id=strawberry.ID(encode(Kind.JOIN_LINK, row.id)),
            name=row.name,
            created_at=row.created_at,
            expires_at=row.expires_at,
            max_uses=row.max_uses,
            uses=row.uses,
            requires_approval=row.requires_approval,
            row=row,
        )


@strawberry.type(description="Where a link leads to, for who has not come in yet.")
class JoinLinkPreview:
    kind: LazyChatKind = strawberry.field(description="What the chat is for.")
    title: str | None = strawberry.field(description="Its name.")
    description: str | None = strawberry.field(description="What it is about.")
    member_count: int = strawberry.field(description="How many people are in it.")
    requires_approval: bool = strawberry.field(
        description="Whether one asks to be let in by this link."
    )

    @classmethod
    def of(cls, link: join_links.JoinLink, chat: chats.Chat) -> Self:
        """Return what whoever has a link may know of its chat."""
        return cls(
            kind=chat_types.ChatKind(chat.kind),
            title=chat.title,
            description=chat.description,
            member_count=chat.member_count,
            requires_approval=link.requires_approval,
        )


async def _askers(objects: Sequence["JoinRequest"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [each.row.user_id for each in objects])


async def _titles(objects: Sequence["JoinRequest"], info: Info) -> list[str | None]:
    found = await request_use_cases.titles(info.context.services, [each.row for each in objects])
    return [found[each.row.chat_id] for each in objects]


@strawberry.type(description="Somebody who asks to be let into a chat.")
class JoinRequest:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    created_at: datetime = strawberry.field(description="When they asked.")
    user: User | None = batched(_askers, description="Who.")
    chat_title: str | None = batched(_titles, description="What the chat is called.")
    link_id: strawberry.ID = strawberry.field(description="The id of the link they came by.")
    row: strawberry.Private[join_requests.JoinRequest]

    @classmethod
    def of(cls, row: join_requests.JoinRequest) -> Self:
        """Return a request as who has made it sees it, and who may answer."""
        return cls(
            id=strawberry.ID(encode(Kind.JOIN_REQUEST, row.id)),
            created_at=row.created_at,
            link_id=strawberry.ID(encode(Kind.JOIN_LINK, row.link_id)),
            row=row,
        )


@strawberry.type(description="A page of requests that wait for an answer, the oldest first.")
class JoinRequestConnection(Connection[JoinRequest]):
    pass


async def join_links_of_each(objects: Sequence["Chat"], info: Info) -> list[list[JoinLink] | None]:
    """Resolve `Chat.joinLinks`."""
    found = await link_use_cases.of_chats(
        info.context.services, info.context.signed_in, [chat.row for chat in objects]
    )
    return [
        [JoinLink.of(row) for row in found[chat.row.id]] if chat.row.id in found else None
        for chat in objects
    ]


async def join_request_pages(
    objects: Sequence["Chat"], info: Info, first: int | None, after: str | None
) -> list[JoinRequestConnection | None]:
    """Resolve `Chat.joinRequests`."""
    shown = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    found = await request_use_cases.pages(
        info.context.services,
        info.context.signed_in,
        [chat.row for chat in objects],
        after=key_of(after),
        limit=shown.fetch,
    )
    return [
        page_of(JoinRequestConnection, found.get(chat.row.id), shown, JoinRequest.of, after)
        for chat in objects
    ]


async def viewer_join_requests(info: Info) -> list[JoinRequest]:
    """Resolve `Viewer.joinRequests`."""
    rows = await request_use_cases.own(info.context.services, info.context.signed_in)
    return [JoinRequest.of(row) for row in rows]


async def join_link(
    info: Info,
    token: Annotated[str, strawberry.argument(description="The link's token.")],
) -> JoinLinkPreview | None:
    """Resolve `Query.joinLink`."""
    found = await link_use_cases.preview(info.context.services, info.context.signed_in, token=token)
    return JoinLinkPreview.of(*found) if found else None


@strawberry.input(description="A way into a chat for people with an account.")
class CreateJoinLinkInput:
    chat_id: strawberry.ID = strawberry.field(description="The group or channel.")
    name: str | None = strawberry.field(
        default=None,
        description="What to call it among those who see it, up to "
        f"{join_links.MAX_NAME} characters.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description=f"When it closes, in {link_use_cases.MAX_LIFETIME.days} days at the latest; "
        "never unless given.",
    )
    max_uses: int | None = strawberry.field(
        default=None, description="How many may come by it; any number unless given."
    )
    requires_approval: bool = strawberry.field(
        default=False, description="Whether who comes by it asks to be let in."
    )


@strawberry.type(description="The link with its token, or why there is none.")
class CreateJoinLinkPayload:
    join_link: JoinLink | None = strawberry.field(default=None, description="The link.")
    token: str | None = strawberry.field(
        default=None,
        description="For `joinChat`. It is told here and never again; whoever has it may come.",
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A link to close.")
class RevokeJoinLinkInput:
    link_id: strawberry.ID = strawberry.field(description="The link.")


@strawberry.type(description="The chat without the link; who came by it stays.")
class RevokeJoinLinkPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A link to come in by.")
class JoinChatInput:
    token: str = strawberry.field(description="The link's token.")


@strawberry.type(description="The chat, or the request to be let into it.")
class JoinChatPayload:
    chat: LazyChat | None = strawberry.field(
        default=None, description="The chat, if the viewer is in it now."
    )
    join_request: JoinRequest | None = strawberry.field(
        default=None, description="The request, if somebody has to answer it first."
    )
    errors: list[UserError] = errors_field()


@strawberry.enum(description="What becomes of somebody who asks to be let in.")
class JoinAnswer(Enum):
    APPROVE = strawberry.enum_value("approve", description="They are in the chat.")
    DECLINE = strawberry.enum_value(
        "decline",
        description=f"They are not, and may ask again in {link_use_cases.DECLINED_FOR.days} days.",
    )


@strawberry.input(description="The answer to somebody who asks to be let in.")
class AnswerJoinRequestInput:
    request_id: strawberry.ID = strawberry.field(description="The request.")
    answer: JoinAnswer = strawberry.field(description="Whether they come in.")


@strawberry.type(description="The chat, with them or without.")
class AnswerJoinRequestPayload:
    chat: LazyChat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="One's own request to take back.")
class WithdrawJoinRequestInput:
    request_id: strawberry.ID = strawberry.field(description="The request.")


@strawberry.type(description="Nobody answers the request any more.")
class WithdrawJoinRequestPayload:
    errors: list[UserError] = errors_field()


_LINK = strawberry.argument(description="The link.")
_REVOCATION = strawberry.argument(description="What to close.")
_JOINING = strawberry.argument(description="By which link.")
_ANSWER = strawberry.argument(description="The answer.")
_WITHDRAWAL = strawberry.argument(description="What to take back.")


@refusals_into(CreateJoinLinkPayload)
async def create_join_link(
    info: Info, input: Annotated[CreateJoinLinkInput, _LINK]
) -> CreateJoinLinkPayload:
    """Resolve `Mutation.createJoinLink`."""
    row, token = await link_use_cases.create(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        name=input.name,
        expires_at=moment(input.expires_at, path="expiresAt"),
        max_uses=input.max_uses,
        requires_approval=input.requires_approval,
    )
    return CreateJoinLinkPayload(join_link=JoinLink.of(row), token=token)


@refusals_into(RevokeJoinLinkPayload)
async def revoke_join_link(
    info: Info, input: Annotated[RevokeJoinLinkInput, _REVOCATION]
) -> RevokeJoinLinkPayload:
    """Resolve `Mutation.revokeJoinLink`."""
    chat = await link_use_cases.revoke(
        info.context.services,
        info.context.signed_in,
        link_id=decode(Kind.JOIN_LINK, input.link_id, path="linkId"),
    )
    return RevokeJoinLinkPayload(chat=chat_types.Chat.of(chat))


@refusals_into(JoinChatPayload)
async def join_chat(info: Info, input: Annotated[JoinChatInput, _JOINING]) -> JoinChatPayload:
    """Resolve `Mutation.joinChat`."""
    joined = await link_use_cases.join(
        info.context.services, info.context.signed_in, token=input.token
    )
    return JoinChatPayload(
        chat=chat_types.Chat.of(joined.chat) if joined.chat else None,
        join_request=JoinRequest.of(joined.request) if joined.request else None,
    )


@refusals_into(AnswerJoinRequestPayload)
async def answer_join_request(
    info: Info, input: Annotated[AnswerJoinRequestInput, _ANSWER]
) -> AnswerJoinRequestPayload:
    """Resolve `Mutation.answerJoinRequest`."""
    chat = await request_use_cases.answer(
        info.context.services,
        info.context.signed_in,
        request_id=decode(Kind.JOIN_REQUEST, input.request_id, path="requestId"),
        approve=input.answer is JoinAnswer.APPROVE,
    )
    return AnswerJoinRequestPayload(chat=chat_types.Chat.of(chat))


@refusals_into(WithdrawJoinRequestPayload)
async def withdraw_join_request(
    info: Info, input: Annotated[WithdrawJoinRequestInput, _WITHDRAWAL]
) -> WithdrawJoinRequestPayload:
    """Resolve `Mutation.withdrawJoinRequest`."""
    await request_use_cases.withdraw(
        info.context.services,
        info.context.signed_in,
        request_id=decode(Kind.JOIN_REQUEST, input.request_id, path="requestId"),
    )
    return WithdrawJoinRequestPayload()
