"""The viewer's folders."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from models import chats, events, folders, users
from models.base import new_key
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound
from models.events import EventKind
from models.folders import Folder
from models.viewer import Viewer
from resolvers.services import Services, utc_now
from resolvers.text import line

MAX_FOLDERS = 20
MAX_CHATS = 200  # of a folder
MAX_NAME = 64  # characters


class Changes(TypedDict, total=False):
    """What of a folder is to be another."""

    name: str
    chat_ids: Sequence[UUID]


async def of(services: Services, viewer: Viewer) -> list[Folder]:
    """Return the viewer's folders in their order."""
    async with services.db.reading() as connection:
        return await folders.of_user(connection, viewer.user_id)


async def create(
    services: Services, viewer: Viewer, *, name: str, chat_ids: Sequence[UUID]
) -> Folder:
    """Make a folder, below the others; raises `InvalidInput`, `NotFound`, `Conflict`."""
    name, now = _name(name), utc_now()
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        count = len(await folders.of_user(connection, viewer.user_id))
        if count >= MAX_FOLDERS:
            raise Conflict(f"At most {MAX_FOLDERS} folders are kept.")
        folder = Folder(
            id=new_key(),
            user_id=viewer.user_id,
            name=name,
            position=count,
            chat_ids=await _chat_ids(connection, viewer, chat_ids),
            created_at=now,
        )
        await folders.add(connection, folder)
        await _tell(connection, viewer, now)
    services.node.announce_log()
    return folder


async def update(
    services: Services, viewer: Viewer, *, folder_id: UUID, changes: Changes
) -> Folder:
    """Give a folder another name or other chats; raises `InvalidInput` or `NotFound`."""
    now = utc_now()
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        before = after = await _owned(connection, viewer, folder_id)
        if "name" in changes:
            after = replace(after, name=_name(changes["name"]))
        if "chat_ids" in changes:
            kept = await _chat_ids(connection, viewer, changes["chat_ids"])
            after = replace(after, chat_ids=kept)
        if after == before:
            return before
        await folders.change(connection, after)
        await _tell(connection, viewer, now)
    services.node.announce_log()
    return after


async def delete(services: Services, viewer: Viewer, *, folder_id: UUID) -> None:
    """Delete a folder; raises `NotFound`. Its chats stay where they are."""
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        await _owned(connection, viewer, folder_id)
        await folders.delete(connection, folder_id)
        await _tell(connection, viewer, utc_now())
    services.node.announce_log()


async def order(services: Services, viewer: Viewer, *, folder_ids: Sequence[UUID]) -> list[Folder]:
    """Put the viewer's folders into this order.

    Raises `NotFound` for one that is not theirs, `InvalidInput` unless each is named once.
    """
    async with services.db.writing() as connection:
        await users.lock(connection, viewer.user_id)
        before = [folder.id for folder in await folders.of_user(connection, viewer.user_id)]
        if not set(folder_ids) <= set(before):
            raise NotFound("One of the folders", path=["folderIds"])
        if len(folder_ids) != len(before) or set(folder_ids) != set(before):
            raise InvalidInput("Name each folder once.", path=["folderIds"])
        if list(folder_ids) != before:
            await folders.order(connection, folder_ids)
            await _tell(connection, viewer, utc_now())
        found = await folders.of_user(connection, viewer.user_id)
    services.node.announce_log()
    return found


async def chats_in(services: Services, viewer: Viewer, folder_id: UUID) -> list[UUID]:
    """Return which chats are in a folder of the viewer's; raises `NotFound`."""
    async with services.db.reading() as connection:
        return (await _owned(connection, viewer, folder_id)).chats


async def _owned(connection: Connection, viewer: Viewer, folder_id: UUID) -> Folder:
    folder = await folders.owned(connection, viewer.user_id, folder_id)
    if folder is None:
        raise NotFound("The folder", path=["folderId"])
    return folder


def _name(name: str) -> str:
    return line(name, what="The name", maximum=MAX_NAME, path=["name"])


async def _chat_ids(connection: Connection, viewer: Viewer, chat_ids: Sequence[UUID]) -> list[str]:
    """Return chats as a folder keeps them; raises `InvalidInput`, or `NotFound` for one unseen."""
    wanted = list(dict.fromkeys(chat_ids))
    if len(wanted) > MAX_CHATS:
        raise InvalidInput(f"A folder has at most {MAX_CHATS} chats.", path=["chatIds"])
    seen = await chats.readable_many(connection, viewer.user_id, wanted)
    if len(seen) != len(wanted):
        raise NotFound("One of the chats", path=["chatIds"])
    return [chat_id.hex for chat_id in wanted]


async def _tell(connection: Connection, viewer: Viewer, now: datetime) -> None:
    await events.record(
        connection,
        EventKind.FOLDERS_CHANGED,
        now=now,
        user_id=viewer.user_id,
        subject_id=viewer.user_id,
    )
