"""Which messages are meant, of a history or of what is found."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from models.messages import MessageKind as StoredKind
from models.search import Wanted
from schema.ids import Kind, decode
from schema.moments import moment

if TYPE_CHECKING:
    from schema.messages import MessageKind

LazyMessageKind = Annotated["MessageKind", strawberry.lazy("schema.messages")]


@strawberry.input(description="Which messages are meant; every condition given must hold.")
class MessageFilter:
    chat_id: strawberry.ID | None = strawberry.field(default=None, description="Only of this chat.")
    sender_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only what this person wrote."
    )
    kind: LazyMessageKind | None = strawberry.field(default=None, description="Only of this kind.")
    sent_from: datetime | None = strawberry.field(
        default=None, description="Only what was sent at this moment or later."
    )
    sent_until: datetime | None = strawberry.field(
        default=None, description="Only what was sent before this moment."
    )
    has_link: bool | None = strawberry.field(
        default=None, description="Only what has a link in it, or what has none."
    )


def wanted(given: MessageFilter | None) -> Wanted:
    """Return a filter's conditions; raises `InvalidInput`."""
    if given is None:
        return Wanted()
    return Wanted(
        chat_id=decode(Kind.CHAT, given.chat_id, path="chatId") if given.chat_id else None,
        sender_id=decode(Kind.USER, given.sender_id, path="senderId") if given.sender_id else None,
        kind=StoredKind[given.kind.name].value if given.kind else None,
        sent_from=moment(given.sent_from, path="sentFrom"),
        sent_until=moment(given.sent_until, path="sentUntil"),
        has_link=given.has_link,
    )
