"""The door of a chat: who comes in by themselves, and who must not, whatever way they come.

Everybody who comes into a chat comes in under its lock, and bans are made under it: of a ban and a
joining in the same moment one is first, and the log tells it so. Either they are kept out, or they
came in and were taken out again.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from models import bans, chats, events, join_requests, members
from models.base import new_key
from models.chats import Chat, HistoryVisibility
from models.database import Connection
from models.errors import Forbidden, NotFound
from models.events import EventKind
from models.members import Member, Role
from resolvers.services import Services

KEEPERS_TOLD = 50  # of who asks to come in; each is a row in the log


@asynccontextmanager
async def at_the_door(services: Services, chat_id: UUID) -> AsyncIterator[tuple[Connection, Chat]]:
    """Yield a chat, locked until the commit at the end of the block, for who is not in it.

    Raises `NotFound`. Whoever has got a chat's id this way has been given it by a link.
    """
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        chat = (await chats.by_ids(connection, [chat_id])).get(chat_id)
        if chat is None:
            raise NotFound("The chat")
        yield connection, chat
    services.node.announce_log()


async def enter(
    connection: Connection, chat: Chat, user_id: UUID, *, actor_id: UUID, now: datetime
) -> Member:
    """Make somebody, who is neither in it nor banned, a member of a locked chat."""
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
    from_start = chat.history == HistoryVisibility.FROM_START
    stay = Member(
        id=new_key(),
        chat_id=chat.id,
        user_id=user_id,
        role=Role.MEMBER.value,
        joined_at=now,
        joined_seq=seq,
        first_message_seq=1 if from_start else chat.last_message_seq + 1,
        left_seq=None,
        delivered_seq=chat.last_message_seq,
        read_seq=chat.last_message_seq,
        all_mentions_read=chat.all_mentions,
    )
    await members.add(connection, [stay])
    await chats.change_member_count(connection, chat.id, 1)
    await join_requests.drop(connection, chat.id, user_id)
    return stay


async def require_not_banned(
    connection: Connection,
    chat_id: UUID,
    user_ids: Collection[UUID],
    now: datetime,
    *,
    path: Sequence[str],
) -> None:
    """Raise `Forbidden` if one of those who are to be let into a locked chat is banned from it."""
    if await bans.among(connection, chat_id, user_ids, now):
        raise Forbidden("One of the people is banned from this chat.", path=path)


async def tell_keepers(connection: Connection, chat_id: UUID, now: datetime) -> None:
    """Tell those who answer join requests that there are others now than before."""
    for user_id in await members.keepers(connection, chat_id, limit=KEEPERS_TOLD):
        await events.record(
            connection,
            EventKind.JOIN_REQUESTS_CHANGED,
            now=now,
            user_id=user_id,
            subject_id=chat_id,
        )
