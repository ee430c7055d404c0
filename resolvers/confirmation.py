"""Dangerous changes are for who has proved lately to be who they are."""

from datetime import timedelta

from models import sessions
from models.errors import ConfirmationRequired
from models.viewer import Viewer
from resolvers.services import Services, utc_now

CONFIRMED_FOR = timedelta(minutes=15)


async def require_confirmed(services: Services, viewer: Viewer) -> None:
    """Raise `ConfirmationRequired` unless the viewer's session was confirmed lately."""
    async with services.db.reading() as connection:
        session = await sessions.by_id(connection, viewer.session_id)
    confirmed_at = session.confirmed_at if session is not None else None
    if confirmed_at is None or utc_now() - confirmed_at > CONFIRMED_FOR:
        raise ConfirmationRequired
