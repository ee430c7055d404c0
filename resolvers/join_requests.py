"""Asking to be let into a chat, and the answer."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from models import bans, chats, events, join_requests, members, users
from models.chat_acts import ChatAct
from models.chats import Chat
from models.errors import Forbidden, NotFound
from models.events import EventKind
from models.join_requests import JoinRequest
from models.messages import SystemKind
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.comings import tell
from resolvers.entering import enter
from resolvers.join_links import MAX_ASKED
from resolvers.joining import at_the_door, tell_keepers
from resolvers.locked_chat import changing
from resolvers.permissions import Act, allows
from resolvers.services import Services, utc_now


async def answer(services: Services, viewer: Viewer, *, request_id: UUID, approve: bool) -> Chat:
    """Let somebody in who asked, or decline; returns the chat.

    Raises `NotFound`, also for who may not answer, and when it was answered or withdrawn already;
    `Forbidden` when they are banned or have no account any more, `ChatFull`.
    """
    gone = NotFound("The request", path=["requestId"])
    now = utc_now()
    async with services.db.reading() as connection:
        request = await join_requests.pending(connection, request_id)
    if request is None:
        raise gone
    try:
        async with changing(services, viewer, request.chat_id) as locked:
            connection = locked.connection
            if not allows(locked.chat, locked.me, Act.ANSWER_JOIN_REQUESTS):
                raise gone
            if await join_requests.pending(connection, request_id) is None:
                raise gone
            if approve:
                asking = (await users.by_ids(connection, [request.user_id]))[request.user_id]
                banned = await bans.among(connection, request.chat_id, [request.user_id], now)
                if banned or not asking.may_sign_in:
                    raise Forbidden("They cannot be let in any more.", path=["requestId"])
                await enter(
                    connection,
                    services.chat_rules,
                    locked.chat,
                    [request.user_id],
                    actor_id=viewer.user_id,
                    now=now,
                )
                await tell(locked, SystemKind.MEMBER_ADDED, [request.user_id], now=now)
            else:
                await join_requests.decline(connection, request_id, now)
                await tell_keepers(connection, request.chat_id, now)
            await events.record(
                connection,
                EventKind.JOIN_REQUEST_APPROVED if approve else EventKind.JOIN_REQUEST_DECLINED,
                now=now,
                user_id=request.user_id,
                subject_id=request_id,
            )
            await note(
                locked,
                ChatAct.JOIN_REQUEST_APPROVED if approve else ChatAct.JOIN_REQUEST_DECLINED,
                now=now,
                subject_id=request.user_id,
            )
            return await chats.readable_by(connection, viewer.user_id, request.chat_id)
    except NotFound:
        raise gone from None


async def withdraw(services: Services, viewer: Viewer, *, request_id: UUID) -> None:
    """Take one's own request back; raises `NotFound`, also when it was answered already."""
    gone = NotFound("The request", path=["requestId"])
    now = utc_now()
    async with services.db.reading() as connection:
        request = await join_requests.pending(connection, request_id)
    if request is None or request.user_id != viewer.user_id:
        raise gone
    async with at_the_door(services, request.chat_id) as (connection, _):
        if await join_requests.pending(connection, request_id) is None:
            raise gone
        await join_requests.drop(connection, request.chat_id, viewer.user_id)
        await tell_keepers(connection, request.chat_id, now)


async def own(services: Services, viewer: Viewer) -> Sequence[JoinRequest]:
    """Return the viewer's requests that wait for an answer, the newest first."""
    async with services.db.reading() as connection:
        return await join_requests.pending_of_user(connection, viewer.user_id, limit=MAX_ASKED)


async def titles(services: Services, requests: Sequence[JoinRequest]) -> Mapping[UUID, str | None]:
    """Return what the chats are called into which people ask to be let, by chat.

    Whoever asks has read it at the link, and whoever answers is in the chat.
    """
    async with services.db.reading() as connection:
        rows = await chats.by_ids(connection, {request.chat_id for request in requests})
    return {chat_id: chat.title for chat_id, chat in rows.items()}


async def pages(
    services: Services,
    viewer: Viewer,
    of_chats: Sequence[Chat],
    *,
    after: UUID | None,
    limit: int,
) -> dict[UUID, list[JoinRequest]]:
    """Return who waits to be let into those of the chats for which the viewer may answer."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of_chats}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [id_ for id_, me in mine.items() if allows(by_id[id_], me, Act.ANSWER_JOIN_REQUESTS)]
        return await join_requests.pages(connection, seen, after=after, limit=limit)
