"""Messages for later, and the mutations about them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models import scheduled
from models.messages import MessageKind as StoredKind
from models.scheduled import Scheduled
from resolvers import messages as message_cases
from resolvers import scheduled as use_cases
from schema.batching import batched
from schema.chats import Chat, readable_chats
from schema.context import Context, Info
from schema.errors import ErrorCode, UserError, errors_field, refusals_into
from schema.ids import Kind, decode, encode
from schema.messages import Message, MessageKind, readable_messages
from schema.moments import moment
from schema.sending import SendMessageInput, clear_draft, composed


@strawberry.enum(description="What becomes of a message for later. One that was sent is no more.")
class ScheduledMessageState(Enum):
    WAITING = strawberry.enum_value("waiting", description="It is sent when its time has come.")
    FAILED = strawberry.enum_value(
        "failed", description="It could not be sent: give it another time, or cancel it."
    )


async def _chats(objects: Sequence["ScheduledMessage"], info: Info) -> list[Chat | None]:
    return await readable_chats(info.context, [each.row.chat_id for each in objects])


async def _replied_to(objects: Sequence["ScheduledMessage"], info: Info) -> list[Message | None]:
    keys = [
        (each.row.chat_id, each.row.reply_to_seq) if each.row.reply_to_seq is not None else None
        for each in objects
    ]
    return await readable_messages(info.context, keys)


@strawberry.type(description="A message that the viewer has written for later.")
class ScheduledMessage:
    id: strawberry.ID = strawberry.field(description="Its id, which is not that of the message.")
    kind: MessageKind = strawberry.field(description="What it is.")
    text: str = strawberry.field(description="What it says; of a poll the question.")
    poll_options: list[str] | None = strawberry.field(
        description="The answers of a poll; null of any other."
    )
    send_at: datetime = strawberry.field(description="When it is sent.")
    created_at: datetime = strawberry.field(description="When it was scheduled.")
    client_message_id: UUID = strawberry.field(description="The id that the message will have.")
    state: ScheduledMessageState = strawberry.field(description="What becomes of it.")
    failure_code: ErrorCode | None = strawberry.field(
        description="Why it could not be sent, for programs; null of one that waits, and where the "
        "server is to blame."
    )
    failure: str | None = strawberry.field(
        description="Why it could not be sent, for people; null of one that waits."
    )
    chat_id: strawberry.ID = strawberry.field(description="The chat that it is for.")
    chat: Chat | None = batched(
        _chats, description="The chat itself; null if the viewer is not there any more."
    )
    reply_to: Message | None = batched(
        _replied_to, description="What it answers; null if nothing that the viewer may read."
    )
    row: strawberry.Private[Scheduled]

    @classmethod
    def of(cls, row: Scheduled) -> Self:
        """Return a message for later as the schema shows it, to its owner."""
        extras = row.extras or {}
        poll = (extras.get("details") or {}).get("poll")
        code = row.failure_code
        return cls(
            id=strawberry.ID(encode(Kind.SCHEDULED_MESSAGE, row.id)),
            kind=MessageKind(extras.get("kind", StoredKind.TEXT.value)),
            text=row.text,
            poll_options=poll["options"] if poll else None,
            send_at=row.send_at,
            created_at=row.created_at,
            client_message_id=row.client_message_id,
            state=ScheduledMessageState(row.state),
            failure_code=ErrorCode(code) if code in ErrorCode.__members__ else None,
            failure=row.failure,
            chat_id=strawberry.ID(encode(Kind.CHAT, row.chat_id)),
            row=row,
        )


async def scheduled_in_chats(
    context: Context, chat_ids: Sequence[UUID]
) -> list[list[ScheduledMessage]]:
    """Return what the viewer has scheduled for each of these chats, the earliest first."""
    async with context.db.reading() as db:
        rows = await scheduled.of_user(db, context.signed_in.user_id)
    return [
        [ScheduledMessage.of(row) for row in rows if row.chat_id == chat_id] for chat_id in chat_ids
    ]


async def viewer_scheduled_messages(info: Info) -> list[ScheduledMessage]:
    """Resolve `Viewer.scheduledMessages`."""
    async with info.context.db.reading() as db:
        rows = await scheduled.of_user(db, info.context.signed_in.user_id)
    return [ScheduledMessage.of(row) for row in rows]


_WHEN = (
    f"When to send it, with a time zone: in the future, {use_cases.AHEAD.days} days ahead at most."
)
_WHICH = "The scheduled message."


@strawberry.input(description="A message to send later.")
class ScheduleMessageInput(SendMessageInput):
    send_at: datetime = strawberry.field(description=_WHEN)


@strawberry.type(description="The message that waits.")
class ScheduleMessagePayload:
    scheduled_message: ScheduledMessage | None = strawberry.field(
        default=None, description="The message."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="What of a scheduled message is to be another. What is absent stays.")
class UpdateScheduledMessageInput:
    scheduled_message_id: strawberry.ID = strawberry.field(description=_WHICH)
    text: str | None = strawberry.field(
        default=None,
        description=f"What it says: 1 to {message_cases.MAX_TEXT} characters, not only space.",
    )
    send_at: datetime | None = strawberry.field(
        default=None, description=f"{_WHEN} One that could not be sent waits again."
    )


@strawberry.type(description="The scheduled message as it is now.")
class UpdateScheduledMessagePayload:
    scheduled_message: ScheduledMessage | None = strawberry.field(
        default=None, description="The message."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A scheduled message that is not to be sent.")
class CancelScheduledMessageInput:
    scheduled_message_id: strawberry.ID = strawberry.field(description=_WHICH)


@strawberry.type(description="The scheduled message is gone.")
class CancelScheduledMessagePayload:
    cancelled_id: strawberry.ID | None = strawberry.field(
        default=None, description="The scheduled message's id."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="A scheduled message that is to be sent at once.")
class SendScheduledMessageNowInput:
    scheduled_message_id: strawberry.ID = strawberry.field(description=_WHICH)


@strawberry.type(description="The message as stored.")
class SendScheduledMessageNowPayload:
    message: Message | None = strawberry.field(default=None, description="The message.")
    errors: list[UserError] = errors_field()


_SCHEDULING = strawberry.argument(description="The message.")
_CHANGE = strawberry.argument(description="What changes.")
_CHOICE = strawberry.argument(description="Which one.")


@refusals_into(ScheduleMessagePayload)
async def schedule_message(
    info: Info, input: Annotated[ScheduleMessageInput, _SCHEDULING]
) -> ScheduleMessagePayload:
    """Resolve `Mutation.scheduleMessage`."""
    send_at = moment(input.send_at, path="sendAt") or input.send_at
    message = await composed(info.context, input, sent_at=send_at)
    row = await use_cases.schedule(
        info.context.services,
        info.context.signed_in,
        chat_id=message.chat_id,
        text=message.text,
        client_message_id=input.client_message_id,
        reply_to=message.reply_to,
        extras=message.extras,
        send_at=send_at,
    )
    await clear_draft(info.context, input, message)
    return ScheduleMessagePayload(scheduled_message=ScheduledMessage.of(row))


@refusals_into(UpdateScheduledMessagePayload)
async def update_scheduled_message(
    info: Info, input: Annotated[UpdateScheduledMessageInput, _CHANGE]
) -> UpdateScheduledMessagePayload:
    """Resolve `Mutation.updateScheduledMessage`."""
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        id_=_decoded(input.scheduled_message_id),
        text=input.text,
        send_at=moment(input.send_at, path="sendAt"),
    )
    return UpdateScheduledMessagePayload(scheduled_message=ScheduledMessage.of(row))


@refusals_into(CancelScheduledMessagePayload)
async def cancel_scheduled_message(
    info: Info, input: Annotated[CancelScheduledMessageInput, _CHOICE]
) -> CancelScheduledMessagePayload:
    """Resolve `Mutation.cancelScheduledMessage`."""
    await use_cases.cancel(
        info.context.services, info.context.signed_in, id_=_decoded(input.scheduled_message_id)
    )
    return CancelScheduledMessagePayload(cancelled_id=input.scheduled_message_id)


@refusals_into(SendScheduledMessageNowPayload)
async def send_scheduled_message_now(
    info: Info, input: Annotated[SendScheduledMessageNowInput, _CHOICE]
) -> SendScheduledMessageNowPayload:
    """Resolve `Mutation.sendScheduledMessageNow`."""
    row = await use_cases.send_now(
        info.context.services, info.context.signed_in, id_=_decoded(input.scheduled_message_id)
    )
    return SendScheduledMessageNowPayload(message=Message.of(row))


def _decoded(id_: strawberry.ID) -> UUID:
    return decode(Kind.SCHEDULED_MESSAGE, id_, path="scheduledMessageId")
