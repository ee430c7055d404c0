"""Asking for one's own data, and fetching it; `resolvers/exporting.py` makes the file."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

from accounts.links import InvalidLink
from models import audit, exports, users
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import Conflict, NotFound, Raced
from models.exports import CHUNK, Export, ExportState
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services, utc_now

# Whoever has the link has the file: long enough to click it, and to go on after an interruption.
LINK_LIFETIME = timedelta(minutes=10)
LISTED = 20


async def request(services: Services, viewer: Viewer, *, client: Client = NOWHERE) -> Export:
    """Ask for all that is the viewer's own; a worker makes it.

    Raises `Conflict` while another one is under way, and `RateLimited`.
    """
    now = utc_now()
    export = Export(
        id=new_key(),
        user_id=viewer.user_id,
        state=ExportState.QUEUED.value,
        progress=0.0,
        requested_at=now,
        expires_at=None,
        size=None,
    )
    await services.rates.spend(Rate.EXPORT, str(viewer.user_id))
    try:
        async with services.db.writing() as connection:
            await exports.request(connection, export)
            await audit.record(
                connection,
                Act.EXPORT_REQUESTED,
                now=now,
                actor_id=viewer.user_id,
                session_id=viewer.session_id,
                client=client,
            )
    except Raced as error:
        raise Conflict("An export of yours is under way already: wait for it.") from error
    return export


async def of_viewer(services: Services, viewer: Viewer) -> list[Export]:
    """Return the viewer's exports, the newest first."""
    async with services.db.reading() as connection:
        return await exports.of_user(connection, viewer.user_id, limit=LISTED)


def link(services: Services, export: Export) -> str | None:
    """Return the path under which a file can be fetched for a few minutes; None without one."""
    now = utc_now()
    if export.state != ExportState.READY or export.expires_at is None or export.expires_at <= now:
        return None
    key = services.credentials.export_links.issue(export.id, now, LINK_LIFETIME)
    # The key is no part of the path: paths are logged.
    return f"/exports/{file_name(export)}?key={key}"


def file_name(export: Export) -> str:
    """Return what the file is called."""
    return f"hubbub-{export.requested_at:%Y-%m-%d}.zip"


async def linked(services: Services, key: str) -> Export:
    """Return the export that a link opens.

    Raises `NotFound` when the link is not good, the file is gone, or its person is.
    """
    now = utc_now()
    try:
        export_id = services.credentials.export_links.read(key, now)
    except InvalidLink as error:
        raise NotFound("The file") from error
    async with services.db.reading() as connection:
        export = await exports.ready(connection, export_id, now)
        found = await users.by_ids(connection, [export.user_id]) if export else {}
    if export is None or not found[export.user_id].may_sign_in:
        raise NotFound("The file")
    return export


async def note_download(services: Services, export: Export, client: Client) -> None:
    """Record that a file is being fetched."""
    async with services.db.writing() as connection:
        await audit.record(
            connection,
            Act.EXPORT_DOWNLOADED,
            now=utc_now(),
            actor_id=None,
            client=client,
            subject_id=export.user_id,
        )


async def content(
    services: Services, export: Export, first: int, last: int
) -> AsyncIterator[bytes]:
    """Yield the file's bytes from `first` to `last`, both included, a piece at a time."""
    for number in range(first // CHUNK, last // CHUNK + 1):
        async with services.db.reading() as connection:
            data = await exports.chunk(connection, export.id, number)
        if data is None:  # expired meanwhile: the client sees that it has not all of it
            raise FileGone(export.id)
        start = number * CHUNK
        yield data[max(0, first - start) : last + 1 - start]


class FileGone(Exception):
    """The file was deleted while it was being fetched."""

    def __init__(self, export_id: UUID) -> None:
        super().__init__(f"export {export_id} expired while it was fetched")
