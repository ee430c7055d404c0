"""Keeping people out of a chat, or quiet in it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from models import bans, chats, join_requests, members, users
from models.bans import MAX_REASON, Ban
from models.chat_acts import ChatAct
from models.chats import Chat
from models.errors import Conflict, InvalidInput, NotFound
from models.events import EventKind
from models.members import FOR_EVER, Member
from models.messages import SystemKind
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.comings import tell
from resolvers.joining import tell_keepers
from resolvers.locked_chat import LockedChat, changing
from resolvers.members import end_stay
from resolvers.permissions import Act, allows, require, require_above
from resolvers.services import Services, utc_now
from resolvers.sessions import tell_ended
from resolvers.shutting_out import bots_there, close_all_of
from resolvers.text import checked

MAX_BANS = 10_000  # of a chat


async def ban(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    user_id: UUID,
    reason: str | None,
    until: datetime | None,
) -> tuple[Chat, Ban]:
    """Keep somebody out of a chat, and take them out who is in it; also before they ever came.

    The ways in that they have made for others close too: they might come by them under another
    name. Their programs read and write there no more: their bots are taken out, their incoming
    webhooks closed, and the chat is taken out of webhooks that they have made.

    Raises `NotFound`, `Forbidden`, `InvalidInput`, or `Conflict` when there are too many.
    """
    now = utc_now()
    if reason is not None:
        reason = checked(
            reason, what="The reason", maximum=MAX_REASON, path=["reason"], empty_ok=True
        )
    _require_future(until, now, "A ban")
    if user_id == viewer.user_id:
        raise InvalidInput("Nobody bans themselves.", path=["userId"])
    ended: list[UUID] = []
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.BAN_MEMBERS)
        connection = locked.connection
        subject = await _subject(locked, viewer, user_id)
        if await bans.count(connection, chat_id, now) >= MAX_BANS:
            raise Conflict(f"A chat has {MAX_BANS} bans at most: lift one.")
        made = await bans.put(
            connection,
            chat_id=chat_id,
            user_id=user_id,
            by=viewer.user_id,
            reason=reason or None,
            until=until,
            now=now,
        )
        if subject is not None:
            ended = await end_stay(locked, subject, now=now)
        theirs = await bots_there(locked, user_id)
        for each in theirs:
            await end_stay(locked, each, now=now)
        gone = [each.user_id for each in (subject, *theirs) if each is not None]
        await tell(locked, SystemKind.MEMBER_REMOVED, gone, now=now)
        if await join_requests.of_pair(connection, chat_id, user_id):
            await join_requests.drop(connection, chat_id, user_id)
            await tell_keepers(connection, chat_id, now)
        left = await close_all_of(locked, viewer, user_id, now=now)
        await note(
            locked,
            ChatAct.MEMBER_BANNED,
            now=now,
            subject_id=user_id,
            details={"until": until.isoformat() if until else None},
        )
        chat = await chats.readable_by(connection, viewer.user_id, chat_id)
    await tell_ended(services, ended)
    await left.clear_away(services, by=viewer)
    return chat, made


async def unban(services: Services, viewer: Viewer, *, chat_id: UUID, user_id: UUID) -> Chat:
    """Let somebody come into a chat again; who is not banned stays as they are.

    Raises `NotFound` or `Forbidden`.
    """
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.BAN_MEMBERS)
        if await bans.lift(locked.connection, chat_id, user_id):
            await note(locked, ChatAct.MEMBER_UNBANNED, now=now, subject_id=user_id)
        elif not await users.visible_to(locked.connection, viewer, [user_id]):
            raise NotFound("The person", path=["userId"])
        return locked.chat


async def silence(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    user_id: UUID,
    until: datetime | None,
) -> tuple[Chat, Member]:
    """Have a member only read until a moment, or until somebody lets them write again.

    Raises `NotFound`, `Forbidden` or `InvalidInput`.
    """
    now = utc_now()
    _require_future(until, now, "Silence")
    return await _set_silence(services, viewer, chat_id, user_id, until or FOR_EVER, now)


async def unsilence(
    services: Services, viewer: Viewer, *, chat_id: UUID, user_id: UUID
) -> tuple[Chat, Member]:
    """Let a member write again; who may anyway stays as they are. Raises as `silence` does."""
    return await _set_silence(services, viewer, chat_id, user_id, None, utc_now())


async def _set_silence(
    services: Services,
    viewer: Viewer,
    chat_id: UUID,
    user_id: UUID,
    until: datetime | None,
    now: datetime,
) -> tuple[Chat, Member]:
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.MODERATE)
        subject = (await members.among(locked.connection, chat_id, [user_id])).get(user_id)
        if subject is None:
            raise NotFound("The member", path=["userId"])
        require_above(locked.me, subject, path=["userId"])
        if subject.silenced_until != until:
            await members.silence(locked.connection, subject.id, until)
            await locked.record(EventKind.MEMBER_SILENCED, subject_id=user_id, now=now)
            await note(
                locked,
                ChatAct.MEMBER_SILENCED if until else ChatAct.MEMBER_UNSILENCED,
                now=now,
                subject_id=user_id,
                details={"until": until.isoformat()} if until and until < FOR_EVER else None,
            )
        present = await members.among(locked.connection, chat_id, [user_id])
        chat = await chats.readable_by(locked.connection, viewer.user_id, chat_id)
    return chat, present[user_id]


async def pages(
    services: Services,
    viewer: Viewer,
    of_chats: Sequence[Chat],
    *,
    after: UUID | None,
    limit: int,
) -> dict[UUID, list[Ban]]:
    """Return the bans, the newest first, of those of the chats in which the viewer may ban."""
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of_chats}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        seen = [id_ for id_, me in mine.items() if allows(by_id[id_], me, Act.BAN_MEMBERS)]
        return await bans.pages(connection, seen, utc_now(), after=after, limit=limit)


async def _subject(locked: LockedChat, viewer: Viewer, user_id: UUID) -> Member | None:
    """Return the stay of who is to be banned, None if they are not in the chat.

    Raises `NotFound` for whom the viewer may not see, `Forbidden` unless the viewer is above them.
    """
    found = await members.among(locked.connection, locked.chat.id, [user_id])
    if user_id in found:
        require_above(locked.me, found[user_id], path=["userId"])
        return found[user_id]
    # Whoever asks to be let in is seen by those who answer, even if they hide from everybody else.
    asking = await join_requests.of_pair(locked.connection, locked.chat.id, user_id)
    if asking is None and not await users.visible_to(locked.connection, viewer, [user_id]):
        raise NotFound("The person", path=["userId"])
    return None


def _require_future(until: datetime | None, now: datetime, what: str) -> None:
    if until is not None and not now < until < FOR_EVER:
        raise InvalidInput(f"{what} ends in the future.", path=["until"])
