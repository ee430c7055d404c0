"""Who is typing: the mutation that says so and the subscription that hears it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from realtime.hub import Typing
from resolvers import typing as use_cases
from schema.batching import batched
from schema.chats import Chat, readable_chats
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.users import User, users_by_ids


async def _chats(objects: Sequence["TypingChanged"], info: Info) -> list[Chat | None]:
    return await readable_chats(info.context, [change.change.chat_id for change in objects])


async def _users(objects: Sequence["TypingChanged"], info: Info) -> list[User | None]:
    return await users_by_ids(info.context, [change.change.user_id for change in objects])


@strawberry.type(description="Somebody started or stopped typing.")
class TypingChanged:
    typing: bool = strawberry.field(description="Whether they are typing now.")
    expires_at: datetime = strawberry.field(
        description="When to stop showing it unless it is renewed."
    )
    user: User = batched(_users, description="Who.")
    chat: Chat | None = batched(_chats, description="Where.")
    change: strawberry.Private[Typing]

    @classmethod
    def of(cls, change: Typing) -> Self:
        """Return a change as the schema shows it."""
        return cls(typing=change.typing, expires_at=change.expires_at, change=change)


@strawberry.input(description="Whether the viewer is typing in a chat.")
class SetTypingInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat.")
    typing: bool = strawberry.field(
        default=True,
        description="False when they stopped. While they go on, say true again within 5 seconds.",
    )


@strawberry.type(description="The others in the chat have been told.")
class SetTypingPayload:
    expires_at: datetime | None = strawberry.field(
        default=None, description="Until when they show it."
    )
    errors: list[UserError] = errors_field()


_TYPING = strawberry.argument(description="Where, and whether.")
_CHAT_ID = strawberry.argument(description="The chat; an error if it is not the viewer's.")


@refusals_into(SetTypingPayload)
async def set_typing(info: Info, input: Annotated[SetTypingInput, _TYPING]) -> SetTypingPayload:
    """Resolve `Mutation.setTyping`."""
    change = await use_cases.set_typing(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        typing=input.typing,
    )
    return SetTypingPayload(expires_at=change.expires_at)


async def typing(
    info: Info, chat_id: Annotated[strawberry.ID, _CHAT_ID]
) -> AsyncGenerator[TypingChanged, None]:
    """Resolve `Subscription.typing`."""
    viewer = info.context.signed_in
    key = decode(Kind.CHAT, chat_id, path="chatId")
    async with info.context.services.node.hub.typing(viewer.user_id, key) as mailbox:
        while True:
            yield TypingChanged.of(await mailbox.get())
