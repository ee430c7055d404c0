"""Which messages are looked for: in a chat's history, and by a search."""

from datetime import datetime

import strawberry

from schema.messages import MessageKind


@strawberry.input(
    description="Which messages are wanted; every condition given must hold. A deleted message "
    "matches none."
)
class MessageFilter:
    chat_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="Only of this chat. In a chat's own history there is no need for it, and "
        "any other is an error.",
    )
    sender_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only what this person wrote."
    )
    kind: MessageKind | None = strawberry.field(default=None, description="Only of this kind.")
    sent_from: datetime | None = strawberry.field(
        default=None, description="Only what was sent at this moment or later."
    )
    sent_until: datetime | None = strawberry.field(
        default=None, description="Only what was sent before this moment."
    )
    has_link: bool | None = strawberry.field(
        default=None, description="Only with a link to the web in it; or, if false, without one."
    )
