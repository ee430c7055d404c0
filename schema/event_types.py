"""Events as the schema shows them."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from models.messages import MessageKey
from models.receipts import SHOWN_UP_TO
from schema import threads as thread_types
from schema.batching import batched
from schema.chats import Chat
from schema.context import Info
from schema.cursor import Cursor
from schema.drafts import Draft, viewer_drafts
from schema.members import Membership
from schema.messages import Message
from schema.scheduled import ScheduledMessage, scheduled_in_chats
from schema.sessions import Session
from schema.settings import Settings, settings_of_each
from schema.users import User

if TYPE_CHECKING:
    from schema.threads import Thread

LazyThread = Annotated["Thread", strawberry.lazy("schema.threads")]


@strawberry.interface(
    description="Something that happened in one of the viewer's chats, or to the viewer."
)
class Event:
    cursor: Cursor = strawberry.field(
        description="Resumes right after this event: give it to `events(after:)`. Keep the last."
    )
    chat: Chat | None = strawberry.field(
        description="Where it happened; null for what concerns the viewer alone."
    )
    seq: int | None = strawberry.field(
        description="Its number among the chat's events: from 1, without gaps; null for what is "
        "not one of them. Not a message's."
    )
    occurred_at: datetime = strawberry.field(
        description="When it happened; for what is not an event of a chat, when it was told."
    )
    actor: User | None = strawberry.field(
        description="Who did it; null when nobody in particular did."
    )


@strawberry.type(description="A chat with the viewer in it was started.")
class ChatCreated(Event):
    pass


@strawberry.type(description="The chat has another title or description.")
class ChatChanged(Event):
    pass


@strawberry.type(description="Somebody is in the chat from now on.")
class MemberJoined(Event):
    membership: Membership = strawberry.field(description="Their place in the chat.")


@strawberry.type(description="Somebody left or was removed; for themselves, the chat's last event.")
class MemberLeft(Event):
    membership: Membership = strawberry.field(description="The place they had in the chat.")


@strawberry.type(description="Somebody may do more, or less, in the chat than before.")
class MemberRoleChanged(Event):
    membership: Membership = strawberry.field(description="Their place in the chat.")


@strawberry.type(description="A message was sent. Its sender has read everything up to it.")
class MessageSent(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has another text.")
class MessageEdited(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(description="A message has no content any more.")
class MessageDeleted(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")
    thread_id: strawberry.ID | None = strawberry.field(
        description="The thread that it was a reply in; null if it was in none."
    )


@strawberry.type(description="Somebody reacted to a message, or took that back.")
class ReactionsChanged(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(
    description="Somebody voted in a poll, or took that back, or the poll was closed. Of an "
    "anonymous poll nobody is told who voted."
)
class PollChanged(Event):
    message: Message = strawberry.field(description="The message, as it is now.")


@strawberry.type(
    description="Somebody got further in receiving or reading. Only the latest of each person "
    "counts, and after a resume it may come again; in chats of more than "
    f"{SHOWN_UP_TO} people everybody hears only of their own."
)
class ReceiptsAdvanced(Event):
    user: User = strawberry.field(description="Who.")
    delivered_seq: int = strawberry.field(
        description="The last message that reached a device of theirs."
    )
    read_seq: int = strawberry.field(description="The last message they have read.")


@strawberry.type(description="The viewer signed in on another device.")
class SessionStarted(Event):
    session: Session | None = strawberry.field(
        description="The session; null when it is long over."
    )


@strawberry.type(description="The viewer signed out, or was signed out, on a device.")
class SessionEnded(Event):
    session_id: strawberry.ID = strawberry.field(description="The id of the session.")


@strawberry.type(
    description="The viewer has another profile, or another handle. Others are not told: they see "
    "it with whatever they fetch or are told next."
)
class ProfileChanged(Event):
    user: User = strawberry.field(description="The viewer, as they are now.")


@strawberry.type(description="The viewer has other settings.")
class SettingsChanged(Event):
    settings: Settings = batched(
        settings_of_each, description="The viewer's settings, as they are now."
    )


async def _scheduled(
    objects: Sequence["ScheduledMessagesChanged"], info: Info
) -> list[list[ScheduledMessage]]:
    return await scheduled_in_chats(info.context, [each.of_chat for each in objects])


@strawberry.type(
    description="What the viewer has scheduled for a chat is another, was sent, or could not be."
)
class ScheduledMessagesChanged(Event):
    chat_id: strawberry.ID = strawberry.field(description="The chat that it was for.")
    scheduled_messages: list[ScheduledMessage] = batched(
        _scheduled, description="What is scheduled for that chat now, the earliest first."
    )
    of_chat: strawberry.Private[UUID]


async def _drafts(objects: Sequence["DraftChanged"], info: Info) -> list[Draft | None]:
    return await viewer_drafts(info.context, [each.place for each in objects])


@strawberry.type(description="What the viewer has begun to write is another, or gone.")
class DraftChanged(Event):
    chat_id: strawberry.ID = strawberry.field(description="The chat that it is for.")
    thread_id: strawberry.ID | None = strawberry.field(
        description="The thread that it is for, if it is for one."
    )
    draft: Draft | None = batched(
        _drafts, description="The draft as it is now; null when there is none any more."
    )
    place: strawberry.Private[MessageKey]


async def _threads(objects: Sequence["ThreadChanged"], info: Info) -> "list[Thread | None]":
    return await thread_types.readable_threads(info.context, [each.root for each in objects])


@strawberry.type(
    description="The viewer follows a thread, or does not any more, or has read further in it."
)
class ThreadChanged(Event):
    # Never null, and yet of the type that it has in other events: an operation may ask for all.
    thread_id: strawberry.ID | None = strawberry.field(description="The thread's id.")
    thread: LazyThread | None = batched(
        _threads, description="The thread as it is now; null if the viewer may not read it."
    )
    root: strawberry.Private[MessageKey]


@strawberry.type(
    description="Nothing happened for a while: here is a fresh cursor, to resume cheaply from."
)
class CursorAdvanced(Event):
    pass


@strawberry.enum(description="Why what was missed cannot be told.")
class ResyncReason(Enum):
    EXPIRED = strawberry.enum_value(
        "expired", description="The cursor is older than what the log still holds."
    )
    LOG_REPLACED = strawberry.enum_value(
        "log_replaced", description="The database was restored or replaced since."
    )


@strawberry.type(
    description="What was missed is not known any more, and the subscription ends here: fetch "
    "afresh, then subscribe from `viewer.cursor`."
)
class ResyncRequired(Event):
    reason: ResyncReason = strawberry.field(description="Why.")


# Types that only an interface leads to; a schema must be told about them.
EVENT_TYPES: list[type[Event]] = [
    ChatCreated,
    ChatChanged,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MessageSent,
    MessageEdited,
    MessageDeleted,
    ReactionsChanged,
    PollChanged,
    ReceiptsAdvanced,
    SessionStarted,
    SessionEnded,
    ProfileChanged,
    SettingsChanged,
    ScheduledMessagesChanged,
    DraftChanged,
    ThreadChanged,
    CursorAdvanced,
    ResyncRequired,
]
