"""What of the log is told to somebody who may not see all of it.

Events show the present, and the present of a chat is for its members. So of an event from a stay
that has ended only that is told which cannot have changed since: of the chat which one it is and
since when it exists, of a message its text, its reactions and a poll's votes unless they changed
afterwards. And of a message from before a stay nothing is told: see `realtime/earlier.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from models import events as logged
from models import members
from models.chats import HistoryVisibility
from models.database import Connection
from models.events import Changes
from models.members import Member, Role
from models.messages import MessageKind
from models.polls import NO_VOTES
from realtime.earlier import as_in_stay, stay_of
from realtime.events import (
    ChatEvent,
    Event,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MemberSilenced,
    MessageEvent,
)

ABOUT_MEMBERS = MemberJoined | MemberLeft | MemberRoleChanged | MemberSilenced


async def veiled(connection: Connection, user_id: UUID, events: Sequence[Event]) -> Sequence[Event]:
    """Return events as somebody may see them who was in their chats when they happened.

    Read after the events: what was loaded of a chat in which the person still is was theirs to see,
    if it is not older than their stay.
    """
    chat_ids = {event.chat.id for event in events if isinstance(event, ChatEvent)}
    present = await members.of_chats(connection, user_id, chat_ids)
    past = of_past_stays(events, present)
    stays = await members.stays(connection, {(event.chat.id, user_id) for event in past})
    leavings = {
        (stay.chat_id, stay.left_seq)
        for event in past
        if (stay := needs_changes(event, user_id, stays)) and stay.left_seq is not None
    }
    changes = {place: await logged.changes_after(connection, *place) for place in leavings}
    return with_veils(events, user_id, present, stays, changes)


def of_past_stays(events: Sequence[Event], present: Mapping[UUID, Member]) -> Sequence[ChatEvent]:
    """Return those events that are of no present stay; `present` is by chat."""
    return [
        event
        for event in events
        if isinstance(event, ChatEvent)
        and ((stay := present.get(event.chat.id)) is None or event.seq < stay.joined_seq)
    ]


def needs_changes(event: ChatEvent, user_id: UUID, stays: Collection[Member]) -> Member | None:
    """Return the past stay of an event that shows what may have changed after it."""
    return stay_of(event, stays) if _may_have_changed(event, user_id) else None


def with_veils(
    events: Sequence[Event],
    user_id: UUID,
    present: Mapping[UUID, Member],
    stays: Collection[Member],
    changes: Mapping[tuple[UUID, int], Changes | None],
) -> Sequence[Event]:
    """Return events, those of past stays veiled, and messages from before their stays.

    `changes` is by chat and last event of a stay.
    """
    veils: dict[int, Event] = {
        event.id: as_in_stay(event, present, stays)
        for event in events
        if isinstance(event, ChatEvent)
    }
    for event in of_past_stays(events, present):
        stay = needs_changes(event, user_id, stays)
        known = None
        if stay is not None and stay.left_seq is not None:
            known = changes[stay.chat_id, stay.left_seq]
        gone = event.chat.id not in present
        veils[event.id] = veil(as_in_stay(event, present, stays), user_id, known, gone=gone)
    return [veils.get(event.id, event) for event in events]


def _may_have_changed(event: ChatEvent, user_id: UUID) -> bool:
    if isinstance(event, MessageEvent):
        polled = event.message.kind == MessageKind.POLL
        return event.message.edited_at is not None or bool(event.reactions) or polled
    return isinstance(event, ABOUT_MEMBERS) and event.user.id != user_id


def veil(
    event: ChatEvent, user_id: UUID, changes: Changes | None, *, gone: bool = True
) -> ChatEvent:
    """Return an event of a stay that has ended, without what changed since.

    `changes` says what did, None that nobody knows; `gone` that the person is not in the chat now.
    """
    if isinstance(event, MessageEvent):
        seq, message = event.message.seq, event.message
        if message.edited_at is not None and (changes is None or seq in changes.edited_seqs):
            hidden = replace(message, text="", edited_at=None, mentions_all=False)
            event = replace(event, message=hidden, mentioned=(), link_preview=None)
        if changes is None or seq in changes.reacted_seqs:
            event = replace(event, reactions=())
        if changes is None or seq in changes.polled_seqs:
            event = replace(event, tally=NO_VOTES)
    if not gone:
        return event
    if (
        isinstance(event, ABOUT_MEMBERS)
        and event.user.id != user_id
        and (changes is None or event.user.id in changes.user_ids)
    ):
        known = replace(event.membership, role=Role.MEMBER.value, silenced_until=None)
        event = replace(event, membership=known)
    chat = replace(
        event.chat,
        title=None,
        description=None,
        member_count=0,
        last_activity_at=event.occurred_at,
        history=HistoryVisibility.SINCE_JOINING.value,
        message_ttl=None,
        slow_mode=None,
        reaction_set=None,
        expired_seq=0,
    )
    return replace(event, chat=chat)
