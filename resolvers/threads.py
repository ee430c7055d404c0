"""Threads: who follows them, and how far people have read in them."""

from models import events, messages, thread_reading
from models.database import Connection
from models.errors import InvalidInput, NotFound
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind
from models.viewer import Viewer
from resolvers.services import Services, utc_now


def may_start_thread(message: Message) -> bool:
    """Whether a thread can be there: replies and what happened in the chat start none."""
    return message.thread_root_seq is None and message.kind != MessageKind.SYSTEM


async def require_readable(connection: Connection, viewer: Viewer, root: MessageKey) -> None:
    """Raise `NotFound` unless the viewer may read a thread."""
    found = await messages.readable_by_keys(connection, viewer.user_id, [root])
    if root not in found or not may_start_thread(found[root]):
        raise NotFound("The thread", path=["threadId"])


async def follow(services: Services, viewer: Viewer, *, root: MessageKey, following: bool) -> None:
    """Let the viewer follow a thread from now on, or not any more; raises `NotFound`.

    That they do not is stored also of who does not follow it yet: it may be their message.
    """
    async with services.db.writing() as connection:
        await require_readable(connection, viewer, root)
        before = (await thread_reading.follows(connection, viewer.user_id, [root])).get(root)
        followed = before is not None and before.following
        if before is None or followed != following:
            await thread_reading.follow(connection, viewer.user_id, root, following=following)
        if followed != following:
            await _tell(connection, viewer, root)
    services.node.announce_log()


async def mark_read(services: Services, viewer: Viewer, *, root: MessageKey, number: int) -> None:
    """Move the viewer's pointer in a thread that they follow forward; it never goes back.

    A number beyond the last reply means all of them. Raises `NotFound` or `InvalidInput`.
    """
    if number < 0:
        raise InvalidInput("Replies count from 1; 0 changes nothing.", path=["number"])
    async with services.db.writing() as connection:
        await require_readable(connection, viewer, root)
        if await thread_reading.mark_read(connection, viewer.user_id, root, number):
            await _tell(connection, viewer, root)
    services.node.announce_log()


async def _tell(connection: Connection, viewer: Viewer, root: MessageKey) -> None:
    """Tell the viewer's devices that they follow a thread otherwise, or have read further."""
    chat_id, root_seq = root
    await events.record(
        connection,
        EventKind.THREAD_CHANGED,
        now=utc_now(),
        user_id=viewer.user_id,
        subject_id=chat_id,
        message_seq=root_seq,
    )
