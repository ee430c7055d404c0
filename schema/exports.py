"""Exports of one's own data."""

from datetime import datetime
from enum import Enum
from typing import Self

import strawberry

from models import exports
from models.users import UserKind
from resolvers import exports as use_cases
from resolvers.services import Services
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, encode


@strawberry.enum(description="How far an export is.")
class DataExportState(Enum):
    QUEUED = strawberry.enum_value("queued", description="It waits for a worker.")
    RUNNING = strawberry.enum_value("running", description="It is being made.")
    READY = strawberry.enum_value("ready", description="It can be fetched.")
    FAILED = strawberry.enum_value(
        "failed", description="It could not be made; ask for another one."
    )
    EXPIRED = strawberry.enum_value("expired", description="Its file has been deleted.")


@strawberry.type(description="A file of all that is one's own: JSON Lines in a ZIP archive.")
class DataExport:
    id: strawberry.ID = strawberry.field(description="Opaque and stable.")
    state: DataExportState = strawberry.field(description="How far it is.")
    progress: float = strawberry.field(description="How much of it is made, from 0 to 1.")
    requested_at: datetime = strawberry.field(description="When it was asked for.")
    expires_at: datetime | None = strawberry.field(
        description="When the file is deleted, or was; null before there is one."
    )
    size: float | None = strawberry.field(
        description="How many bytes the file has; null without one."
    )
    url: str | None = strawberry.field(
        description="Where to fetch the file: a path on this server that works for 10 minutes, for "
        "whoever has it. Ask again for another one. Null unless it is ready."
    )

    @classmethod
    def of(cls, row: exports.Export, services: Services) -> Self:
        """Return an export as its person sees it."""
        return cls(
            id=strawberry.ID(encode(Kind.EXPORT, row.id)),
            state=DataExportState(row.state),
            progress=row.progress,
            requested_at=row.requested_at,
            expires_at=row.expires_at,
            size=row.size,
            url=use_cases.link(services, row),
        )


@strawberry.type(description="The export that was asked for, or why there is none.")
class RequestDataExportPayload:
    data_export: DataExport | None = strawberry.field(
        default=None, description="The export; `Viewer.dataExports` shows how far it is."
    )
    errors: list[UserError] = errors_field()


@refusals_into(RequestDataExportPayload)
async def request_data_export(info: Info) -> RequestDataExportPayload:
    """Resolve `Mutation.requestDataExport`."""
    context = info.context
    export = await use_cases.request(context.services, context.signed_in, client=context.client)
    return RequestDataExportPayload(data_export=DataExport.of(export, context.services))


async def viewer_exports(info: Info) -> list[DataExport]:
    """Resolve `Viewer.dataExports`."""
    context = info.context
    if context.signed_in.kind is not UserKind.PERSON:
        return []
    rows = await use_cases.of_viewer(context.services, context.signed_in)
    return [DataExport.of(row, context.services) for row in rows]
