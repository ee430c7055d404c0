"""Threads, and the mutations about them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from models import messages, thread_reading
from models.messages import Message as StoredMessage
from models.messages import MessageKey
from models.thread_reading import Replies
from resolvers import threads as use_cases
from schema import messages as message_types
from schema.batching import batched
from schema.connections import (
    DEFAULT_PAGE,
    After,
    Before,
    Connection,
    First,
    Last,
    Page,
    connection,
    decode_cursor,
    encode_cursor,
    invalid_cursor,
    page,
    page_size,
    seq_of,
)
from schema.context import Context, Info
from schema.drafts import Draft, viewer_drafts
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import decode_thread, encode_thread
from schema.node import Node
from schema.users import User, users_by_ids

if TYPE_CHECKING:
    from schema.messages import Message, MessageConnection

PARTICIPANTS = 5

LazyMessage = Annotated["Message", strawberry.lazy("schema.messages")]
LazyMessageConnection = Annotated["MessageConnection", strawberry.lazy("schema.messages")]


async def _participants(objects: Sequence["Thread"], info: Info) -> list[list[User]]:
    async with info.context.db.reading() as db:
        authors = await thread_reading.participants(
            db, [thread.key for thread in objects], limit=PARTICIPANTS
        )
    wanted = {user_id for ids in authors.values() for user_id in ids}
    found = await users_by_ids(info.context, list(wanted))
    people = dict(zip(wanted, found, strict=True))
    return [
        [user for user_id in authors[thread.key] if (user := people[user_id]) is not None]
        for thread in objects
    ]


async def _messages(
    objects: Sequence["Thread"],
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> "list[MessageConnection]":
    asked = page(first, last, default_last=DEFAULT_PAGE)
    async with info.context.db.reading() as db:
        rows = await thread_reading.pages(
            db,
            info.context.signed_in.user_id,
            [thread.key for thread in objects],
            limit=asked.fetch,
            after=seq_of(after, "after"),
            before=seq_of(before, "before"),
            newest=asked.backwards,
        )
    return [
        connection(
            message_types.MessageConnection,
            rows[thread.key],
            asked,
            node=message_types.Message.of,
            cursor=lambda row: encode_cursor(str(row.seq)),
            bounded_before=before is not None,
            bounded_after=after is not None,
        )
        for thread in objects
    ]


async def _viewer_drafts(objects: Sequence["Thread"], info: Info) -> list[Draft | None]:
    return await viewer_drafts(info.context, [thread.key for thread in objects])


@strawberry.type(
    description="The replies that a message has got beside the chat's other talk. They are "
    "messages of the chat as well, numbered in it and in the thread."
)
class Thread(Node):
    root: LazyMessage = strawberry.field(description="The message that started it.")
    reply_count: int = strawberry.field(
        description="How many replies it has got; deleted ones keep their place, and count."
    )
    last_reply_at: datetime | None = strawberry.field(
        description="When the last reply was sent; null before the first."
    )
    participants: list[User] = batched(
        _participants,
        description=f"Who has written in it lately, who wrote last first, {PARTICIPANTS} at most.",
    )
    messages: LazyMessageConnection = batched(
        _messages,
        description="The replies, the oldest first. Without `first` and `last`, the newest 50.",
    )
    viewer_follows: bool = strawberry.field(
        description="Whether the viewer follows it: who writes in it does, and whose message it "
        "is, until they say otherwise."
    )
    viewer_read_count: int | None = strawberry.field(
        description="The `threadNumber` of the last reply that the viewer has read, 0 for none; "
        "null for who does not follow it."
    )
    viewer_unread_count: int | None = strawberry.field(
        description="How many replies the viewer has not read; null for who does not follow it."
    )
    viewer_draft: Draft | None = batched(
        _viewer_drafts, description="What the viewer has begun to write in it."
    )
    key: strawberry.Private[MessageKey]

    @classmethod
    def of(
        cls,
        root: StoredMessage,
        replies: Replies | None,
        follow: thread_reading.Follow | None,
    ) -> Self:
        """Return a thread as the schema shows it to whom `follow` is about."""
        key = root.chat_id, root.seq
        count = replies.reply_count if replies else 0
        read = min(follow.read_count, count) if follow and follow.following else None
        return cls(
            id=strawberry.ID(encode_thread(key)),
            root=message_types.Message.of(root),
            reply_count=count,
            last_reply_at=replies.last_reply_at if replies else None,
            viewer_follows=read is not None,
            viewer_read_count=read,
            viewer_unread_count=None if read is None else count - read,
            key=key,
        )


@strawberry.type(description="A page of the threads that the viewer follows.")
class ThreadConnection(Connection[Thread]):
    pass


async def readable_threads(
    context: Context, roots: Sequence[MessageKey | None], *, begun: bool = False
) -> list[Thread | None]:
    """Return the threads of these messages that the viewer may read, None for the others.

    With `begun` only those that have a reply.
    """
    wanted = [key for key in roots if key is not None]
    viewer_id = context.signed_in.user_id
    async with context.db.reading() as db:
        replies = await thread_reading.replies(db, wanted)
        if begun:
            wanted = list(replies)
        rows = await messages.readable_by_keys(db, viewer_id, wanted)
        follows = await thread_reading.follows(db, viewer_id, rows)
    found = {
        key: Thread.of(row, replies.get(key), follows.get(key))
        for key, row in rows.items()
        if use_cases.may_start_thread(row)
    }
    return [found.get(key) if key else None for key in roots]


_ID = Annotated[
    strawberry.ID,
    strawberry.argument(description="The thread's id, or that of the message that starts it."),
]


async def thread(info: Info, id: _ID) -> Thread | None:
    """Resolve `Query.thread`."""
    _ = info.context.signed_in
    return (await readable_threads(info.context, [decode_thread(id)]))[0]


_UNREAD = strawberry.argument(description="Only those with replies that they have not read.")


async def viewer_threads(
    info: Info,
    first: First = DEFAULT_PAGE,
    after: After = None,
    unread: Annotated[bool, _UNREAD] = False,
) -> ThreadConnection:
    """Resolve `Viewer.threads`."""
    asked = Page(page_size(first, default=DEFAULT_PAGE), backwards=False)
    async with info.context.db.reading() as db:
        rows = await thread_reading.followed(
            db,
            info.context.signed_in.user_id,
            after=_place(after) if after is not None else None,
            limit=asked.fetch,
            unread=unread,
        )
    found = await readable_threads(info.context, [row.key for row in rows])
    shown_ = {thread.key: thread for thread in found if thread is not None}
    listed: ThreadConnection = connection(
        ThreadConnection,
        # Who has just left a chat does not see its threads any more.
        [row for row in rows if row.key in shown_],
        asked,
        node=lambda row: shown_[row.key],
        cursor=lambda row: encode_cursor(
            row.last_reply_at.isoformat(), row.chat_id.hex, str(row.root_seq)
        ),
        bounded_after=after is not None,
    )
    return listed


def _place(cursor: str) -> thread_reading.Place:
    moment, chat_id, root_seq = decode_cursor(cursor, parts=3, path="after")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None or len(root_seq) > 18:
            raise ValueError
        return at.astimezone(UTC), UUID(hex=chat_id), int(root_seq)
    except (ValueError, OverflowError) as error:
        raise invalid_cursor("after") from error


THREAD_ID = "The thread's id, or that of the message that starts it."


@strawberry.input(description="A thread to follow.")
class FollowThreadInput:
    thread_id: strawberry.ID = strawberry.field(description=THREAD_ID)


@strawberry.type(description="The thread, followed.")
class FollowThreadPayload:
    thread: Thread | None = strawberry.field(default=None, description="The thread.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A thread to follow no longer.")
class UnfollowThreadInput:
    thread_id: strawberry.ID = strawberry.field(description=THREAD_ID)


@strawberry.type(description="The thread, followed no longer.")
class UnfollowThreadPayload:
    thread: Thread | None = strawberry.field(default=None, description="The thread.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="How far the viewer has read in a thread.")
class MarkThreadReadInput:
    thread_id: strawberry.ID = strawberry.field(description=THREAD_ID)
    number: int = strawberry.field(
        description="The `threadNumber` of the last reply read; beyond the last, all of them."
    )


@strawberry.type(description="The thread with the viewer's pointer in it.")
class MarkThreadReadPayload:
    thread: Thread | None = strawberry.field(default=None, description="The thread.")
    errors: list[UserError] = errors_field()


_WHICH = strawberry.argument(description="Which one.")
_MARK = strawberry.argument(description="How far.")


@refusals_into(FollowThreadPayload)
async def follow_thread(
    info: Info, input: Annotated[FollowThreadInput, _WHICH]
) -> FollowThreadPayload:
    """Resolve `Mutation.followThread`."""
    return FollowThreadPayload(thread=await _follow(info, input.thread_id, following=True))


@refusals_into(UnfollowThreadPayload)
async def unfollow_thread(
    info: Info, input: Annotated[UnfollowThreadInput, _WHICH]
) -> UnfollowThreadPayload:
    """Resolve `Mutation.unfollowThread`."""
    return UnfollowThreadPayload(thread=await _follow(info, input.thread_id, following=False))


async def _follow(info: Info, id_: strawberry.ID, *, following: bool) -> Thread | None:
    root = decode_thread(id_, path="threadId")
    await use_cases.follow(
        info.context.services, info.context.signed_in, root=root, following=following
    )
    return (await readable_threads(info.context, [root]))[0]


@refusals_into(MarkThreadReadPayload)
async def mark_thread_read(
    info: Info, input: Annotated[MarkThreadReadInput, _MARK]
) -> MarkThreadReadPayload:
    """Resolve `Mutation.markThreadRead`."""
    root = decode_thread(input.thread_id, path="threadId")
    await use_cases.mark_read(
        info.context.services, info.context.signed_in, root=root, number=input.number
    )
    return MarkThreadReadPayload(thread=(await readable_threads(info.context, [root]))[0])
