"""What is told of a chat to somebody who is not in it any more.

Events show the present, and the present of a chat is for its members. So of an event from a stay
that has ended only that is told which cannot have changed since: of the chat which one it is and
since when it exists, of a message its text and its reactions unless they changed afterwards.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from models import events as logged
from models import members
from models.database import Connection
from models.events import Changes
from models.members import Member, Role
from realtime.events import (
    ChatEvent,
    Event,
    MemberJoined,
    MemberLeft,
    MemberRoleChanged,
    MessageEvent,
)

ABOUT_MEMBERS = MemberJoined | MemberLeft | MemberRoleChanged


async def veiled(connection: Connection, user_id: UUID, events: Sequence[Event]) -> Sequence[Event]:
    """Return events as somebody may see them who was in their chats when they happened.

    Read after the events: what was loaded of a chat in which the person still is was theirs to see.
    """
    of_chats = [event for event in events if isinstance(event, ChatEvent)]
    present = await members.of_chats(connection, user_id, {event.chat.id for event in of_chats})
    past = [
        event
        for event in of_chats
        if (stay := present.get(event.chat.id)) is None or event.seq < stay.joined_seq
    ]
    if not past:
        return events
    changes = await _changes(connection, user_id, past)
    veils = {
        event.id: veil(event, user_id, changes[event.id], gone=event.chat.id not in present)
        for event in past
    }
    return [veils.get(event.id, event) for event in events]


async def _changes(
    connection: Connection, user_id: UUID, events: Sequence[ChatEvent]
) -> dict[int, Changes | None]:
    """Return what changed in each event's chat after the stay that it belongs to, by event."""
    stays = await members.stays(connection, {(event.chat.id, user_id) for event in events})
    known: dict[tuple[UUID, int], Changes | None] = {}
    found: dict[int, Changes | None] = {}
    for event in events:
        left_seq = _left_seq(event, stays)
        if left_seq is None or not _may_have_changed(event, user_id):
            found[event.id] = None
            continue
        place = (event.chat.id, left_seq)
        if place not in known:
            known[place] = await logged.changes_after(connection, *place)
        found[event.id] = known[place]
    return found


def _left_seq(event: ChatEvent, stays: Collection[Member]) -> int | None:
    for stay in stays:
        if (
            stay.chat_id == event.chat.id
            and stay.left_seq is not None
            and stay.joined_seq <= event.seq <= stay.left_seq
        ):
            return stay.left_seq
    return None


def _may_have_changed(event: ChatEvent, user_id: UUID) -> bool:
    if isinstance(event, MessageEvent):
        return event.message.edited_at is not None or bool(event.reactions)
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
            event = replace(event, message=replace(message, text="", edited_at=None))
        if changes is None or seq in changes.reacted_seqs:
            event = replace(event, reactions=())
    if not gone:
        return event
    if (
        isinstance(event, ABOUT_MEMBERS)
        and event.user.id != user_id
        and (changes is None or event.user.id in changes.user_ids)
    ):
        event = replace(event, membership=replace(event.membership, role=Role.MEMBER.value))
    chat = replace(
        event.chat,
        title=None,
        description=None,
        member_count=0,
        last_activity_at=event.occurred_at,
    )
    return replace(event, chat=chat)
