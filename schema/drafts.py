"""Drafts, and the mutation that keeps them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import drafts
from models.messages import MessageKey
from resolvers import drafts as use_cases
from resolvers.messages import MAX_TEXT
from schema import messages as message_types
from schema.batching import batched
from schema.context import Context, Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode, decode_message, decode_thread

if TYPE_CHECKING:
    from schema.messages import Message

LazyMessage = Annotated["Message", strawberry.lazy("schema.messages")]


async def _replied_to(objects: Sequence["Draft"], info: Info) -> "list[Message | None]":
    keys = [
        (each.row.chat_id, each.row.reply_to_seq) if each.row.reply_to_seq is not None else None
        for each in objects
    ]
    return await message_types.readable_messages(info.context, keys)


@strawberry.type(description="What the viewer has begun to write, on whichever device.")
class Draft:
    text: str = strawberry.field(description="What it says so far.")
    version: UUID = strawberry.field(
        description="Another one after every change: give it to `saveDraft` as `expectedVersion`, "
        "and to `sendMessage` as `draftVersion`."
    )
    updated_at: datetime = strawberry.field(description="When it was saved last.")
    reply_to: LazyMessage | None = batched(
        _replied_to, description="What it answers; null if nothing that the viewer may read."
    )
    row: strawberry.Private[drafts.Draft]

    @classmethod
    def of(cls, row: drafts.Draft) -> Self:
        """Return a draft as the schema shows it, to its owner."""
        return cls(text=row.text, version=row.version, updated_at=row.updated_at, row=row)


async def viewer_drafts(context: Context, places: Sequence[MessageKey]) -> list[Draft | None]:
    """Return the viewer's draft for each of these places, None where there is none."""
    async with context.db.reading() as db:
        rows = await drafts.at(db, context.signed_in.user_id, places)
    shown = {place: Draft.of(row) for place, row in rows.items()}
    return [shown.get(place) for place in places]


@strawberry.input(description="What the viewer has begun to write.")
class SaveDraftInput:
    chat_id: strawberry.ID = strawberry.field(description="The chat that it is for.")
    thread_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The thread that it is for, or the message that starts one, if any.",
    )
    text: str = strawberry.field(
        description=f"What it says so far, {MAX_TEXT} characters at most. Empty, and without "
        "anything to answer, the draft is gone."
    )
    reply_to_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the same chat that it answers."
    )
    expected_version: UUID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The version that this device has seen last, null for no draft: another one is "
        "a `CONFLICT` then. Absent: the last one who saves wins.",
    )


@strawberry.type(description="The draft as it is now.")
class SaveDraftPayload:
    draft: Draft | None = strawberry.field(
        default=None, description="The draft; null when it is gone."
    )
    errors: list[UserError] = errors_field()


_DRAFT = strawberry.argument(description="The draft.")


@refusals_into(SaveDraftPayload)
async def save_draft(info: Info, input: Annotated[SaveDraftInput, _DRAFT]) -> SaveDraftPayload:
    """Resolve `Mutation.saveDraft`."""
    version = input.expected_version
    row = await use_cases.save(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        thread_root=None
        if input.thread_id is None
        else decode_thread(input.thread_id, path="threadId"),
        text=input.text,
        reply_to=_key(input.reply_to_id, "replyToId"),
        expected=use_cases.AnyVersion if version is strawberry.UNSET else version,
    )
    return SaveDraftPayload(draft=Draft.of(row) if row else None)


def _key(id_: strawberry.ID | None, path: str) -> MessageKey | None:
    return decode_message(id_, path=path) if id_ is not None else None
