"""The mutations that start a chat and change what it is."""

from typing import Annotated

import strawberry

from models.chats import ChatKind as StoredKind
from models.chats import HistoryVisibility as StoredHistory
from models.errors import InvalidInput
from resolvers import chat_details
from resolvers import chats as use_cases
from schema.chats import Chat, ChatKind, HistoryVisibility
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode


@strawberry.input(description="A chat to start.")
class CreateChatInput:
    kind: ChatKind = strawberry.field(description="What it is for.")
    member_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="The other people: one for a direct chat, nobody for one's own, up to "
        f"{use_cases.MAX_ADDED_AT_ONCE} for a group or channel. The viewer is in it anyway.",
    )
    title: str | None = strawberry.field(
        default=None,
        description="The name of a group or channel, up to 128 characters; others have none.",
    )
    description: str | None = strawberry.field(
        default=None, description="What a group or channel is about, up to 1024 characters."
    )
    history_visibility: HistoryVisibility | None = strawberry.field(
        default=None,
        description="What those may read who join later; unless given, `SINCE_JOINING` for a "
        "group and `FROM_START` for a channel.",
    )


@strawberry.type(description="The chat, new or, for a direct one or one's own, as it was.")
class CreateChatPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


@strawberry.input(
    description="What of a chat is to be another. What is absent stays; null takes away."
)
class UpdateChatInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    title: str | None = strawberry.field(
        default=strawberry.UNSET, description="Its name, up to 128 characters; it cannot be null."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="What it is about, up to 1024 characters."
    )
    history_visibility: HistoryVisibility | None = strawberry.field(
        default=strawberry.UNSET,
        description="What those may read who join from now on; it cannot be null. Of groups and "
        "channels.",
    )
    message_ttl: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="After how many seconds messages go that are sent from now on: "
        f"{chat_details.MIN_MESSAGE_TTL} to {chat_details.MAX_MESSAGE_TTL}, null for never.",
    )
    slow_mode: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How many seconds members wait between two messages: 1 to "
        f"{chat_details.MAX_SLOW_MODE}, null for none. Owner and admins do not wait.",
    )
    reaction_set: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Which reactions it takes, {chat_details.MAX_REACTION_SET} at most; none if "
        "the list is empty, any if it is null. Of groups and channels.",
    )


@strawberry.type(description="The chat as it is now.")
class UpdateChatPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    errors: list[UserError] = errors_field()


_CHANGE = strawberry.argument(description="What changes.")
_CREATION = strawberry.argument(description="The chat.")


@refusals_into(CreateChatPayload)
async def create_chat(
    info: Info, input: Annotated[CreateChatInput, _CREATION]
) -> CreateChatPayload:
    """Resolve `Mutation.createChat`."""
    row = await use_cases.create(
        info.context.services,
        info.context.signed_in,
        kind=_stored(input.kind),
        title=input.title,
        description=input.description,
        member_ids=[decode(Kind.USER, user_id, path="memberIds") for user_id in input.member_ids],
        history=_history(input.history_visibility) if input.history_visibility else None,
    )
    return CreateChatPayload(chat=Chat.of(row))


@refusals_into(UpdateChatPayload)
async def update_chat(info: Info, input: Annotated[UpdateChatInput, _CHANGE]) -> UpdateChatPayload:
    """Resolve `Mutation.updateChat`."""
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        details=_details(input),
    )
    return UpdateChatPayload(chat=Chat.of(row))


def _details(input: UpdateChatInput) -> chat_details.Details:
    details: chat_details.Details = {}
    if input.title is not strawberry.UNSET:
        details["title"] = input.title
    if input.description is not strawberry.UNSET:
        details["description"] = input.description
    if input.history_visibility is not strawberry.UNSET:
        if input.history_visibility is None:
            raise InvalidInput("It cannot be null.", path=["historyVisibility"])
        details["history"] = _history(input.history_visibility)
    if input.message_ttl is not strawberry.UNSET:
        details["message_ttl"] = input.message_ttl
    if input.slow_mode is not strawberry.UNSET:
        details["slow_mode"] = input.slow_mode
    if input.reaction_set is not strawberry.UNSET:
        details["reaction_set"] = input.reaction_set
    return details


def _history(visibility: HistoryVisibility) -> StoredHistory:
    return StoredHistory[visibility.name]


def _stored(kind: ChatKind) -> StoredKind:
    return StoredKind[kind.name]
