"""The viewer's list of chats."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from models import chat_lists, chats
from models.chat_lists import Listed, Wanted, fits
from models.viewer import Viewer
from resolvers.services import Services, utc_now


async def page(
    services: Services,
    viewer: Viewer,
    wanted: Wanted,
    *,
    after: tuple[datetime | int, UUID] | None,
    limit: int,
) -> Sequence[Listed]:
    """Return the viewer's chats after a place in their order; see `models/chat_lists.py`.

    From their inbox, if this node keeps one. Pins are few, and have an index.
    """
    now = utc_now()
    listed = None
    if not wanted.pinned:
        place = None if after is None or isinstance(after[0], int) else (after[0], after[1])
        listed = await services.inboxes.page(
            viewer.user_id,
            after=place,
            limit=limit,
            wanted=lambda entry: fits(entry, wanted, viewer.user_id, now),
        )
    async with services.db.reading() as connection:
        if listed is None:
            return await chat_lists.page(
                connection, viewer.user_id, wanted, now=now, after=after, limit=limit
            )
        found = await chats.readable_many(connection, viewer.user_id, listed)
    return [Listed(found[chat_id], None) for chat_id in listed if chat_id in found]
