"""Asking for one's account to be deleted, and thinking better of it."""

from datetime import datetime

from models import audit, deletions, users
from models.audit import Act
from models.client import NOWHERE, Client
from models.deletions import Deletion
from models.errors import Conflict, InvalidInput, NotFound, Raced
from models.viewer import Viewer
from resolvers import notices
from resolvers.administration import require_another
from resolvers.services import Services, utc_now
from resolvers.sessions import end_all, tell_ended


async def request(
    services: Services, viewer: Viewer, *, handle: str, client: Client = NOWHERE
) -> datetime:
    """Have the viewer's account deleted after the waiting time; returns when.

    All their sessions end, so whoever means it has nothing more to do, and whoever does not must
    log in again. `handle` is their own, as a safeguard. Raises `InvalidInput`, and `Conflict` when
    it is to be deleted already, or would leave the server without an administrator.
    """
    now = utc_now()
    due_at = now + services.rules.deletion_wait
    services.node.sockets.answer_first(viewer.session_id)
    try:
        async with services.db.writing() as connection:
            user = (await users.by_ids(connection, [viewer.user_id]))[viewer.user_id]
            if handle.strip().lower() != user.handle:
                raise InvalidInput("That is not your handle.", path=["handle"])
            await require_another(connection, user.id)
            await deletions.request(connection, Deletion(user.id, now, due_at, begun_at=None))
            ended = await end_all(connection, user.id)
            await audit.record(
                connection,
                Act.DELETION_REQUESTED,
                now=now,
                actor_id=user.id,
                session_id=viewer.session_id,
                client=client,
            )
            await notices.tell_of_deletion(
                services, connection, user.id, due_at=due_at, client=client, now=now
            )
    except Raced as error:
        raise Conflict("Your account is to be deleted already.") from error
    await tell_ended(services, ended)
    return due_at


async def cancel(services: Services, viewer: Viewer, *, client: Client = NOWHERE) -> None:
    """Keep the viewer's account; raises `NotFound` when nobody asked for its deletion."""
    async with services.db.writing() as connection:
        if not await deletions.cancel(connection, viewer.user_id):
            raise NotFound("A deletion of your account")
        await audit.record(
            connection,
            Act.DELETION_CANCELLED,
            now=utc_now(),
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
        )


async def due_at(services: Services, viewer: Viewer) -> datetime | None:
    """Return when the viewer's account is deleted, if it is to be."""
    async with services.db.reading() as connection:
        deletion = await deletions.of_user(connection, viewer.user_id)
    return deletion.due_at if deletion else None
