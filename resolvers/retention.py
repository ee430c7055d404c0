"""How long the server keeps what is said.

A day before a message is due it is given its end, and then expires like any other. So what is too
old is gone on the minute, though nobody goes through all that was ever said. A server that is told
to keep less than before gives out ends before it serves anybody.
"""

from datetime import timedelta
from uuid import UUID

import structlog

from models import chats, retention
from resolvers.services import Services, utc_now

log = structlog.get_logger(__name__)

AHEAD = timedelta(days=1)
CHATS = 1000  # looked at in one statement
BATCH = 1000  # messages given their end in one transaction


async def apply(services: Services) -> int:
    """Give their end to the messages that are due within a day; returns how many were due."""
    kept = services.retention
    if kept is None:
        return 0
    sent_before = utc_now() - kept + AHEAD
    last: UUID | None = UUID(int=0)
    count = 0
    while last is not None:
        async with services.db.reading() as connection:
            looked = await retention.look(
                connection, sent_before=sent_before, after=last, limit=CHATS
            )
        for chat_id in looked.due:
            given = BATCH
            while given == BATCH:
                async with services.db.writing() as connection:
                    await chats.lock(connection, [chat_id])
                    given = await retention.give_ends(
                        connection, chat_id, kept, sent_before=sent_before, limit=BATCH
                    )
                count += given
        last = looked.last
    if count:
        log.info("retention_applied", count=count)
    return count
