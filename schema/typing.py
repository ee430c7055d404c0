"""Who is typing: the mutation that says so and the subscription that hears it."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Self

import strawberry

from realtime.typing import Typing
from resolvers import typing as use_cases
from schema.chats import Chat
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.sources import source
from schema.users import User


@strawberry.type(description="Somebody started or stopped typing.")
class TypingChanged:
    typing: bool = strawberry.field(description="Whether they are typing now.")
    expires_at: datetime = strawberry.field(
        description="When to stop showing it unless it is renewed."
    )
    user: User = strawberry.field(description="Who.")
    chat: Chat | None = strawberry.field(description="Where.")

    @classmethod
    def of(cls, told: Typing) -> Self:
        """Return a change as the schema shows it."""
        return cls(
            typing=told.hint.typing,
            expires_at=told.hint.expires_at,
            user=User.of(told.user),
            chat=Chat.of(told.chat),
        )


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


def typing(
    info: Info, chat_id: Annotated[strawberry.ID, _CHAT_ID]
) -> AsyncGenerator[TypingChanged, None]:
    """Resolve `Subscription.typing`."""
    viewer = info.context.signed_in
    key = decode(Kind.CHAT, chat_id, path="chatId")
    listeners = info.context.services.node.typing
    subscribed: AsyncGenerator[TypingChanged, None] = source(
        open=lambda: listeners.listen(viewer.user_id, key),
        show=lambda told, _: TypingChanged.of(told),
    )
    return subscribed
