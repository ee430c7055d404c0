"""Drafts, kept in step between a person's devices."""

from uuid import UUID, uuid4

from models import chats, drafts, events, messages, users
from models.database import Connection
from models.drafts import THE_CHAT, Draft
from models.errors import Conflict, NotFound
from models.events import EventKind
from models.messages import MessageKey
from models.viewer import Viewer
from resolvers.messages import MAX_TEXT
from resolvers.services import Services, utc_now
from resolvers.text import checked

MAX_DRAFTS = 500  # of one person


class AnyVersion:
    """In place of a version: whatever is stored is overwritten."""


async def save(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    thread_root: MessageKey | None,
    text: str,
    reply_to: MessageKey | None,
    expected: UUID | type[AnyVersion] | None,
) -> Draft | None:
    """Store what the viewer has begun to write in a chat or a thread, and return it.

    The last one wins, unless the device says which version it has seen: `expected`, None for no
    draft at all. An empty text without anything to answer is no draft. Raises `NotFound`,
    `TooLong`, and `Conflict` when another device was faster.
    """
    text = checked(text, what="The draft", maximum=MAX_TEXT, path=["text"], empty_ok=True)
    now = utc_now()
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        await chats.readable_by(connection, viewer.user_id, chat_id)
        await _check(connection, viewer, chat_id, thread_root, "threadId")
        await _check(connection, viewer, chat_id, reply_to, "replyToId")
        place = chat_id, thread_root[1] if thread_root else THE_CHAT
        before = (await drafts.at(connection, viewer.user_id, [place])).get(place)
        if expected is not AnyVersion and expected != (before.version if before else None):
            raise Conflict("Another device has changed the draft.", path=["expectedVersion"])
        draft = None
        if text.strip() or reply_to is not None:
            draft = Draft(
                viewer.user_id,
                *place,
                text=text,
                reply_to_seq=reply_to[1] if reply_to else None,
                version=uuid4(),
                updated_at=now,
            )
        if _content(draft) == _content(before):
            return before
        if before is None and await drafts.count(connection, viewer.user_id) >= MAX_DRAFTS:
            raise Conflict(f"Nobody has more than {MAX_DRAFTS} drafts: empty one first.")
        await _store(connection, viewer.user_id, place, draft)
    services.node.announce_log()
    return draft


async def clear(services: Services, viewer: Viewer, place: MessageKey, version: UUID) -> None:
    """Forget the draft that a message was made of, unless there is another version by now."""
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        before = (await drafts.at(connection, viewer.user_id, [place])).get(place)
        if before is None or before.version != version:
            return
        await _store(connection, viewer.user_id, place, None)
    services.node.announce_log()


def _content(draft: Draft | None) -> tuple[str, int | None] | None:
    return (draft.text, draft.reply_to_seq) if draft else None


async def _store(
    connection: Connection, user_id: UUID, place: MessageKey, draft: Draft | None
) -> None:
    await drafts.replace(connection, user_id, place, draft)
    chat_id, root_seq = place
    await events.record(
        connection,
        EventKind.DRAFT_CHANGED,
        now=utc_now(),
        user_id=user_id,
        subject_id=chat_id,
        message_seq=root_seq or None,
    )


async def _check(
    connection: Connection, viewer: Viewer, chat_id: UUID, key: MessageKey | None, path: str
) -> None:
    """Raise `NotFound` unless a message is of the chat and there for the viewer."""
    if key is None:
        return
    there = await messages.readable_by_keys(connection, viewer.user_id, [key])
    if key not in there or there[key].deleted_at is not None or key[0] != chat_id:
        raise NotFound("The message", path=[path])
