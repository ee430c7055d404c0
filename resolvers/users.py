"""Finding people."""

from collections.abc import Sequence

from accounts.handles import is_handle
from models import blocks, users
from models.user_words import Entry
from models.users import User
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services
from resolvers.text import checked

MAX_SEARCH = 64
# Pages read to make one full in which some block who asks; whom so many block finds fewer.
MAX_ROUNDS = 10


async def by_handle(services: Services, viewer: Viewer, handle: str) -> User | None:
    """Return the person with a handle, however it is capitalised, if the viewer may see them."""
    handle = handle.strip().lower()
    if not is_handle(handle):
        return None
    async with services.db.reading() as connection:
        return await users.visible_by_handle(connection, viewer, handle)


async def search(
    services: Services, viewer: Viewer, prefix: str, *, after: Entry | None, limit: int
) -> Sequence[tuple[Entry, User]]:
    """Return people of whose handle or name a word begins so, in the order of these words.

    Each comes with their place in the list; `limit` at most. Who hides is not among them, whoever
    asks, and who blocks the viewer is not. Raises `InvalidInput` or `RateLimited`.
    """
    prefix = checked(prefix, what="The search", maximum=MAX_SEARCH, path=["search"])
    await services.rates.spend(Rate.SEARCH_PEOPLE, str(viewer.user_id))
    found: list[tuple[Entry, User]] = []
    async with services.db.reading() as connection:
        for _ in range(MAX_ROUNDS):
            page = await users.search(connection, prefix, after=after, limit=limit)
            blocking = await blocks.blocking(
                connection, viewer.user_id, [user.id for _, user in page]
            )
            found += [each for each in page if each[1].id not in blocking]
            if len(page) < limit or len(found) >= limit:
                break
            after = page[-1][0]
    return found[:limit]
