"""Making the search's index anew, after another choice of languages."""

from collections.abc import Callable

from models import search
from resolvers.services import Services

BATCH = 500  # messages whose entries are changed in one transaction


async def reindex(services: Services, told: Callable[[int], None]) -> int:
    """Make every entry anew, while the server may run; returns how many there are.

    `told` is called with how many are done, after each batch.
    """
    count = last = 0
    while True:
        async with services.db.writing() as connection:
            texts, end = await search.texts_after(connection, last, limit=BATCH)
            for text in texts:
                await search.change(connection, services.terms, text)
        if end is None:
            return count
        last = end
        count += len(texts)
        told(count)
