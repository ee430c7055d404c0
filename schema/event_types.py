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
from schema.chats import Chat, readable_chats
from schema.context import Info
from schema.cursor import Cursor
from schema.drafts import Draft, viewer_drafts
from schema.folders import Folder, folders_of_each
from schema.members import Membership
from schema.messages import Message, readable_messages
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


@strawberry.type(description="The chat has another title or description, or other settings.")
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


@strawberry.type(description="Somebody may only read in the chat for a while, or write again.")
class MemberSilenced(Event):
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


@strawberry.type(
    description="A message's time is over, and it has no content any more. A client may take it "
    "away by itself at `Message.expiresAt`; this tells those that were not there."
)
class MessageExpired(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")
    thread_id: strawberry.ID | None = strawberry.field(
        description="The thread that it was a reply in; null if it was in none."
    )


async def _pinned(objects: Sequence["MessagePinned"], info: Info) -> list[Message | None]:
    return await readable_messages(info.context, [event.key for event in objects])


@strawberry.type(description="A message is pinned in the chat.")
class MessagePinned(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")
    # Not `message`, which cannot be null where other events have it.
    pinned_message: Message | None = batched(
        _pinned, description="The message, as it is now; null if the viewer may not read it."
    )
    key: strawberry.Private[MessageKey]


@strawberry.type(
    description="A message is not pinned any more. One that is deleted loses its pin without this."
)
class MessageUnpinned(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in the chat.")


@strawberry.type(
    description="The viewer has hidden a message from themselves, on this device or another."
)
class MessageHidden(Event):
    message_id: strawberry.ID = strawberry.field(description="The message's id.")
    message_seq: int = strawberry.field(description="The message's number in its chat.")


@strawberry.type(
    description="The viewer has cleared a chat's history for themselves, on this device or another."
)
class HistoryCleared(Event):
    chat_id: strawberry.ID = strawberry.field(description="The chat's id.")
    cleared_seq: int = strawberry.field(description="The number of the last message that went.")


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
    description="What a message links to has been looked at: it has a `linkPreview` now. Nobody in "
    "particular did that."
)
class LinkPreviewAdded(Event):
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


@strawberry.type(description="The viewer blocks somebody now, or no longer; nobody else is told.")
class BlocksChanged(Event):
    user: User = strawberry.field(description="Whom; `viewerBlocks` says which.")


@strawberry.type(
    description="Others than before wait to be let into a chat whose requests the viewer answers; "
    "told to the owner and to admins, 50 at most."
)
class JoinRequestsChanged(Event):
    chat_id: strawberry.ID = strawberry.field(description="The chat's id.")


@strawberry.type(description="The viewer's request to be let into a chat was answered.")
class JoinRequestAnswered(Event):
    request_id: strawberry.ID = strawberry.field(description="The request's id.")
    approved: bool = strawberry.field(description="Whether they are in the chat now.")


@strawberry.type(description="The viewer has other folders, or other chats in them.")
class FoldersChanged(Event):
    folders: list[Folder] = batched(
        folders_of_each, description="The viewer's folders, as they are now."
    )


async def _chats_of_each(
    objects: Sequence["ViewerMembershipChanged"], info: Info
) -> list[Chat | None]:
    return await readable_chats(info.context, [each.chat_id for each in objects])


@strawberry.type(
    description="The viewer keeps a chat in another way: muted, in the archive, pinned. `chat` "
    "has it in `viewerMembership`; it is null when they have left it since."
)
class ViewerMembershipChanged(Event):
    chat: Chat | None = batched(_chats_of_each, description="The chat, as it is now.")
    chat_id: strawberry.Private[UUID]


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
    description="A webhook that the viewer has made is sent to no more: nothing that was sent has "
    "arrived for a day, or the receiver has said that it is gone."
)
class WebhookDisabled(Event):
    webhook_id: strawberry.ID = strawberry.field(description="The webhook's id.")


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
    MemberSilenced,
    MessageSent,
    MessageEdited,
    MessageDeleted,
    MessageExpired,
    MessagePinned,
    MessageUnpinned,
    MessageHidden,
    HistoryCleared,
    ReactionsChanged,
    PollChanged,
    LinkPreviewAdded,
    ReceiptsAdvanced,
    SessionStarted,
    SessionEnded,
    ProfileChanged,
    SettingsChanged,
    BlocksChanged,
    JoinRequestsChanged,
    JoinRequestAnswered,
    FoldersChanged,
    ViewerMembershipChanged,
    ScheduledMessagesChanged,
    DraftChanged,
    ThreadChanged,
    WebhookDisabled,
    CursorAdvanced,
    ResyncRequired,
]
