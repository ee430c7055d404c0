"""Events as they are delivered: what happened, with the present state of what it happened to.

`realtime/loading.py` makes them of the log's rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import structlog

from models.chats import Chat
from models.link_previews import LinkPreview
from models.members import Member
from models.messages import Message
from models.polls import NO_VOTES, Tally
from models.reactions import ReactionGroup
from models.receipts import SHOWN_UP_TO
from models.sessions import Session
from models.users import User
from realtime.cursor import Cursor
from realtime.groups import Renderings

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """Something durable that happened; `id` is its place in the log."""

    id: int
    occurred_at: datetime
    actor: User | None


@dataclass(frozen=True, slots=True)
class ChatEvent(Event):
    """Something that happened in a chat: its event number `seq`."""

    chat: Chat
    seq: int


@dataclass(frozen=True, slots=True)
class PersonalEvent(Event):
    """Something that concerns one person alone."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class ChatCreated(ChatEvent):
    """A chat came to be, with these people in it."""

    founder_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class MemberJoined(ChatEvent):
    """Somebody is in the chat from this event on."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberLeft(ChatEvent):
    """Somebody left or was removed; this is the last event of the chat that they see."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberRoleChanged(ChatEvent):
    """Somebody has another role in the chat."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MemberSilenced(ChatEvent):
    """Somebody may only read in the chat for a while, or write again."""

    membership: Member
    user: User


@dataclass(frozen=True, slots=True)
class MessageEvent(ChatEvent):
    """Something that happened to a message, which is there."""

    message: Message
    sender: User
    reactions: Sequence[ReactionGroup]
    # Whom a system message is about.
    subject: User | None = None
    mentioned: Sequence[User] = ()
    tally: Tally = NO_VOTES  # of a poll
    link_preview: LinkPreview | None = None


@dataclass(frozen=True, slots=True)
class ReactionsChanged(MessageEvent):
    """Somebody reacted to a message, or took that back."""


@dataclass(frozen=True, slots=True)
class PollChanged(MessageEvent):
    """Somebody voted, or took that back, or the poll was closed."""


@dataclass(frozen=True, slots=True)
class MessageSent(MessageEvent):
    """A message was sent."""


@dataclass(frozen=True, slots=True)
class MessageEdited(MessageEvent):
    """A message has another text now."""


@dataclass(frozen=True, slots=True)
class LinkPreviewAdded(MessageEvent):
    """What a message links to has said what it is."""


@dataclass(frozen=True, slots=True)
class MessageDeleted(ChatEvent):
    """A message has no content any more."""

    message_seq: int
    thread_root_seq: int | None = None


@dataclass(frozen=True, slots=True)
class MessageExpired(ChatEvent):
    """A message's time is over; it has no content any more."""

    message_seq: int
    thread_root_seq: int | None = None


@dataclass(frozen=True, slots=True)
class MessagePinned(ChatEvent):
    """A message is pinned from now on. It may be older than the stay of who hears of it."""

    message_seq: int


@dataclass(frozen=True, slots=True)
class MessageUnpinned(ChatEvent):
    """A message is not pinned any more."""

    message_seq: int


@dataclass(frozen=True, slots=True)
class ChatChanged(ChatEvent):
    """A chat has another title or description."""


@dataclass(frozen=True, slots=True)
class SessionStarted(PersonalEvent):
    """Somebody signed in on a device; `session` is None when that is forgotten already."""

    session: Session | None
    user: User


@dataclass(frozen=True, slots=True)
class SessionEnded(PersonalEvent):
    """Somebody signed out, or was signed out, on a device."""

    session_id: UUID


@dataclass(frozen=True, slots=True)
class ProfileChanged(PersonalEvent):
    """Somebody has another profile, or another handle; told to their own devices."""

    user: User


@dataclass(frozen=True, slots=True)
class SettingsChanged(PersonalEvent):
    """Somebody has other settings; with what of them says who hears what."""

    hides_receipts: bool


@dataclass(frozen=True, slots=True)
class BlocksChanged(PersonalEvent):
    """Somebody blocks this person now, or no longer."""

    user: User


@dataclass(frozen=True, slots=True)
class JoinRequestsChanged(PersonalEvent):
    """There are others than before who wait to be let into a chat."""

    chat_id: UUID


@dataclass(frozen=True, slots=True)
class FoldersChanged(PersonalEvent):
    """Somebody has other folders, or others in them."""


@dataclass(frozen=True, slots=True)
class ViewerMembershipChanged(PersonalEvent):
    """Somebody keeps a chat in another way, which they may have left since."""

    chat_id: UUID


@dataclass(frozen=True, slots=True)
class JoinRequestAnswered(PersonalEvent):
    """Somebody who asked to be let into a chat was let in, or was not."""

    request_id: UUID
    approved: bool


@dataclass(frozen=True, slots=True)
class MessageHidden(PersonalEvent):
    """Somebody does not want to see a message any more; told to their own devices."""

    chat_id: UUID
    message_seq: int


@dataclass(frozen=True, slots=True)
class HistoryCleared(PersonalEvent):
    """Somebody does not want to see a chat's messages up to one of them any more."""

    chat_id: UUID
    message_seq: int


@dataclass(frozen=True, slots=True)
class ScheduledMessagesChanged(PersonalEvent):
    """What somebody has scheduled for a chat is another, or was sent, or could not be."""

    chat_id: UUID


@dataclass(frozen=True, slots=True)
class DraftChanged(PersonalEvent):
    """What somebody has begun to write in a chat is another; `thread_root_seq` in its thread."""

    chat_id: UUID
    thread_root_seq: int | None


@dataclass(frozen=True, slots=True)
class ThreadChanged(PersonalEvent):
    """Somebody follows a thread, or does not any more, or has read further in it."""

    chat_id: UUID
    root_seq: int


@dataclass(frozen=True, slots=True)
class WebhookDisabled(PersonalEvent):
    """A webhook of somebody's is sent to no more: nothing has arrived for too long."""

    webhook_id: UUID


@dataclass(frozen=True, slots=True)
class ReceiptsAdvanced:
    """Somebody got further in a chat, in receiving or in reading; the latest of it wins."""

    chat: Chat
    user: User
    delivered_seq: int
    read_seq: int
    occurred_at: datetime
    hidden: bool = False  # by whom it is about

    @property
    def shown(self) -> bool:
        """Whether others hear of it: in a chat that is small enough, if it is not hidden."""
        return self.chat.member_count <= SHOWN_UP_TO and not self.hidden


# What a batch of the log consists of: events, then receipts.
Told = Event | ReceiptsAdvanced


@dataclass(frozen=True, slots=True)
class CursorAdvanced:
    """Nothing happened for a while: here is a fresh cursor."""


class ResyncReason(StrEnum):
    """Why what was missed cannot be told."""

    EXPIRED = "expired"
    LOG_REPLACED = "log_replaced"


@dataclass(frozen=True, slots=True)
class ResyncRequired:
    """What was missed is not in the log any more: fetch afresh, then subscribe anew."""

    reason: ResyncReason


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event with the cursor that resumes right after it, the same for everybody who gets it."""

    event: Told | CursorAdvanced | ResyncRequired
    cursor: Cursor
    # What groups of subscribers have made of it: see `realtime/groups.py`.
    renderings: Renderings = field(default_factory=dict, init=False, compare=False, repr=False)


def deliveries(told: Sequence[Told], start: Cursor, end: Cursor) -> list[Delivery]:
    """Return a whole batch between two places; the last of it has the later place as its cursor.

    Whoever is cut off before that gets the receipts of the batch again: the latest wins.
    """
    batch = []
    last_id = 0
    for number, each in enumerate(told, start=1):
        if isinstance(each, Event):
            last_id = each.id
        inside = Cursor(end.epoch, start.start, end.start, last_id)
        batch.append(Delivery(each, end if number == len(told) else inside))
    return batch
