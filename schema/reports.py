"""Telling the administrators about somebody."""

from enum import Enum
from typing import Annotated

import strawberry

from models.reports import ReportReason as StoredReason
from resolvers import reports as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode


@strawberry.enum(description="What is wrong.")
class ReportReason(Enum):
    SPAM = strawberry.enum_value("spam", description="Unwanted advertising.")
    HARASSMENT = strawberry.enum_value("harassment", description="Threats, insults, stalking.")
    IMPERSONATION = strawberry.enum_value(
        "impersonation", description="They pass themselves off as somebody else."
    )
    ILLEGAL = strawberry.enum_value("illegal", description="Something against the law.")
    OTHER = strawberry.enum_value("other", description="Something else; the text says what.")


@strawberry.input(description="Somebody whom administrators should look at, and why.")
class ReportUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")
    reason: ReportReason = strawberry.field(description="What is wrong.")
    text: str | None = strawberry.field(
        default=None, description="What happened, up to 1000 characters."
    )


@strawberry.type(description="The administrators will see it.")
class ReportUserPayload:
    errors: list[UserError] = errors_field()


_REPORT = strawberry.argument(description="Who, and why.")


@refusals_into(ReportUserPayload)
async def report_user(info: Info, input: Annotated[ReportUserInput, _REPORT]) -> ReportUserPayload:
    """Resolve `Mutation.reportUser`."""
    await use_cases.report(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        reason=StoredReason[input.reason.name],
        text=input.text,
        client=info.context.client,
    )
    return ReportUserPayload()
