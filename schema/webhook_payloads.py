"""What a webhook is sent: JSON with the names and ids of the schema.

Docs/PROTOCOL.md describes it for those who receive it. Fields are added, never changed.
"""

from collections.abc import Callable
from typing import Any

from models.members import Member
from models.messages import Message
from models.users import User
from models.webhook_deliveries import Delivery
from realtime import events
from resolvers.services import utc_now
from schema.ids import Kind, encode, encode_message
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
    message["reactions"] = [
        {"emoji": group.emoji, "count": group.count} for group in event.reactions
    ]
    return {"message": message}


def _deleted(event: events.MessageDeleted) -> Fields:
    return {
        "messageId": encode_message((event.chat.id, event.message_seq)),
        "messageSeq": event.message_seq,
    }


def _about_member(event: Any) -> Fields:
    return {"membership": _membership(event.membership, event.user)}


_TOLD: list[tuple[type[events.ChatEvent], Callable[[Any], Fields]]] = [
    (events.MessageEvent, _about_message),
    (events.MessageDeleted, _deleted),
    (events.MemberJoined, _about_member),
    (events.MemberLeft, _about_member),
    (events.MemberRoleChanged, _about_member),
]


def _message(row: Message, sender: User) -> Fields:
    # What has expired is shown to nobody, also before it is cleared away.
    gone = row.deleted_at or (
        row.expires_at if row.expires_at and row.expires_at <= utc_now() else None
    )
    reply_to = row.reply_to_seq
    return {
        "id": encode_message((row.chat_id, row.seq)),
        "seq": row.seq,
        "kind": row.kind.upper(),
        "text": "" if gone else row.text,
        "sender": None if sender.deleted_at else _user(sender),
        "replyToId": encode_message((row.chat_id, reply_to)) if reply_to is not None else None,
        "clientMessageId": str(row.client_message_id),
        "createdAt": row.created_at.isoformat(),
        "editedAt": row.edited_at.isoformat() if row.edited_at else None,
        "deletedAt": gone.isoformat() if gone else None,
    }


def _membership(row: Member, user: User) -> Fields:
    return {"id": encode(Kind.MEMBERSHIP, row.id), "role": row.role.upper(), "user": _user(user)}


def _user(row: User) -> Fields:
    deleted = row.deleted_at is not None
    return {
        "id": encode(Kind.USER, row.id),
        "handle": None if deleted else row.handle,
        "displayName": DELETED if deleted else row.display_name,
        "kind": row.kind.upper(),
    }
