"""Bots: programs with accounts of their own, and the tokens that their owners make for them."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from accounts import bot_tokens
from models import audit, bots, chats, events, incoming_webhooks, members, sessions, users
from models.audit import Act
from models.base import new_key
from models.bots import MAX_DESCRIPTION, Bot, BotScope, BotToken
from models.client import NOWHERE, Client
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound
from models.events import EventKind
from models.sessions import Session
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers import names
from resolvers.locked_chat import LockedChat
from resolvers.members import go
from resolvers.names import MAX_NAME
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended
from resolvers.text import checked, line

MAX_BOTS = 20  # of one person
MAX_TOKENS = 10  # live ones of one bot
# The session of a token that does not expire has to have an end as well.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


async def create(
    services: Services,
    viewer: Viewer,
    *,
    handle: str,
    display_name: str,
    scopes: Sequence[BotScope],
    description: str | None,
    client: Client = NOWHERE,
) -> tuple[Bot, User]:
    """Create a bot of the viewer's; raises `HandleTaken`, `InvalidInput` or `Conflict`."""
    now = utc_now()
    user = User(
        id=new_key(),
        handle=names.new_handle(handle),
        display_name=names.display_name(display_name),
        email=None,
        is_admin=False,
        created_at=now,
        kind=UserKind.BOT.value,
    )
    bot = Bot(
        user_id=user.id,
        owner_id=viewer.user_id,
        description=_description(description),
        scopes=_scopes(scopes),
        created_at=now,
    )
    async with services.db.writing() as connection:
        # Two at once see each other's bots only behind a lock on whose they are.
        await users.lock(connection, viewer.user_id)
        if len(await bots.of_owner(connection, viewer.user_id)) >= MAX_BOTS:
            raise Conflict(f"Nobody has more than {MAX_BOTS} bots: delete one first.")
        await users.create(connection, user, None)
        await bots.create(connection, bot)
        await audit.record(
            connection,
            Act.BOT_CREATED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=user.id,
            details={"scopes": bot.scopes},
        )
    return bot, user


async def of_viewer(services: Services, viewer: Viewer) -> Sequence[tuple[Bot, User]]:
    """Return the viewer's bots, the oldest first."""
    async with services.db.reading() as connection:
        return await bots.of_owner(connection, viewer.user_id)


async def tokens(
    services: Services, viewer: Viewer, bot_ids: Iterable[UUID]
) -> dict[UUID, list[BotToken]]:
    """Return the live tokens of those of the bots that are the viewer's, by bot."""
    async with services.db.reading() as connection:
        mine = {bot.user_id for bot, _ in await bots.of_owner(connection, viewer.user_id)}
        return await bots.tokens_of(connection, mine & set(bot_ids), utc_now())


async def create_token(
    services: Services,
    viewer: Viewer,
    *,
    bot_id: UUID,
    name: str,
    scopes: Sequence[BotScope],
    expires_at: datetime | None,
    client: Client = NOWHERE,
) -> tuple[BotToken, str]:
    """Make a token for a bot of the viewer's; returns it with its text, which is shown once.

    There is none for the bot of an incoming webhook: its role, an admin's in a channel, was given
    to what is posted there, and its maker may have lost theirs.

    Raises `NotFound`, `InvalidInput` or `Conflict`.
    """
    now = utc_now()
    name = line(name, what="The name", maximum=MAX_NAME, path=["name"])
    wanted = _scopes(scopes)
    if expires_at is not None and not now < expires_at < NEVER:
        raise InvalidInput("A token expires in the future.", path=["expiresAt"])
    text, hash_ = bot_tokens.new()
    token = BotToken(
        id=new_key(),
        bot_id=bot_id,
        name=name,
        scopes=wanted,
        created_at=now,
        last_used_at=None,
        expires_at=expires_at,
        revoked_at=None,
    )
    session = Session(
        id=token.id,
        user_id=bot_id,
        device_name=name,
        created_at=now,
        last_seen_at=now,
        expires_at=expires_at or NEVER,
        revoked_at=None,
        confirmed_at=now,
    )
    async with services.db.writing() as connection:
        mine = await bots.owned(connection, viewer.user_id, bot_id, lock=True)
        if mine is None or await incoming_webhooks.has_bot(connection, bot_id):
            raise NotFound("The bot", path=["botId"])
        if not bots.split(wanted) <= bots.split(mine[0].scopes):
            raise InvalidInput(
                f"The bot has these scopes alone: {mine[0].scopes}.", path=["scopes"]
            )
        if len((await bots.tokens_of(connection, [bot_id], now))[bot_id]) >= MAX_TOKENS:
            raise Conflict(f"A bot has {MAX_TOKENS} tokens at most: revoke one first.")
        await bots.create_token(connection, token, hash_)
        # What nothing hashes to: this session is never refreshed.
        await sessions.create(connection, session, secrets.token_bytes(32))
        await audit.record(
            connection,
            Act.BOT_TOKEN_CREATED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=bot_id,
            details={"token": str(token.id), "scopes": wanted},
        )
    return token, text


async def revoke_token(
    services: Services, viewer: Viewer, *, token_id: UUID, client: Client = NOWHERE
) -> tuple[Bot, User]:
    """End a token of a bot of the viewer's, with its sockets; returns the bot.

    Raises `NotFound`, also for a token that has been revoked before.
    """
    now = utc_now()
    gone = NotFound("The token", path=["tokenId"])
    async with services.db.writing() as connection:
        token = await bots.token_owned(connection, viewer.user_id, token_id)
        if token is None or not await bots.revoke_token(connection, token_id, now):
            raise gone
        bot = await bots.owned(connection, viewer.user_id, token.bot_id)
        if bot is None:
            raise gone
        await sessions.revoke(connection, token_id, now)
        await events.record(
            connection,
            EventKind.SESSION_ENDED,
            now=now,
            user_id=token.bot_id,
            subject_id=token_id,
        )
        await audit.record(
            connection,
            Act.BOT_TOKEN_REVOKED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=token.bot_id,
            details={"token": str(token_id)},
        )
    await tell_ended(services, [token_id])
    return bot


async def delete(
    services: Services, viewer: Viewer, *, bot_id: UUID, client: Client = NOWHERE
) -> None:
    """Close a bot of the viewer's for good: its tokens end, it leaves its chats, its words stay.

    Raises `NotFound`.
    """
    async with services.db.writing() as connection:
        if await bots.owned(connection, viewer.user_id, bot_id, lock=True) is None:
            raise NotFound("The bot", path=["botId"])
        closed = await _close(
            connection, bot_id, by=viewer.user_id, session_id=viewer.session_id, client=client
        )
    await _tell_closed(services, closed)


async def close(services: Services, bot_id: UUID, *, by: Viewer, client: Client = NOWHERE) -> None:
    """Close a bot for good, whosever it is, for a use-case that has checked who asks."""
    async with services.db.writing() as connection:
        closed = await _close(
            connection, bot_id, by=by.user_id, session_id=by.session_id, client=client
        )
    await _tell_closed(services, closed)


async def delete_all(services: Services, owner_id: UUID) -> None:
    """Close a person's bots for good; for the end of their own account."""
    async with services.db.writing() as connection:
        await users.lock(connection, owner_id)
        closed = [
            await _close(connection, bot_id, by=owner_id)
            for bot_id in await bots.ids_of_owner(connection, owner_id)
        ]
    for each in closed:
        await _tell_closed(services, each)


@dataclass(frozen=True, slots=True)
class _Closed:
    bot_id: UUID
    ended: Sequence[UUID]  # sessions
    chats: Sequence[UUID]


async def _close(
    connection: Connection,
    bot_id: UUID,
    *,
    by: UUID,
    session_id: UUID | None = None,
    client: Client = NOWHERE,
) -> _Closed:
    now = utc_now()
    await users.close(connection, bot_id, now)
    await bots.revoke_tokens(connection, bot_id, now)
    ended = await end_all(connection, bot_id)
    await audit.record(
        connection,
        Act.BOT_DELETED,
        now=now,
        actor_id=by,
        session_id=session_id,
        client=client,
        subject_id=bot_id,
    )
    return _Closed(bot_id, ended, list(await members.of_user(connection, bot_id)))


async def _tell_closed(services: Services, closed: _Closed) -> None:
    await tell_ended(services, closed.ended)
    # Each chat by itself: nobody waits for the locks of all of them.
    for chat_id in closed.chats:
        await _leave(services, closed.bot_id, chat_id)


async def _leave(services: Services, bot_id: UUID, chat_id: UUID) -> None:
    now = utc_now()
    async with services.db.writing() as connection:
        await chats.lock(connection, [chat_id])
        chat = (await chats.by_ids(connection, [chat_id]))[chat_id]
        stay = (await members.among(connection, chat_id, [bot_id])).get(bot_id)
        # A direct chat is two people's for good.
        if stay is None or chat.kind not in (chats.ChatKind.GROUP, chats.ChatKind.CHANNEL):
            return
        await go(LockedChat(connection, chat, stay), now=now)
    services.node.announce_log()


def _scopes(scopes: Sequence[BotScope]) -> str:
    if not scopes:
        raise InvalidInput("Name at least one scope.", path=["scopes"])
    return bots.joined(scopes)


def _description(description: str | None) -> str | None:
    if description is None:
        return None
    return checked(
        description,
        what="The description",
        maximum=MAX_DESCRIPTION,
        path=["description"],
        empty_ok=True,
    )
