"""How far a message has come, as its receipts tell."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import strawberry

from models import blocks, chats, members, receipt_counts, settings
from models.messages import Message, MessageKey
from models.receipt_counts import COUNTED_UP_TO, Count
from models.receipts import SHOWN_UP_TO
from schema.batching import batched
from schema.connections import First, page_size
from schema.context import Info
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.messages import Message as ShownMessage

# Members of large chats that one question walks over, however many such chats it asks about.
COUNTED_AT_ONCE = 5 * COUNTED_UP_TO


async def _read_by(
    objects: Sequence["ReceiptSummary"], info: Info, first: First = SHOWN_UP_TO
) -> list[list[User] | None]:
    size = page_size(first, default=SHOWN_UP_TO)
    shown = [None if each.reader_ids is None else each.reader_ids[:size] for each in objects]
    ids = list({user_id for readers in shown for user_id in readers or ()})
    people = dict(zip(ids, await users_by_ids(info.context, ids), strict=True))
    return [
        None
        if readers is None
        else [user for user_id in readers if (user := people[user_id]) is not None]
        for readers in shown
    ]


@strawberry.type(
    description="How far a message has come among those who are in the chat and were when it was "
    "sent, without its sender and without who hides receipts. A viewer who hides theirs is told "
    "nothing, and neither is who has left the chat, or came after the message."
)
class ReceiptSummary:
    delivered_count: int | None = strawberry.field(
        description="How many devices' owners it has reached; null in chats of more than "
        f"{COUNTED_UP_TO} people, and beyond {COUNTED_AT_ONCE} people in all chats of more than "
        f"{SHOWN_UP_TO} that are asked for at once."
    )
    read_count: int | None = strawberry.field(
        description="How many have read it, counted in the same way."
    )
    read_by: list[User] | None = batched(
        _read_by,
        description="Who has read it, in the order in which they came to the chat; null in chats "
        f"of more than {SHOWN_UP_TO} people.",
    )
    reader_ids: strawberry.Private[tuple[UUID, ...] | None]


async def receipts(objects: "Sequence[ShownMessage]", info: Info) -> list[ReceiptSummary]:
    """Return how far each of the messages has come, for `Message.receipts`."""
    rows = [message.row for message in objects]
    viewer_id = info.context.signed_in.user_id
    counts: dict[MessageKey, Count] = {}
    async with info.context.db.reading() as db:
        if not await settings.hiding(db, [viewer_id]):
            of_chats = await chats.by_ids(db, {row.chat_id for row in rows})
            mine = await members.of_chats(db, viewer_id, set(of_chats))
            # Events are told of chats that the viewer has left, and of messages from before.
            readable = [
                row
                for row in rows
                if (stay := mine.get(row.chat_id)) and stay.first_message_seq <= row.seq
            ]
            small, large = _by_size(readable, of_chats)
            silenced = [chat_id for chat_id, stay in mine.items() if stay.silenced_until]
            divided = await blocks.divided(db, silenced)
            counts = await receipt_counts.of_small_chats(db, small, uncounted=divided)
            for chat_id, wanted in large.items():
                counts |= await receipt_counts.of_large_chat(db, chat_id, wanted)
    return [_summary(counts.get((row.chat_id, row.seq))) for row in rows]


def _by_size(
    rows: Sequence[Message], of_chats: dict[UUID, chats.Chat]
) -> tuple[list[Message], dict[UUID, list[Message]]]:
    """Return the messages of small chats, and those of larger ones by chat, as far as counted."""
    small: list[Message] = []
    large: dict[UUID, list[Message]] = defaultdict(list)
    walked = 0
    for row in rows:
        size = of_chats[row.chat_id].member_count if row.chat_id in of_chats else 0
        if 0 < size <= SHOWN_UP_TO:
            small.append(row)
        elif SHOWN_UP_TO < size <= COUNTED_UP_TO:
            walked += 0 if row.chat_id in large else size
            if walked <= COUNTED_AT_ONCE:
                large[row.chat_id].append(row)
    return small, large


def _summary(count: Count | None) -> ReceiptSummary:
    return ReceiptSummary(
        delivered_count=count.delivered if count else None,
        read_count=count.read if count else None,
        reader_ids=count.reader_ids if count else None,
    )
