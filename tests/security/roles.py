"""Who walks the schema, and what they may be told: one line a role."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from models.bots import BotScope
from schema.ids import decode_message, encode_message
from tests.parts.roles import guest as join
from tests.parts.roles import guest_link
from tests.security.examples import Thing
from tests.security.stage import Asking, Stage, nothing

UNSEEN = frozenset({"NOT_FOUND", "null"})
SHUT_OUT = frozenset({"UNAUTHENTICATED"})
# Decided by the field, before any id is looked at.
KIND_REFUSED = frozenset({"FORBIDDEN"})


@dataclass(frozen=True)
class Role:
    """Somebody who asks for what is not theirs.

    `then` happens after their socket was opened: what was allowed a moment ago must not stay so.
    """

    name: str
    prepare: Callable[[Stage], Awaitable[Asking]]
    answers: frozenset[str]
    then: Callable[[Stage, Asking], Awaitable[None]] | None = None

    @property
    def shut_out(self) -> bool:
        """Whether not even what takes no id answers them."""
        return self.answers == SHUT_OUT


async def outsider(stage: Stage) -> Asking:
    return await stage.stranger()


async def member_for_now(stage: Stage) -> Asking:
    asking = await stage.stranger()
    await stage.ana.done(
        "addMembers",
        "chat { id }",
        chatId=stage.secret[Thing.CHAT],
        userIds=[asking.person.user_id],
    )
    return asking


async def remove(stage: Stage, asking: Asking) -> None:
    await stage.ana.done(
        "removeMember",
        "chat { id }",
        chatId=stage.secret[Thing.CHAT],
        userId=asking.person.user_id,
    )


async def ban(stage: Stage, asking: Asking) -> None:
    await stage.ana.done(
        "banMember",
        "ban { bannedAt }",
        chatId=stage.secret[Thing.CHAT],
        userId=asking.person.user_id,
    )


async def newcomer(stage: Stage) -> Asking:
    """Somebody who is in the chat, and came after the message."""
    asking = await member_for_now(stage)
    chat, _ = decode_message(stage.secret[Thing.MESSAGE])
    # Of the chat itself they know everything; so only what was written before is hidden.
    asking.hidden = {Thing.MESSAGE: stage.secret[Thing.MESSAGE]}
    asking.nothing = {Thing.MESSAGE: encode_message((chat, 1_000_000))}
    asking.own[Thing.CHAT] = stage.secret[Thing.CHAT]
    return asking


async def anonymous(stage: Stage) -> Asking:
    return stage.nobody()


async def owner(stage: Stage) -> Asking:
    """Ana herself, on her second device: what is refused is refused for her session's sake."""
    return Asking(stage.second, stage.secret, stage.secret, nothing())


async def revoke(stage: Stage, asking: Asking) -> None:
    token = asking.person.token
    await asking.person.ask("mutation { logOut { errors { code } } }")
    asking.person.token = token


async def guest(stage: Stage) -> Asking:
    """Somebody who came by a link, and is in one chat."""
    host = await stage.stranger()
    _, token = await guest_link(host.person, host.own[Thing.CHAT])
    return replace(host, person=await join(stage.server, token))


async def _bot(stage: Stage, *scopes: BotScope) -> Asking:
    owner = await stage.stranger()
    payload = await owner.person.done(
        "createBotToken",
        "token",
        botId=owner.own[Thing.BOT],
        name="Walk",
        scopes=[scope.name for scope in scopes],
    )
    bot = stage.server.person()
    bot.token = payload["token"]
    return replace(owner, person=bot)


async def bot(stage: Stage) -> Asking:
    """A program that may all that programs may, and is in none of Ana's chats."""
    return await _bot(stage, *BotScope)


async def bot_without_scope(stage: Stage) -> Asking:
    """A program that is in the chat itself, and may do nothing that the walk asks for."""
    asking = await _bot(stage, BotScope.PROFILE_WRITE)
    await stage.ana.done(
        "addMembers",
        "chat { id }",
        chatId=stage.secret[Thing.CHAT],
        userIds=[asking.own[Thing.BOT]],
    )
    return asking


async def suspend(stage: Stage, asking: Asking) -> None:
    await stage.root.done(
        "adminSuspendUser", "__typename", userId=stage.ana.user_id, reason="The walk"
    )


ROLES = [
    Role("outsider", outsider, UNSEEN),
    Role("ex-member", member_for_now, UNSEEN, then=remove),
    Role("banned", member_for_now, UNSEEN, then=ban),
    Role("newcomer", newcomer, UNSEEN),
    Role("guest", guest, UNSEEN | KIND_REFUSED),
    Role("bot", bot, UNSEEN | KIND_REFUSED),
    Role("bot without scope", bot_without_scope, KIND_REFUSED),
    Role("suspended", owner, SHUT_OUT, then=suspend),
    Role("revoked session", owner, SHUT_OUT, then=revoke),
    Role("anonymous", anonymous, SHUT_OUT),
]
