"""What is told of a message to somebody whose history of the chat begins after it.

They hear that something happened to it, since a chat's events are numbered without gaps, and of the
message what is left of a deleted one: which it is, whose, and when it was written.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from uuid import UUID

from models.members import Member
from models.messages import without_content
from models.polls import NO_VOTES
from realtime.events import ChatEvent, Delivery, MessageEvent, MessageSent


def of_earlier(event: ChatEvent) -> int | None:
    """Return which message an event is about that may be from before somebody's stay.

    None for what is about no message, and for one that is sent: it is in the history of whoever
    hears it live.
    """
    if isinstance(event, MessageEvent) and not isinstance(event, MessageSent):
        return event.message.seq
    return None


def emptied(event: MessageEvent) -> MessageEvent:
    """Return an event about a message, without what the message says and what people made of it."""
    message = event.message
    left = without_content(message, message.deleted_at or message.created_at)
    return replace(
        event,
        message=replace(left, edited_at=None, mentions_all=False),
        reactions=(),
        subject=None,
        mentioned=(),
        tally=NO_VOTES,
        link_preview=None,
    )


def without_message(delivery: Delivery) -> Delivery:
    """Return the delivery of an event for all those who may not read the message it is about."""
    event = delivery.event
    return replace(delivery, event=emptied(event)) if isinstance(event, MessageEvent) else delivery


def as_in_stay(
    event: ChatEvent, present: Mapping[UUID, Member], stays: Collection[Member]
) -> ChatEvent:
    """Return an event as it is told within the stay that it belongs to.

    `present` are somebody's stays by chat, `stays` the past ones too of chats whose past it is.
    """
    if not isinstance(event, MessageEvent):
        return event
    stay = present.get(event.chat.id)
    if stay is None or event.seq < stay.joined_seq:
        stay = stay_of(event, stays)
    if stay is not None and event.message.seq < stay.first_message_seq:
        return emptied(event)
    return event


def stay_of(event: ChatEvent, stays: Collection[Member]) -> Member | None:
    """Return the past stay that an event belongs to."""
    for stay in stays:
        if (
            stay.chat_id == event.chat.id
            and stay.left_seq is not None
            and stay.joined_seq <= event.seq <= stay.left_seq
        ):
            return stay
    return None
