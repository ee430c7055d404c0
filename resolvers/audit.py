"""Reading the audit log."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from models import audit
from models.audit import Act, Entry
from resolvers.services import Services


async def page(
    services: Services,
    *,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    act: Act | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[Entry]:
    """Return acts, the newest first, after a given one; every condition given holds for them."""
    async with services.db.reading() as connection:
        return await audit.page(
            connection,
            actor_id=actor_id,
            subject_id=subject_id,
            act=act,
            since=since,
            until=until,
            after=after,
            limit=limit,
        )


async def about(services: Services, user_id: UUID | None, *, limit: int) -> Sequence[Entry]:
    """Return the newest acts by or on somebody, or all, the newest last."""
    async with services.db.reading() as connection:
        return await audit.newest(connection, user_id, limit=limit)
