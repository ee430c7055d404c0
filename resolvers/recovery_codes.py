"""Handing out recovery codes."""

from datetime import datetime

from models import audit, recovery_codes, second_factors
from models.audit import Act
from models.client import Client
from models.database import Connection
from models.errors import NotFound
from models.second_factors import SecondFactors
from models.viewer import Viewer
from notify.letters import Notice
from resolvers.notices import tell
from resolvers.services import Services, utc_now


async def regenerate(services: Services, viewer: Viewer, *, client: Client) -> list[str]:
    """Return new codes, shown this once, in place of the old ones.

    Raises `NotFound` for who has no second factor: there would be nothing to recover from.
    """
    now = utc_now()
    async with services.db.writing() as connection:
        factors = await second_factors.lock(connection, viewer.user_id)
        if not factors.any:
            raise NotFound("A second factor")
        await tell(
            services, connection, viewer.user_id, Notice.RECOVERY_CODES_MADE, client=client, now=now
        )
        return await _replace(services, connection, viewer, client=client, now=now)


async def first(
    services: Services,
    connection: Connection,
    viewer: Viewer,
    factors: SecondFactors,
    *,
    client: Client,
    now: datetime,
) -> list[str]:
    """Return codes for who gets another factor and has no codes left; nothing for who has."""
    if factors.recovery_codes_left:
        return []
    return await _replace(services, connection, viewer, client=client, now=now)


async def _replace(
    services: Services, connection: Connection, viewer: Viewer, *, client: Client, now: datetime
) -> list[str]:
    codes = services.credentials.recovery_codes
    fresh = codes.make()
    owner = viewer.user_id.bytes
    hashes = [hash for code in fresh if (hash := codes.hash(owner, code)) is not None]
    await recovery_codes.replace(connection, viewer.user_id, hashes)
    await audit.record(
        connection,
        Act.RECOVERY_CODES_MADE,
        now=now,
        actor_id=viewer.user_id,
        session_id=viewer.session_id,
        client=client,
    )
    return fresh
