"""Guests: people who come into one chat by a link, for as long as the link is open."""

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from accounts import tickets
from models import audit, chats, guests, members, users
from models.audit import Act as Done
from models.base import new_key
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound
from models.guests import Guest, GuestLink
from models.members import Role
from models.messages import SystemKind
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers import names
from resolvers.comings import tell
from resolvers.entering import enter
from resolvers.locked_chat import LockedChat, changing
from resolvers.members import end_stay
from resolvers.permissions import Act, allows, require
from resolvers.rates import Rate
from resolvers.services import ChatRules, Services, utc_now
from resolvers.sessions import SignedIn, device, end_all, open_session, signed_in, tell_ended

LINK_LIFETIME = timedelta(hours=24)  # unless another is asked for
MAX_LINK_LIFETIME = timedelta(days=7)
MAX_LINKS = 20  # open at once in a chat
MAX_USES = 10_000
REMOVED_AT_ONCE = 100


async def create_link(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    expires_at: datetime | None,
    max_uses: int | None,
    client: Client = NOWHERE,
) -> tuple[GuestLink, str]:
    """Open a way into a group; returns it with its token, which nobody can ask for again.

    Raises `NotFound`, `Forbidden`, `InvalidInput`, or `Conflict` when there are too many.
    """
    now = utc_now()
    expires_at = expires_at or now + LINK_LIFETIME
    if not now < expires_at <= now + MAX_LINK_LIFETIME:
        raise InvalidInput(
            f"A guest link lasts for {MAX_LINK_LIFETIME.days} days at most, from now on.",
            path=["expiresAt"],
        )
    if max_uses is not None and not 1 <= max_uses <= MAX_USES:
        raise InvalidInput(f"A guest link lets in 1 to {MAX_USES} people.", path=["maxUses"])
    token, hash_ = tickets.new()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.INVITE_GUESTS)
        if len(await guests.links_of(locked.connection, [chat_id], now)) >= MAX_LINKS:
            raise Conflict(f"A chat has {MAX_LINKS} open guest links at most: revoke one.")
        link = GuestLink(
            id=new_key(),
            chat_id=chat_id,
            created_by=viewer.user_id,
            created_at=now,
            expires_at=expires_at,
            max_uses=max_uses,
            uses=0,
            revoked_at=None,
        )
        await guests.create_link(locked.connection, link, hash_)
        await audit.record(
            locked.connection,
            Done.GUEST_LINK_CREATED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            details={"chat": str(chat_id), "link": str(link.id)},
        )
    return link, token


async def links(
    services: Services, viewer: Viewer, of_chats: Iterable[chats.Chat]
) -> dict[UUID, list[GuestLink]]:
    """Return the open links of those of the chats whose links are the viewer's to see."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of_chats}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [
            chat_id for chat_id, me in mine.items() if allows(by_id[chat_id], me, Act.INVITE_GUESTS)
        ]
        found: dict[UUID, list[GuestLink]] = {chat_id: [] for chat_id in seen}
        for link in await guests.links_of(connection, seen, utc_now()):
            found[link.chat_id].append(link)
    return found


async def revoke_link(
    services: Services, viewer: Viewer, *, link_id: UUID, client: Client = NOWHERE
) -> chats.Chat:
    """Close a link and take out who came by it; raises `NotFound`, also for who may not see it."""
    gone = NotFound("The guest link", path=["linkId"])
    now = utc_now()
    async with services.db.reading() as connection:
        link = await guests.link_by_id(connection, link_id, now)
    if link is None:
        raise gone
    try:
        async with changing(services, viewer, link.chat_id) as locked:
            if not allows(locked.chat, locked.me, Act.INVITE_GUESTS):
                raise gone
            await guests.revoke_link(locked.connection, link_id, now)
            await audit.record(
                locked.connection,
                Done.GUEST_LINK_REVOKED,
                now=now,
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
                details={"chat": str(link.chat_id), "link": str(link_id)},
            )
    except NotFound:
        raise gone from None
    await remove_ended(services, link_id=link_id)
    async with services.db.reading() as connection:
        return await chats.readable_by(connection, viewer.user_id, link.chat_id)


async def join(
    services: Services,
    *,
    token: str,
    display_name: str,
    device_name: str | None = None,
    client: Client = NOWHERE,
) -> SignedIn:
    """Come into a chat by a link, as somebody new; raises `NotFound` unless the link is open."""
    await services.rates.spend_from(Rate.JOIN_AS_GUEST_FROM_ADDRESS, client)
    name = names.display_name(display_name)
    device_called = device(device_name)
    closed = NotFound("The guest link", path=["token"])
    now = utc_now()
    async with services.db.reading() as connection:
        link = await guests.link_by_hash(connection, tickets.hashed(token), now)
    if link is None:
        raise closed
    user = User(
        id=new_key(),
        handle=names.GUEST_HANDLES + secrets.token_hex(8),
        display_name=name,
        email=None,
        is_admin=False,
        created_at=now,
        kind=UserKind.GUEST.value,
    )
    async with services.db.writing() as connection:
        await chats.lock(connection, [link.chat_id])
        # What a person must not do, whoever has a link of theirs must not: they may have it too.
        inviting = (await users.by_ids(connection, [link.created_by]))[link.created_by]
        if not inviting.may_sign_in or not await guests.use_link(connection, link.id, now):
            raise closed
        await users.create(connection, user, None)
        await _enter(services.chat_rules, connection, link, user, now)
        opened = await open_session(
            services,
            connection,
            user,
            device_name=device_called,
            client=client,
            now=now,
            expires_at=link.expires_at,
        )
        await audit.record(
            connection,
            Done.GUEST_JOINED,
            now=now,
            actor_id=user.id,
            session_id=opened.session.id,
            client=client,
            details={"chat": str(link.chat_id), "link": str(link.id)},
        )
    services.node.announce_log()
    return signed_in(services, opened)


async def _enter(
    rules: ChatRules, connection: Connection, link: GuestLink, user: User, now: datetime
) -> None:
    """Make somebody a guest of a locked chat, who sees it from now on; raises `ChatFull`."""
    chat = (await chats.by_ids(connection, [link.chat_id]))[link.chat_id]
    (stay,) = await enter(
        connection, rules, chat, [user.id], actor_id=user.id, now=now, role=Role.GUEST
    )
    locked = LockedChat(connection, chat, stay)
    await tell(locked, SystemKind.MEMBER_JOINED, [user.id], now=now)
    await guests.add(connection, Guest(user.id, link.id, chat.id, link.expires_at, None))


async def remove_ended(services: Services, *, link_id: UUID | None = None) -> int:
    """Take guests out whose stay is over, all or those of one link; returns how many went."""
    count = 0
    while True:
        async with services.db.reading() as connection:
            batch = await guests.ended(
                connection, utc_now(), limit=REMOVED_AT_ONCE, link_id=link_id
            )
        for guest in batch:
            await _remove(services, guest)
        count += len(batch)
        if len(batch) < REMOVED_AT_ONCE:
            return count


async def _remove(services: Services, guest: Guest) -> None:
    now = utc_now()
    async with services.db.writing() as connection:
        await chats.lock(connection, [guest.chat_id])
        if not await guests.removed(connection, guest.user_id, now):
            return  # another worker was faster
        chat = (await chats.by_ids(connection, [guest.chat_id]))[guest.chat_id]
        stay = (await members.among(connection, chat.id, [guest.user_id])).get(guest.user_id)
        if stay is None:
            ended = await end_all(connection, guest.user_id)
        else:
            locked = LockedChat(connection, chat, stay)
            ended = await end_stay(locked, stay, now=now)
            await tell(locked, SystemKind.MEMBER_LEFT, [guest.user_id], now=now)
        await audit.record(
            connection, Done.GUEST_REMOVED, now=now, actor_id=None, subject_id=guest.user_id
        )
    await tell_ended(services, ended)
