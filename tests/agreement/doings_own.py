"""What people do for themselves alone: reading, hiding, and keeping chats as they like."""

from __future__ import annotations

from typing import Any

from tests.agreement.doings import Dice, Try, doing
from tests.agreement.model import INVALID, NOT_FOUND, Folder, Person, Refused, World


@doing(8)
def mark(world: World, who: Person, dice: Dice) -> Try:
    chat, read = dice.chat(world, who), dice.often(0.75)
    last = len(chat.messages)
    seq = dice.choice([last, last, max(0, last - 1), max(0, last - 2), last + 5, 1, -1])

    def effect() -> None:
        if seq < 0:
            raise Refused(INVALID)
        stay = world.inside(who, chat)
        stay.delivered = max(stay.delivered, min(seq, last))
        if read:
            stay.read = max(stay.read, min(seq, last))

    return Try(who, "markRead" if read else "markDelivered", {"chatId": chat, "seq": seq}, effect)


@doing(3)
def hide_message(world: World, who: Person, dice: Dice) -> Try | None:
    message = dice.message(world, who)
    if message is None:
        return None

    def effect() -> None:
        stay = world.inside(who, message.chat)
        if message.seq < stay.first:
            raise Refused(NOT_FOUND)
        if who not in message.hidden_by:
            message.hidden_by.append(who)
            who.told.append("MessageHidden")

    return Try(who, "hideMessage", {"messageId": message}, effect)


@doing(1)
def clear_history(world: World, who: Person, dice: Dice) -> Try:
    chat = dice.chat(world, who)

    def effect() -> None:
        stay, last = world.inside(who, chat), len(chat.messages)
        if stay.first <= last:
            stay.first = last + 1
            who.told.append("HistoryCleared")
        stay.read = stay.delivered = last

    return Try(who, "clearHistory", {"chatId": chat}, effect)


@doing(5)
def keep_chat(world: World, who: Person, dice: Dice) -> Try:
    chat = dice.chat(world, who)
    name, value = dice.choice(["muted", "archived", "pinned"]), dice.often(0.6)

    def effect() -> None:
        stay, last = world.inside(who, chat), len(chat.messages)
        before = stay.muted, stay.archived, stay.pinned
        if name == "muted":
            stay.muted = value
        elif name == "archived":
            there = stay.archived is not None and (stay.archived >= last or stay.muted)
            if not value:
                stay.archived = None
            elif not there:
                stay.archived = last
        elif not value:
            stay.pinned = None
        elif stay.pinned is None:
            places = [s.pinned for c in world.chats if (s := c.stay(who)) and s.pinned is not None]
            stay.pinned = max(places, default=0) + 1
        if before != (stay.muted, stay.archived, stay.pinned):
            who.told.append("ViewerMembershipChanged")

    return Try(who, "updateViewerMembership", {"chatId": chat, name: value}, effect)


@doing(2)
def change_settings(world: World, who: Person, dice: Dice) -> Try:
    audiences = ["EVERYBODY", "EVERYBODY", "CONTACTS", "NOBODY"]
    settings: dict[str, Any] = dice.choice(
        [
            {"whoMayMessage": dice.choice(audiences)},
            {"whoMayAdd": dice.choice(audiences)},
            {"hides": dice.often(0.5)},
        ]
    )

    def effect() -> None:
        changed = {**who.settings, **settings}
        if changed != who.settings:
            who.settings = changed
            who.told.append("SettingsChanged")

    return Try(who, "updateSettings", settings, effect)


@doing(2)
def save_draft(world: World, who: Person, dice: Dice) -> Try:
    chat, text = dice.chat(world, who), dice.choice(["", "begun", "gone on"])

    def effect() -> None:
        world.inside(who, chat)
        if chat.drafts.get(who, "") != text:
            who.told.append("DraftChanged")
            chat.drafts[who] = text
            if not text:
                del chat.drafts[who]

    return Try(who, "saveDraft", {"chatId": chat, "text": text}, effect)


@doing(1)
def create_folder(world: World, who: Person, dice: Dice) -> Try | None:
    chats = [dice.chat(world, who)]
    name = f"Folder {dice.randrange(9)}"
    if len(who.folders) >= 5:
        return None

    def effect() -> None:
        for chat in chats:
            world.inside(who, chat)
        who.folders.append(Folder(name, chats))
        who.told.append("FoldersChanged")

    return Try(who, "createFolder", {"name": name, "chatIds": chats}, effect)


@doing(2)
def follow_thread(world: World, who: Person, dice: Dice) -> Try | None:
    root, wanted = dice.message(world, who), dice.often(0.5)
    if root is None:
        return None
    chat = root.chat

    def effect() -> None:
        stay = world.inside(who, chat)
        if root.seq < stay.first or root.root is not None or root.kind == "SYSTEM":
            raise Refused(NOT_FOUND)
        before = chat.follows.get((who, root), False)
        chat.follows[who, root] = wanted
        if before != wanted:
            who.told.append("ThreadChanged")

    return Try(who, "followThread" if wanted else "unfollowThread", {"threadId": root}, effect)
