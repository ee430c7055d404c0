"""Beginning chats, and changing what they are called and how they are used."""

from __future__ import annotations

from typing import Any

from tests.agreement.doings import Dice, Try, doing
from tests.agreement.model import FORBIDDEN, INVALID, Chat, Person, Refused, World

MOST = 9  # chats, so that there is something in each


@doing(3)
def create_chat(world: World, who: Person, dice: Dice) -> Try | None:
    if len(world.chats) >= MOST:
        return None
    kind = dice.choice(["GROUP", "GROUP", "CHANNEL"])
    others = [p for p in world.people if p is not who and dice.often(0.6)]
    title = f"Title {dice.randrange(9)}" if dice.often(0.9) else None
    given: dict[str, Any] = {"kind": kind, "title": title, "memberIds": others}

    def effect() -> Chat:
        if title is None:
            raise Refused(INVALID)
        world.reach(who, others, "whoMayAdd")
        history = "FROM_START" if kind == "CHANNEL" else "SINCE_JOINING"
        return world.found(Chat(world.name(), kind, who, title, history=history), others)

    return Try(who, "createChat", given, effect)


@doing(2)
def create_direct_chat(world: World, who: Person, dice: Dice) -> Try | None:
    if len(world.chats) >= MOST:
        return None
    other = dice.somebody(world)
    kind = dice.choice(["DIRECT", "DIRECT", "SELF"])
    others = [other] if kind == "DIRECT" or not dice.often() else []

    def effect() -> Chat:
        if kind == "SELF":
            if [p for p in others if p is not who]:
                raise Refused(INVALID)
            return world.chat_of(who, who)
        if other is who:
            raise Refused(INVALID)
        return world.chat_of(who, other)

    return Try(who, "createChat", {"kind": kind, "memberIds": others}, effect)


@doing(2)
def name_chat(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    details: dict[str, Any] = dice.choice(
        [
            {"title": f"Title {dice.randrange(3)}"},
            {"title": None},
            {"description": "About"},
            {"description": None},
        ]
    )

    def effect() -> None:
        stay = world.inside(who, chat)
        if not chat.keeps(stay):
            raise Refused(FORBIDDEN)
        title = details.get("title", chat.title)
        description = details.get("description", chat.description)
        if title is None:
            raise Refused(INVALID)
        if (title, description) != (chat.title, chat.description):
            chat.tell("ChatChanged", who)
        if title != chat.title:
            chat.title = title
            world.note(chat, who, "TITLE_CHANGED", text=title)
        chat.description = description

    return Try(who, "updateChat", {"chatId": chat, **details}, effect)


@doing(4)
def set_up_chat(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    field, name, value = dice.choice(
        [
            ("ttl", "messageTtl", 86_400),
            ("ttl", "messageTtl", 1),
            ("ttl", "messageTtl", None),
            ("slow", "slowMode", 21_600),
            ("slow", "slowMode", None),
            ("slow", "slowMode", None),
            ("reaction_set", "reactionSet", ["👍"]),
            ("reaction_set", "reactionSet", []),
            ("reaction_set", "reactionSet", None),
            ("reaction_set", "reactionSet", None),
            ("history", "historyVisibility", "FROM_START"),
            ("history", "historyVisibility", "SINCE_JOINING"),
        ]
    )

    def effect() -> None:
        stay = world.inside(who, chat)
        anybody = not chat.open and field != "slow"
        if not (chat.keeps(stay) or anybody):
            raise Refused(FORBIDDEN)
        if chat.kind == "DIRECT" and world.silent(chat, stay):
            raise Refused(FORBIDDEN)
        if not chat.open and field != "ttl":
            raise Refused(INVALID)
        if value == 1:  # second is too short for messages to stay
            raise Refused(INVALID)
        if getattr(chat, field) == value:
            return
        setattr(chat, field, value)
        chat.tell("ChatChanged", who)
        if field == "ttl":
            world.note(chat, who, "MESSAGE_TTL_CHANGED", seconds=value)

    return Try(who, "updateChat", {"chatId": chat, name: value}, effect)
