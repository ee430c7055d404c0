"""The door of a chat: who comes in by themselves, and who must not, whatever way they come.

Everybody who comes into a chat comes in under its lock, and bans are made under it: of a ban and a
joining in the same moment one is first, and the log tells it so. Either they are kept out, or they
came in and were taken out again.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from models import bans, chats, events, keepers
from models.chats import Chat
from models.database import Connection
from models.errors import Forbidden, NotFound
from models.events import EventKind
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
    for user_id in await keepers.of_chat(connection, chat_id, limit=KEEPERS_TOLD):
        await events.record(
            connection,
            EventKind.JOIN_REQUESTS_CHANGED,
            now=now,
            user_id=user_id,
            subject_id=chat_id,
        )
