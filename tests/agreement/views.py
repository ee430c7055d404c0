"""What somebody sees of the model: the same as `observing.py` makes of what the product answers."""

from __future__ import annotations

from typing import Any

from tests.agreement.model import Chat, Message, Person, Stay, World

View = dict[str, Any]


def view(world: World, person: Person, newest: int) -> View:
    """Return all that a client of somebody shows, with so many messages of each chat."""
    mine = [
        (chat, stay)
        for chat in sorted(world.chats, key=lambda each: each.active, reverse=True)
        if (stay := chat.stay(person)) and is_listed(chat, person)
    ]
    chats = {chat.name: of_chat(chat, stay, newest) for chat, stay in mine}
    own = [chat["own"] for chat in chats.values()]
    return {
        "order": list(chats),
        "pinned": [c.name for c, s in sorted(mine, key=_place) if s.pinned is not None],
        "unread": sum(each["unread"] for each in own),
        "mentioned": sum(each["mentions"] for each in own),
        "badge": sum(
            each["unread"] > 0 and not each["muted"] and not each["archived"] for each in own
        ),
        "blocks": sorted(other.handle for other in person.blocks),
        "settings": person.settings,
        "folders": [
            {"name": folder.name, "chats": [chat.name for chat in folder.chats]}
            for folder in person.folders
        ],
        "chats": chats,
    }


def is_listed(chat: Chat, person: Person) -> bool:
    """Whether a chat is in somebody's list: a direct one of somebody else's once it is used."""
    return chat.kind != "DIRECT" or chat.by is person or bool(chat.messages)


def _place(mine: tuple[Chat, Stay]) -> int:
    return mine[1].pinned or 0


def of_chat(chat: Chat, stay: Stay, newest: int) -> View:
    """Return a chat as somebody sees it who is in it."""
    last = len(chat.messages)
    seen = [message for message in chat.messages if message.seq >= stay.first]
    archived = stay.archived is not None and (stay.archived >= last or stay.muted)
    return {
        "kind": chat.kind,
        "title": chat.title,
        "description": chat.description,
        "memberCount": len(chat.present()),
        "historyVisibility": chat.history,
        "messageTtl": chat.ttl,
        "slowMode": chat.slow,
        "reactionSet": chat.reaction_set,
        "expiredSeq": chat.expired,
        "own": {
            "unread": max(0, last - max(stay.read, chat.expired)),
            "mentions": sum(
                stay.person in message.mentions or message.mentions_all
                for message in chat.messages[stay.read :]
                if not message.deleted
            ),
            "muted": stay.muted,
            "archived": archived,
            "pinned": stay.pinned is not None,
        },
        "draft": chat.drafts.get(stay.person),
        "members": [
            {
                "who": each.person.handle,
                "role": each.role,
                "delivered": None if _apart(chat, stay, each) else each.delivered,
                "read": None if _apart(chat, stay, each) else each.read,
                "silenced": each.silenced,
            }
            for each in chat.present()
        ],
        "messages": [of_message(message, stay) for message in seen[-newest:]],
        "last": seen[-1].seq if seen else None,
        "pins": [message.seq for message in reversed(chat.pins) if message.seq >= stay.first],
    }


def _apart(chat: Chat, one: Stay, other: Stay) -> bool:
    """Whether a block keeps from each of two people how far the other has read."""
    one_blocks = other.person in one.person.blocks
    return chat.kind == "DIRECT" and (one_blocks or one.person in other.person.blocks)


def of_message(message: Message, stay: Stay) -> View:
    """Return a message as somebody sees it."""
    gone = message.deleted or stay.person in message.hidden_by
    what = message.system if not gone and message.system else None
    answers = message.answers
    if gone or (answers and answers.seq < stay.first):
        answers = None
    return {
        "seq": message.seq,
        "kind": message.kind,
        "who": message.sender.handle,
        "deleted": gone,
        "text": "" if gone else message.text,
        "edited": not gone and bool(message.versions),
        "answers": answers and answers.seq,
        "quote": None if gone else message.quote,
        "forwarded": message.forwarded and not gone,
        "reactions": {}
        if gone
        else {emoji: len(people) for emoji, people in message.reactions.items() if people},
        "mine": []
        if gone
        else sorted(emoji for emoji, who in message.reactions.items() if stay.person in who),
        "mentions": [] if gone else sorted(person.handle for person in message.mentions),
        "mentionsAll": message.mentions_all and not gone,
        "system": what and _facts(what),
        "poll": None if gone else _poll(message, stay),
        "thread": message.root is not None,
        "number": message.number,
    }


def of_thread(root: Message, stay: Stay) -> View | None:
    """Return the thread that begins with a message, if there is one."""
    replies = root.chat.replies(root)
    if not replies:
        return None
    return {
        "replyCount": len(replies),
        "replies": [reply.seq for reply in replies],
        "follows": root.chat.follows.get((stay.person, root), False),
    }


def _facts(what: dict[str, Any]) -> View:
    known = {name: fact for name, fact in what.items() if fact is not None}
    subject = known.get("subject")
    return {**known, "subject": subject and subject.handle}


def _poll(message: Message, stay: Stay) -> View | None:
    poll = message.poll
    if poll is None:
        return None
    return {
        "votes": [
            sum(option in chosen for chosen in poll.votes.values())
            for option in range(poll.options)
        ],
        "voters": sum(bool(chosen) for chosen in poll.votes.values()),
        "closed": poll.closed,
        "mine": poll.votes.get(stay.person, []),
    }
