"""What a webhook is sent: JSON with the names and ids of the schema.

Docs/PROTOCOL.md describes it for those who receive it. Fields are added, never changed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from models.members import Member
from models.messages import Message
from models.users import User
from models.webhook_deliveries import Delivery
from realtime import events
from schema.ids import Kind, encode, encode_message, encode_thread
from schema.members import silenced_until
from schema.polls import Poll
from schema.system_messages import SystemMessage
from schema.users import DELETED
from schema.webhooks import type_name

Fields = dict[str, Any]


def payload(delivery: Delivery, event: events.Event | None) -> Fields:
    """Return what is sent of an event as it is now; None for a test, and for a gap."""
    common: Fields = {
        "id": str(delivery.key),
        "type": type_name(delivery.kind),
        "occurredAt": delivery.occurred_at.isoformat(),
        "chat": None,
        "seq": delivery.seq,
        "actor": None,
    }
    if not isinstance(event, events.ChatEvent):
        if delivery.chat_id is not None:
            common["chat"] = {"id": encode(Kind.CHAT, delivery.chat_id)}
        return common
    # What was deleted meanwhile is told as that, under the type that it has in the schema.
    common["type"] = type(event).__name__
    common["chat"] = {
        "id": encode(Kind.CHAT, event.chat.id),
        "kind": event.chat.kind.upper(),
        "title": event.chat.title,
    }
    common["actor"] = _user(event.actor) if event.actor else None
    for kind, told in _TOLD:
        if isinstance(event, kind):
            return common | told(event)
    return common


def _about_message(event: events.MessageEvent) -> Fields:
    message = _message(event.message, event.sender)
    message["mentions"] = [_user(user) for user in event.mentioned]
    message["poll"] = _poll(event)
    message["system"] = _system(event)
    message["reactions"] = [
        {"emoji": group.emoji, "count": group.count} for group in event.reactions
    ]
    return {"message": message}


def _naming_message(event: Any) -> Fields:
    return {
        "messageId": encode_message((event.chat.id, event.message_seq)),
        "messageSeq": event.message_seq,
    }


def _about_member(event: Any) -> Fields:
    return {"membership": _membership(event.membership, event.user)}


def _silenced(event: events.MemberSilenced) -> Fields:
    membership = _membership(event.membership, event.user)
    membership["silencedUntil"] = _moment(silenced_until(event.membership, event.chat))
    return {"membership": membership}


_TOLD: list[tuple[type[events.ChatEvent], Callable[[Any], Fields]]] = [
    (events.MessageEvent, _about_message),
    (events.MessageDeleted, _naming_message),
    (events.MessageExpired, _naming_message),
    (events.MessagePinned, _naming_message),
    (events.MessageUnpinned, _naming_message),
    (events.MemberJoined, _about_member),
    (events.MemberLeft, _about_member),
    (events.MemberRoleChanged, _about_member),
    (events.MemberSilenced, _silenced),
]


def _message(row: Message, sender: User) -> Fields:
    # What has expired came empty, also if nobody has cleared it away yet: `models/messages.py`.
    reply_to, root = row.reply_to_seq, row.thread_root_seq
    return {
        "id": encode_message((row.chat_id, row.seq)),
        "seq": row.seq,
        "kind": row.kind.upper(),
        "text": row.text,
        "sender": None if sender.deleted_at else _user(sender),
        "replyToId": encode_message((row.chat_id, reply_to)) if reply_to is not None else None,
        "quote": row.quote,
        "threadId": encode_thread((row.chat_id, root)) if root is not None else None,
        "mentionsAll": row.mentions_all and row.deleted_at is None,
        "clientMessageId": str(row.client_message_id),
        "createdAt": row.created_at.isoformat(),
        "editedAt": _moment(row.edited_at),
        "deletedAt": _moment(row.deleted_at),
        "expiresAt": _moment(row.expires_at),
    }


def _poll(event: events.MessageEvent) -> Fields | None:
    poll = Poll.of(event.message, event.tally)
    if poll is None:
        return None
    return {
        "question": poll.question,
        "options": [{"text": each.text, "voteCount": each.vote_count} for each in poll.options],
        "multiple": poll.multiple,
        "anonymous": poll.anonymous,
        "totalVoters": poll.total_voters,
        "closed": poll.closed,
        "closesAt": _moment(poll.closes_at),
    }


def _system(event: events.MessageEvent) -> Fields | None:
    system = SystemMessage.of(event.message)
    if system is None:
        return None
    subject = event.subject
    return {
        "what": system.what.name,
        "count": system.count,
        "text": system.text,
        "seconds": system.seconds,
        "subject": _user(subject) if subject and not subject.deleted_at else None,
    }


def _membership(row: Member, user: User) -> Fields:
    return {"id": encode(Kind.MEMBERSHIP, row.id), "role": row.role.upper(), "user": _user(user)}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _user(row: User) -> Fields:
    deleted = row.deleted_at is not None
    return {
        "id": encode(Kind.USER, row.id),
        "handle": None if deleted else row.handle,
        "displayName": DELETED if deleted else row.display_name,
        "kind": row.kind.upper(),
    }
