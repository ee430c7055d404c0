"""Finding people."""

from collections.abc import Sequence

from accounts.handles import is_handle
from models import users
from models.user_words import Entry
from models.users import User
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services
from resolvers.text import checked

MAX_SEARCH = 64


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
    asks. Raises `InvalidInput` or `RateLimited`.
    """
    prefix = checked(prefix, what="The search", maximum=MAX_SEARCH, path=["search"])
    await services.rates.spend(Rate.SEARCH_PEOPLE, str(viewer.user_id))
    async with services.db.reading() as connection:
        return await users.search(connection, prefix, after=after, limit=limit)
