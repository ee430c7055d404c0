"""Telling administrators about somebody, and what they make of it."""

from collections.abc import Sequence
from uuid import UUID

from models import audit, reports, users
from models.audit import Act
from models.base import new_key
from models.client import NOWHERE, Client
from models.errors import InvalidInput, NotFound
from models.reports import MAX_NOTE, MAX_REPORT, Report, ReportReason
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services, utc_now
from resolvers.text import checked


async def report(
    services: Services,
    viewer: Viewer,
    *,
    user_id: UUID,
    reason: ReportReason,
    text: str | None,
    client: Client = NOWHERE,
) -> None:
    """Tell the administrators about somebody; raises `NotFound`, `InvalidInput`, `RateLimited`."""
    await services.rates.spend(Rate.REPORT, str(viewer.user_id))
    if text is not None:
        text = checked(text, what="The text", maximum=MAX_REPORT, path=["text"], empty_ok=True)
    if user_id == viewer.user_id:
        raise InvalidInput("Nobody reports themselves.", path=["userId"])
    now = utc_now()
    async with services.db.writing() as connection:
        # Whom one may not see, one learns nothing of this way either.
        if user_id not in await users.visible_to(connection, viewer, [user_id]):
            raise NotFound("The person", path=["userId"])
        told = Report(
            id=new_key(),
            reporter_id=viewer.user_id,
            subject_id=user_id,
            reason=reason.value,
            text=text or None,
            created_at=now,
            resolved_at=None,
            resolved_by=None,
            note=None,
        )
        await reports.create(connection, told)
        await audit.record(
            connection,
            Act.USER_REPORTED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=user_id,
            details={"report": str(told.id), "reason": reason.value},
        )


async def page(
    services: Services, *, resolved: bool | None, after: UUID | None, limit: int
) -> Sequence[Report]:
    """Return reports, the newest first; `limit` rows at most."""
    async with services.db.reading() as connection:
        return await reports.page(connection, resolved=resolved, after=after, limit=limit)


async def resolve(
    services: Services,
    viewer: Viewer,
    *,
    report_id: UUID,
    note: str | None,
    client: Client = NOWHERE,
) -> Report:
    """Close a report; raises `NotFound`, also when it is closed already, or `TooLong`."""
    if note is not None:
        note = checked(note, what="The note", maximum=MAX_NOTE, path=["note"], empty_ok=True)
    now = utc_now()
    async with services.db.writing() as connection:
        closed = await reports.resolve(
            connection, report_id, by=viewer.user_id, note=note or None, now=now
        )
        if closed is None:
            raise NotFound("The report", path=["reportId"])
        await audit.record(
            connection,
            Act.REPORT_RESOLVED,
            now=now,
            actor_id=viewer.user_id,
            session_id=viewer.session_id,
            client=client,
            subject_id=closed.subject_id,
            details={"report": str(report_id)},
        )
    return closed
