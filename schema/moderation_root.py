"""What can be done against others: a part of `Mutation`."""

import strawberry

from schema import reports as report_fields


@strawberry.type
class ModerationMutations:
    report_user: report_fields.ReportUserPayload = strawberry.mutation(
        resolver=report_fields.report_user,
        description="Tell the administrators about somebody. Nobody else learns of it.",
    )
