"""Finding people."""

from collections.abc import Sequence

from models import users
from models.users import User
from resolvers.services import Services
from resolvers.text import checked

MAX_SEARCH = 64


async def by_handle(services: Services, handle: str) -> User | None:
    """Return the person with a handle, however it is capitalised."""
    if "\x00" in handle:
        return None
    async with services.db.reading() as connection:
        return await users.by_handle(connection, handle.strip().lower())


async def search(
    services: Services, prefix: str, *, after_handle: str | None, limit: int
) -> Sequence[User]:
    """Return people whose handle or name starts so, by handle; `limit` rows at most."""
    prefix = checked(prefix, what="The search", maximum=MAX_SEARCH, path=["search"])
    async with services.db.reading() as connection:
        return await users.search(
            connection, prefix.strip(), after_handle=after_handle, limit=limit
        )
