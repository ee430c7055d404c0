"""Webhooks that come in: a program posts a text to a URL, and a bot of its own sends it on.

The bot is a member like others, so that everybody sees who is there, and what it sends goes the way
of all messages: filters, limits and the log know no difference.
"""

import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID, uuid4

from accounts import hook_tokens
from models import audit, bots, chats, incoming_webhooks, members, users
from models.audit import Act as Done
from models.base import new_key
from models.bots import Bot, BotScope
from models.chats import Chat, ChatKind
from models.client import NOWHERE, Client
from models.errors import Conflict, NotFound
from models.incoming_webhooks import NOTED_EVERY, IncomingWebhook
from models.members import Role
from models.messages import Message, SystemKind
from models.users import User, UserKind
from models.viewer import Viewer
from resolvers import bots as bot_cases
from resolvers import messages, names
from resolvers.bots import MAX_BOTS
from resolvers.comings import tell
from resolvers.entering import enter
from resolvers.locked_chat import changing
from resolvers.permissions import Act, allows, require
from resolvers.rates import Rate
from resolvers.services import Services, utc_now

MAX_OF_CHAT = 10
HANDLES = "hook_"  # of their bots


async def create(
    services: Services, viewer: Viewer, *, chat_id: UUID, name: str, client: Client = NOWHERE
) -> tuple[IncomingWebhook, User, str]:
    """Open a way into a chat for a program; returns it, its bot, and its secret, told once.

    Raises `NotFound`, `Forbidden`, `InvalidInput` or `Conflict`.
    """
    now = utc_now()
    user = User(
        id=new_key(),
        handle=HANDLES + secrets.token_hex(8),
        display_name=names.display_name(name),
        email=None,
        is_admin=False,
        created_at=now,
        kind=UserKind.BOT.value,
    )
    bot = Bot(
        user_id=user.id,
        owner_id=viewer.user_id,
        description=None,
        scopes=bots.joined([BotScope.MESSAGES_WRITE]),
        created_at=now,
    )
    webhook = IncomingWebhook(
        id=new_key(),
        chat_id=chat_id,
        bot_id=user.id,
        created_by=viewer.user_id,
        created_at=now,
    )
    token, hash_ = hook_tokens.new()
    async with changing(services, viewer, chat_id) as locked:
        connection = locked.connection
        require(locked.chat, locked.me, Act.MANAGE_WEBHOOKS)
        if len((await incoming_webhooks.of_chats(connection, [chat_id]))[chat_id]) >= MAX_OF_CHAT:
            raise Conflict(f"A chat has {MAX_OF_CHAT} incoming webhooks at most: revoke one.")
        await users.lock(connection, viewer.user_id)
        if len(await bots.of_owner(connection, viewer.user_id)) >= MAX_BOTS:
            raise Conflict(f"Nobody has more than {MAX_BOTS} bots, those of webhooks included.")
        await users.create(connection, user, None)
        await bots.create(connection, bot)
        # In a channel members only read.
        role = Role.ADMIN if locked.chat.kind == ChatKind.CHANNEL else Role.MEMBER
        await enter(
            connection,
            services.chat_rules,
            locked.chat,
            [user.id],
            actor_id=viewer.user_id,
            now=now,
            role=role,
        )
        await tell(locked, SystemKind.MEMBER_ADDED, [user.id], now=now)
        await incoming_webhooks.create(connection, webhook, hash_)
        await audit.record(
            connection,
            Done.INCOMING_WEBHOOK_CREATED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=user.id,
            details={"chat": str(chat_id), "webhook": str(webhook.id)},
        )
    return webhook, user, token


async def of_chats(
    services: Services, viewer: Viewer, of: Iterable[Chat]
) -> dict[UUID, list[tuple[IncomingWebhook, User]]]:
    """Return the open ones of those of the chats whose webhooks are the viewer's to see.

    Bots see none, whatever their role: where one goes is more than any scope allows.
    """
    if viewer.kind is not UserKind.PERSON:
        return {}
    async with services.db.reading() as connection:
        by_id = {chat.id: chat for chat in of}
        mine = await members.of_chats(connection, viewer.user_id, by_id)
        allowed = [
            chat_id
            for chat_id, me in mine.items()
            if allows(by_id[chat_id], me, Act.MANAGE_WEBHOOKS)
        ]
        return await incoming_webhooks.of_chats(connection, allowed)


async def revoke(
    services: Services, viewer: Viewer, *, webhook_id: UUID, client: Client = NOWHERE
) -> Chat:
    """Close one for good; its bot leaves, what it has sent stays. Returns the chat.

    Raises `NotFound`, also for who may not see it.
    """
    gone = NotFound("The webhook", path=["webhookId"])
    now = utc_now()
    async with services.db.reading() as connection:
        webhook = await incoming_webhooks.by_id(connection, webhook_id)
    if webhook is None:
        raise gone
    try:
        async with changing(services, viewer, webhook.chat_id) as locked:
            if not allows(locked.chat, locked.me, Act.MANAGE_WEBHOOKS):
                raise gone
            if not await incoming_webhooks.revoke(locked.connection, webhook_id, now):
                raise gone
            await audit.record(
                locked.connection,
                Done.INCOMING_WEBHOOK_REVOKED,
                now=now,
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
                subject_id=webhook.bot_id,
                details={"chat": str(webhook.chat_id), "webhook": str(webhook_id)},
            )
    except NotFound:
        raise gone from None
    await bot_cases.close(services, webhook.bot_id, by=viewer, client=client)
    async with services.db.reading() as connection:
        return await chats.readable_by(connection, viewer.user_id, webhook.chat_id)


async def post(
    services: Services, *, token: str, text: str, client_message_id: UUID | None
) -> Message:
    """Send what a program has posted.

    Raises `NotFound` unless the secret opens a chat that the bot is in, and whatever sending does.
    """
    hash_ = hook_tokens.read(token)
    if hash_ is None:
        raise NotFound("The webhook")
    now = utc_now()
    async with services.db.reading() as connection:
        webhook = await incoming_webhooks.by_hash(connection, hash_)
    if webhook is None:
        raise NotFound("The webhook")
    await services.rates.spend(Rate.INCOMING_WEBHOOK, str(webhook.id))
    if webhook.last_used_at is None or now - webhook.last_used_at >= NOTED_EVERY:
        async with services.db.writing() as connection:
            await incoming_webhooks.used(connection, webhook, now)
    return await messages.send(
        services,
        _as_bot(webhook),
        chat_id=webhook.chat_id,
        text=text,
        client_message_id=client_message_id or uuid4(),
    )


def _as_bot(webhook: IncomingWebhook) -> Viewer:
    """Return the bot as who asks; it has no session of its own."""
    return Viewer(
        user_id=webhook.bot_id,
        session_id=webhook.id,
        expires_at=datetime.max.replace(tzinfo=UTC),
        kind=UserKind.BOT,
        scopes=frozenset({BotScope.MESSAGES_WRITE.value}),
    )
