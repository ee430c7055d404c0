"""Finding messages by their words."""

from collections.abc import Sequence
from dataclasses import dataclass

from models import chats, search, users
from models.errors import NotFound
from models.search import Hit, Wanted
from models.search_query import Condition, parse
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.snippets import snippet


@dataclass(frozen=True, slots=True)
class Found:
    """Messages that were found, the newest first, and what was looked for."""

    hits: Sequence[Hit]
    conditions: Sequence[Condition]

    def snippet(self, services: Services, hit: Hit) -> str:
        """Return the words around what was found in a message, as safe HTML."""
        return snippet(hit.message.text, self.conditions, services.terms)


async def find(
    services: Services,
    viewer: Viewer,
    query: str,
    wanted: Wanted,
    *,
    before: int | None,
    limit: int,
) -> Found:
    """Return the newest messages that fit and that the viewer may read.

    `before` is the place in the list after which they come. Raises `InvalidInput`,
    `RateLimited`, and `NotFound` for a chat that the viewer is not in and whom they do not see.
    """
    conditions = parse(query, services.terms)
    await services.rates.spend(Rate.SEARCH_MESSAGES, str(viewer.user_id))
    async with services.db.reading() as connection:
        if wanted.chat_id is not None:
            await chats.readable_by(connection, viewer.user_id, wanted.chat_id)
        if wanted.sender_id is not None and not await users.visible_to(
            connection, viewer, [wanted.sender_id]
        ):
            raise NotFound("The person", path=["senderId"])
        hits = await search.find(
            connection,
            viewer.user_id,
            conditions,
            wanted,
            now=utc_now(),
            before=before,
            limit=limit,
        )
    return Found(hits, conditions)
