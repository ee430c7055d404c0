"""Links into chats for people with an account, and coming in by one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from accounts import tickets
from models import bans, chats, join_links, join_requests, members, users
from models.base import new_key
from models.chat_acts import ChatAct
from models.chats import Chat
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound, RateLimited
from models.join_links import MAX_NAME, JoinLink
from models.join_requests import JoinRequest
from models.messages import SystemKind
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.comings import tell
from resolvers.entering import enter
from resolvers.joining import at_the_door, tell_keepers
from resolvers.locked_chat import LockedChat, changing
from resolvers.permissions import Act, allows, require
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.text import line

MAX_LINKS = 50  # open at once in a chat
MAX_USES = 100_000
MAX_LIFETIME = timedelta(days=366)  # of a link that expires; one may also never
MAX_PENDING = 1000  # requests that wait for an answer of one chat
MAX_ASKED = 50  # requests of one person that wait for an answer
DECLINED_FOR = timedelta(days=7)  # then who was declined may ask again


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of somebody who came by a link: they are in the chat, or they have asked."""

    chat: Chat | None = None
    request: JoinRequest | None = None


async def create(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    name: str | None,
    expires_at: datetime | None,
    max_uses: int | None,
    requires_approval: bool,
) -> tuple[JoinLink, str]:
    """Open a way into a chat; returns it with its token, which nobody can ask for again.

    Raises `NotFound`, `Forbidden`, `InvalidInput`, or `Conflict` when there are too many.
    """
    now = utc_now()
    if name is not None:
        name = line(name, what="The name", maximum=MAX_NAME, path=["name"])
    if expires_at is not None and not now < expires_at <= now + MAX_LIFETIME:
        raise InvalidInput(
            f"A link that expires lasts for {MAX_LIFETIME.days} days at most, from now on.",
            path=["expiresAt"],
        )
    if max_uses is not None and not 1 <= max_uses <= MAX_USES:
        raise InvalidInput(f"A link lets in 1 to {MAX_USES} people.", path=["maxUses"])
    token, hash_ = tickets.new()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.INVITE)
        if len(await join_links.open_of(locked.connection, [chat_id], now)) >= MAX_LINKS:
            raise Conflict(f"A chat has {MAX_LINKS} open links at most: revoke one.")
        link = JoinLink(
            id=new_key(),
            chat_id=chat_id,
            created_by=viewer.user_id,
            name=name,
            created_at=now,
            expires_at=expires_at,
            max_uses=max_uses,
            uses=0,
            requires_approval=requires_approval,
            revoked_at=None,
        )
        await join_links.create(locked.connection, link, hash_)
        await note(locked, ChatAct.JOIN_LINK_CREATED, now=now, details={"link": str(link.id)})
    return link, token


async def of_chats(
    services: Services, viewer: Viewer, asked: Iterable[Chat]
) -> dict[UUID, list[JoinLink]]:
    """Return the open links of those of the chats into which the viewer may invite."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in asked}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [id_ for id_, me in mine.items() if allows(by_id[id_], me, Act.INVITE)]
        found: dict[UUID, list[JoinLink]] = {chat_id: [] for chat_id in seen}
        for link in await join_links.open_of(connection, seen, utc_now()):
            found[link.chat_id].append(link)
    return found


async def revoke(services: Services, viewer: Viewer, *, link_id: UUID) -> Chat:
    """Close a link; who came by it stays. Raises `NotFound`, also for who may not see it."""
    gone = NotFound("The link", path=["linkId"])
    now = utc_now()
    async with services.db.reading() as connection:
        link = await join_links.by_id(connection, link_id, now)
    if link is None:
        raise gone
    try:
        async with changing(services, viewer, link.chat_id) as locked:
            if not allows(locked.chat, locked.me, Act.INVITE):
                raise gone
            await join_links.revoke(locked.connection, link_id, now)
            await note(locked, ChatAct.JOIN_LINK_REVOKED, now=now, details={"link": str(link_id)})
            return locked.chat
    except NotFound:
        raise gone from None


async def preview(
    services: Services, viewer: Viewer, *, token: str
) -> tuple[JoinLink, Chat] | None:
    """Return where a link leads to; None unless it would let the viewer in, or ask.

    A link that never was, is closed, used up, or leads to where the viewer is banned: all of these
    look the same.
    """
    now = utc_now()
    async with services.db.reading() as connection:
        link = await join_links.by_hash(connection, tickets.hashed(token), now)
        if link is None:
            return None
        if not await members.of_chats(connection, viewer.user_id, [link.chat_id]) and (
            link.is_full or not await _welcome(connection, link, viewer.user_id, now)
        ):
            return None
        return link, (await chats.by_ids(connection, [link.chat_id]))[link.chat_id]


async def join(services: Services, viewer: Viewer, *, token: str) -> Joined:
    """Come into a chat by a link, or ask to be let in where the link says so.

    Who is in it already stays as they are; who has asked already has asked. Raises `NotFound`
    unless `preview` would have shown the chat, `RateLimited` for who was declined lately, or
    `Conflict` where too many wait for an answer.
    """
    await services.rates.spend(Rate.ASK_TO_JOIN, str(viewer.user_id))
    closed = NotFound("The link", path=["token"])
    now = utc_now()
    async with services.db.reading() as connection:
        link = await join_links.by_hash(connection, tickets.hashed(token), now)
    if link is None:
        raise closed
    async with at_the_door(services, link.chat_id) as (connection, chat):
        if await members.of_chats(connection, viewer.user_id, [chat.id]):
            return Joined(chat=chat)
        if not await _welcome(connection, link, viewer.user_id, now):
            raise closed
        if link.requires_approval:
            return Joined(request=await _ask(connection, link, viewer, now))
        if not await join_links.use(connection, link.id, now):
            raise closed
        (stay,) = await enter(
            connection,
            services.chat_rules,
            chat,
            [viewer.user_id],
            actor_id=viewer.user_id,
            now=now,
        )
        locked = LockedChat(connection, chat, stay)
        await tell(locked, SystemKind.MEMBER_JOINED, [viewer.user_id], now=now)
        return Joined(chat=await chats.readable_by(connection, viewer.user_id, chat.id))


async def _welcome(connection: Connection, link: JoinLink, user_id: UUID, now: datetime) -> bool:
    """Whether a link is good for somebody, its uses aside.

    What a person must not do, whoever has a link of theirs must not: they may have it too.
    """
    if await bans.among(connection, link.chat_id, [user_id], now):
        return False
    return (await users.by_ids(connection, [link.created_by]))[link.created_by].may_sign_in


async def _ask(
    connection: Connection, link: JoinLink, viewer: Viewer, now: datetime
) -> JoinRequest:
    """Return a request that waits, made now unless there is one. A use of the link is counted."""
    earlier = await join_requests.of_pair(connection, link.chat_id, viewer.user_id)
    if earlier is not None and earlier.declined_at is None:
        return earlier
    if earlier is not None and earlier.declined_at is not None:
        again = earlier.declined_at + DECLINED_FOR
        if now < again:
            raise RateLimited(retry_after=int((again - now).total_seconds()) + 1)
        await join_requests.drop(connection, link.chat_id, viewer.user_id)
    if not await join_links.use(connection, link.id, now):
        raise NotFound("The link", path=["token"])
    if await join_requests.count_pending(connection, link.chat_id) >= MAX_PENDING:
        raise Conflict("Too many wait to be let into this chat; try again later.")
    own = await join_requests.pending_of_user(connection, viewer.user_id, limit=MAX_ASKED)
    if len(own) == MAX_ASKED:
        raise Conflict(f"You have asked {MAX_ASKED} chats to let you in: withdraw one.")
    request = JoinRequest(
        id=new_key(),
        chat_id=link.chat_id,
        user_id=viewer.user_id,
        link_id=link.id,
        created_at=now,
        declined_at=None,
    )
    await join_requests.create(connection, request)
    await tell_keepers(connection, link.chat_id, now)
    return request
