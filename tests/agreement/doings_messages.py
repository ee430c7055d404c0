"""Writing, and what is done with what was written."""

from __future__ import annotations

from typing import Any

from tests.agreement.doings import Dice, Try, doing
from tests.agreement.model import (
    FORBIDDEN,
    INVALID,
    MENTION_ALL,
    NOT_FOUND,
    Chat,
    Message,
    Person,
    Poll,
    Refused,
    Stay,
    World,
)


def _text(world: World, dice: Dice) -> str:
    """Return something to say, which may mention people."""
    words = [f"word{dice.randrange(9)}"]
    if dice.often(0.35):
        words.append(f"@{dice.somebody(world).handle}")
    if dice.often(0.12):
        words.append(MENTION_ALL)
    if dice.often(0.05):
        words.append(f"`@{dice.somebody(world).handle}`")
    return " ".join(words)


def _mention(world: World, message: Message, stay: Stay) -> None:
    """Let a message mention those whom its text names."""
    chat, words = message.chat, message.text.split()
    message.mentions = [
        person
        for person in world.people
        if f"@{person.handle}" in words and chat.stay(person) and stay.person not in person.blocks
    ]
    message.mentions_all = MENTION_ALL in words and chat.keeps(stay)


def _send(world: World, message: Message) -> None:
    """Send a message if its sender may."""
    chat, who = message.chat, message.sender
    stay = world.inside(who, chat)
    if not chat.may_write(stay) or world.silent(chat, stay):
        raise Refused(FORBIDDEN)
    answers, root = message.answers, message.root
    if answers and (answers.chat is not chat or answers.deleted or answers.seq < stay.first):
        raise Refused(NOT_FOUND)
    if root and (
        root.chat is not chat
        or root.deleted
        or root.seq < stay.first
        or root.root is not None
        or root.kind == "SYSTEM"
    ):
        raise Refused(NOT_FOUND)
    if chat.slow and not chat.keeps(stay):
        if stay.waits:
            raise Refused("RATE_LIMITED")
        stay.waits = True
    if not message.forwarded and message.kind == "TEXT":
        _mention(world, message, stay)
    if root:
        message.number = len(chat.replies(root)) + 1
        chat.follows[who, root] = True
        if chat.stay(root.sender):
            chat.follows.setdefault((root.sender, root), True)
    world.say(message)


@doing(16)
def send_message(world: World, who: Person, dice: Dice) -> Try:
    chat = dice.chat(world, who)
    text = _text(world, dice) if dice.often(0.97) else " "
    given: dict[str, Any] = {"chatId": chat, "text": text}
    message = Message(chat, 0, who, text)
    if dice.often(0.15):
        given["expiresInSeconds"] = 86_400
        message.expires = True
    if dice.often(0.3) and (answers := dice.message(world, who, chat)):
        given["replyToId"] = message.answers = answers
        if dice.often(0.4):
            message.quote = given["quote"] = answers.text[:3] if dice.often(0.9) else "else"
    if dice.often(0.25) and (root := dice.message(world, who, chat)):
        given["threadId"] = message.root = root

    def effect() -> None:
        answers = message.answers
        if message.quote is not None and answers:
            if not message.quote:
                raise Refused(INVALID)
            stay = world.readable(who, answers)
            if stay.person in answers.hidden_by:
                raise Refused(NOT_FOUND)
            if message.quote not in answers.text:
                raise Refused(INVALID)
        if not text.strip():
            raise Refused(INVALID)
        _send(world, message)

    return Try(who, "sendMessage", given, effect)


@doing(3)
def send_to_person(world: World, who: Person, dice: Dice) -> Try:
    whom, text = dice.somebody(world), _text(world, dice)

    def effect() -> Chat:
        chat = world.chat_of(who, whom)
        _send(world, Message(chat, 0, who, text))
        return chat

    return Try(who, "sendMessage", {"toUserId": whom, "text": text}, effect)


@doing(3)
def ask_poll(world: World, who: Person, dice: Dice) -> Try:
    chat, multiple = dice.chat(world, who), dice.often(0.5)
    asked = {"question": "Which?", "options": ["A", "B", "C"], "multiple": multiple}

    def effect() -> None:
        _send(world, Message(chat, 0, who, "Which?", kind="POLL", poll=Poll(3, multiple)))

    return Try(who, "sendMessage", {"chatId": chat, "poll": asked}, effect)


def _polls(world: World, who: Person) -> list[Message]:
    """Return polls that are there for somebody."""
    return [
        message
        for message in world.messages()
        if message.poll
        and not message.deleted
        and (stay := message.chat.stay(who))
        and message.seq >= stay.first
    ]


@doing(5)
def vote(world: World, who: Person, dice: Dice) -> Try | None:
    polls = _polls(world, who)
    message = dice.choice(polls) if polls else dice.message(world, who)
    if not polls and dice.often(0.9):
        return None
    options = dice.choice([[], [0], [1], [2], [0], [1], [0, 1], [3], [1, 1]])
    if message is None:
        return None

    def effect() -> None:
        stay = world.readable(who, message)
        poll = message.poll
        if poll is None:
            raise Refused(INVALID)
        if world.silent(message.chat, stay):
            raise Refused(FORBIDDEN)
        if poll.closed:
            raise Refused("CONFLICT")
        if 3 in options or len(set(options)) < len(options):
            raise Refused(INVALID)
        if len(options) > 1 and not poll.multiple:
            raise Refused(INVALID)
        if poll.votes.get(who, []) != options:
            poll.votes[who] = options
            message.chat.tell("PollChanged", who, message)

    return Try(who, "votePoll", {"messageId": message, "options": options}, effect)


@doing(1)
def close_poll(world: World, who: Person, dice: Dice) -> Try | None:
    polls = _polls(world, who)
    message = dice.choice(polls) if polls else None
    if message is None:
        return None

    def effect() -> None:
        stay = world.readable(who, message)
        if message.sender is not who and not message.chat.keeps(stay):
            raise Refused(FORBIDDEN)
        if message.poll and not message.poll.closed:
            message.poll.closed = True
            message.chat.tell("PollChanged", who, message)

    return Try(who, "closePoll", {"messageId": message}, effect)


@doing(5)
def edit_message(world: World, who: Person, dice: Dice) -> Try | None:
    own = [m for m in world.messages() if m.sender is who and m.kind == "TEXT"][-12:]
    message = dice.choice(own) if own and dice.often() else dice.message(world, who)
    if message is None:
        return None
    text = _text(world, dice)

    def effect() -> None:
        stay = world.readable(who, message)
        if message.sender is not who or message.kind != "TEXT":
            raise Refused(FORBIDDEN)
        if not message.chat.may_write(stay) or world.silent(message.chat, stay):
            raise Refused(FORBIDDEN)
        if text != message.text:
            message.versions.append(message.text)
            before, message.text = message.text, text
            if "@" in before or "@" in text:
                _mention(world, message, stay)
            message.chat.tell("MessageEdited", who, message)

    return Try(who, "editMessage", {"messageId": message, "text": text}, effect)


@doing(5)
def delete_message(world: World, who: Person, dice: Dice) -> Try | None:
    message = dice.message(world, who)
    if message is None:
        return None
    chat = message.chat

    def effect() -> None:
        stay = world.inside(who, chat)
        if message.seq < stay.first:
            raise Refused(NOT_FOUND)
        if message.sender is not who and not chat.keeps(stay):
            raise Refused(FORBIDDEN)
        if message.kind == "SYSTEM":
            raise Refused(FORBIDDEN)
        if message.deleted:
            return
        message.deleted = True
        if message in chat.pins:
            chat.pins.remove(message)
        chat.tell("MessageDeleted", who, message)

    return Try(who, "deleteMessage", {"messageId": message}, effect)


@doing(6)
def react(world: World, who: Person, dice: Dice) -> Try | None:
    message, emoji, wanted = dice.message(world, who), dice.choice("👍🎉"), dice.often(0.7)
    if message is None:
        return None
    chat = message.chat

    def effect() -> None:
        stay = world.readable(who, message)
        if wanted and world.silent(chat, stay):
            raise Refused(FORBIDDEN)
        if wanted and chat.reaction_set is not None and emoji not in chat.reaction_set:
            raise Refused(INVALID)
        people = message.reactions.setdefault(emoji, [])
        if wanted != (who in people):
            (people.append if wanted else people.remove)(who)
            chat.tell("ReactionsChanged", who, message)

    mutation = "addReaction" if wanted else "removeReaction"
    return Try(who, mutation, {"messageId": message, "emoji": emoji}, effect)


@doing(4)
def pin_message(world: World, who: Person, dice: Dice) -> Try | None:
    message, wanted = dice.message(world, who), dice.often(0.7)
    if message is None:
        return None
    chat = message.chat

    def effect() -> None:
        stay = world.readable(who, message)
        if (chat.open and not chat.keeps(stay)) or world.silent(chat, stay):
            raise Refused(FORBIDDEN)
        if wanted and message.kind == "SYSTEM":
            raise Refused(FORBIDDEN)
        if wanted == (message in chat.pins):
            return
        if wanted:
            chat.pins.append(message)
            chat.tell("MessagePinned", who, message)
            world.note(chat, who, "MESSAGE_PINNED")
        else:
            chat.pins.remove(message)
            chat.tell("MessageUnpinned", who, message)

    return Try(who, "pinMessage" if wanted else "unpinMessage", {"messageId": message}, effect)


@doing(3)
def forward_messages(world: World, who: Person, dice: Dice) -> Try | None:
    some = [dice.message(world, who) for _ in range(dice.choice([1, 2]))]
    chat = dice.chat(world, who)
    messages = [message for message in some if message is not None]
    if not messages:
        return None

    def effect() -> None:
        world.inside(who, chat)
        for message in messages:
            stay = message.chat.stay(who)
            if not stay or message.seq < stay.first or message.deleted or who in message.hidden_by:
                raise Refused(NOT_FOUND)
            if message.kind != "TEXT":
                raise Refused(FORBIDDEN)
        for message in messages:
            _send(world, Message(chat, 0, who, message.text, forwarded=True))

    return Try(who, "forwardMessages", {"messageIds": messages, "toChatId": chat}, effect)
