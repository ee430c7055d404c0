"""What messages said before they were edited."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from models import edits
from resolvers import markup
from schema.context import Info

if TYPE_CHECKING:
    from schema.messages import Message


def _html(root: "MessageEdit") -> str:
    return markup.html(root.text)


@strawberry.type(description="What a message said before it was edited.")
class MessageEdit:
    text: str = strawberry.field(description="The text as it was written.")
    html: str = strawberry.field(resolver=_html, description="The same as `Message.html` has it.")
    written_at: datetime = strawberry.field(
        description="Since when it said that: until the next version, or the message itself."
    )


async def edits_of_each(objects: Sequence["Message"], info: Info) -> list[list[MessageEdit]]:
    """Resolve `Message.edits`."""
    edited = [
        message.key
        for message in objects
        if message.row.edited_at is not None and message.row.deleted_at is None
    ]
    if not edited:
        return [[] for _ in objects]
    async with info.context.db.reading() as db:
        found = await edits.readable(db, info.context.signed_in.user_id, edited)
    return [
        [MessageEdit(text=each.text, written_at=each.written_at) for each in found[message.key]]
        if message.key in found and message.row.deleted_at is None
        else []
        for message in objects
    ]
