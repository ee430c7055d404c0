"""Coming into a chat, by whichever way: what is the same for all of them.

Who may come in is decided before, by whoever lets them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from models import (
    chat_acts,
    chats,
    events,
    join_requests,
    keepers,
    members,
    thread_reading,
)
from models.base import new_key
from models.chat_acts import ChatAct
from models.chats import Chat, ChatKind, HistoryVisibility
from models.database import Connection
from models.errors import ChatFull
from models.events import EventKind
from models.members import FIRST_EVENT_SEQ, Member, Role
from resolvers.joining import tell_keepers
from resolvers.services import ChatRules


def require_room(rules: ChatRules, kind: str, *, present: int, coming: int) -> None:
    """Raise `ChatFull` unless a chat of a kind takes so many more; the chat must be locked."""
    maximum = rules.max_channel_members if kind == ChatKind.CHANNEL else rules.max_group_members
    if coming and present + coming > maximum:
        raise ChatFull(maximum=maximum)


async def enter(
    connection: Connection,
    rules: ChatRules,
    chat: Chat,
    user_ids: Sequence[UUID],
    *,
    actor_id: UUID,
    now: datetime,
    role: Role = Role.MEMBER,
) -> list[Member]:
    """Make people who are not in a locked chat members of it, and return their stays.

    `chat` is as it was read under the lock. What binds somebody there binds them who comes back,
    and a chat without an owner has one again, if a person is in it. Raises `ChatFull`.
    """
    require_room(rules, chat.kind, present=chat.member_count, coming=len(user_ids))
    if not user_ids:
        return []
    earlier = await members.past(connection, chat.id, user_ids)
    await thread_reading.mark_all_read(connection, chat.id, user_ids)
    stays = []
    for user_id in user_ids:
        seq = await chats.next_event_seq(connection, chat.id)
        await events.record(
            connection,
            EventKind.MEMBER_JOINED,
            now=now,
            chat_id=chat.id,
            seq=seq,
            actor_id=actor_id,
            subject_id=user_id,
        )
        stay = _stay(chat, user_id, role, joined_seq=seq, now=now)
        if user_id in earlier:
            stay = _bound_as(stay, earlier[user_id])
        stays.append(stay)
    await members.add(connection, stays)
    await chats.change_member_count(connection, chat.id, len(stays))
    if await join_requests.drop_of_many(connection, chat.id, user_ids):
        await tell_keepers(connection, chat.id, now)
    heir = await _own(connection, chat, actor_id=actor_id, now=now)
    return [heir if heir and stay.id == heir.id else stay for stay in stays]


def _bound_as(stay: Member, earlier: Member) -> Member:
    """Return a stay of who is silenced and waits, in slow mode, as in an earlier one."""
    return replace(stay, silenced_until=earlier.silenced_until, last_sent_at=earlier.last_sent_at)


async def _own(
    connection: Connection, chat: Chat, *, actor_id: UUID, now: datetime
) -> Member | None:
    """Give a chat an owner whose owner left when there was nobody to own it; returns the new one.

    Bots and guests may have stayed, and their links open.
    """
    if await keepers.owner(connection, chat.id):
        return None
    heir = await keepers.heir(connection, chat.id)
    if heir is None:
        return None
    await members.change_role(connection, heir.id, Role.OWNER)
    await events.record(
        connection,
        EventKind.MEMBER_ROLE_CHANGED,
        now=now,
        chat_id=chat.id,
        seq=await chats.next_event_seq(connection, chat.id),
        actor_id=actor_id,
        subject_id=heir.user_id,
    )
    await chat_acts.record(
        connection,
        ChatAct.OWNERSHIP_TRANSFERRED,
        now=now,
        chat_id=chat.id,
        actor_id=actor_id,
        subject_id=heir.user_id,
    )
    return replace(heir, role=Role.OWNER.value)


def founders(chat: Chat, roles: Mapping[UUID, Role]) -> list[Member]:
    """Return the stays of those who are in a chat from its beginning."""
    return [
        _stay(chat, user_id, role, joined_seq=FIRST_EVENT_SEQ, now=chat.created_at)
        for user_id, role in roles.items()
    ]


def _stay(chat: Chat, user_id: UUID, role: Role, *, joined_seq: int, now: datetime) -> Member:
    # A guest is somebody whom nobody knows: what was said before is not for them.
    from_start = chat.history == HistoryVisibility.FROM_START and role is not Role.GUEST
    return Member(
        id=new_key(),
        chat_id=chat.id,
        user_id=user_id,
        role=role.value,
        joined_at=now,
        joined_seq=joined_seq,
        first_message_seq=1 if from_start else chat.last_message_seq + 1,
        joined_message_seq=chat.last_message_seq + 1 if from_start else None,
        left_seq=None,
        # What was there before is there to be read, and is not unread.
        delivered_seq=chat.last_message_seq,
        read_seq=chat.last_message_seq,
    )
