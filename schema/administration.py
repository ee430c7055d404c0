"""The mutations that administrators alone have."""

from datetime import datetime
from typing import Annotated

import strawberry

from models.reports import ReportAction as StoredAction
from models.sign_up import SignUpPolicy as StoredPolicy
from resolvers import administration as use_cases
from resolvers import invitations as invitation_use_cases
from resolvers import reports as report_use_cases
from resolvers import sign_up as sign_up_use_cases
from schema.admin import AdminUser, Invitation
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.moments import moment
from schema.reported import Report, ReportAction
from schema.server_info import SignUpPolicy


@strawberry.input(description="Somebody to keep out.")
class AdminSuspendUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")
    reason: str = strawberry.field(description="Why, for the administrators; up to 500 characters.")
    until: datetime | None = strawberry.field(
        default=None, description="When it ends by itself; never unless given."
    )


@strawberry.input(description="Somebody to let in again.")
class AdminReinstateUserInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.input(description="Somebody to sign out everywhere.")
class AdminEndSessionsInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.input(description="Somebody to make an administrator.")
class AdminGrantAdministratorInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.input(description="Somebody who is to administer this server no longer.")
class AdminRevokeAdministratorInput:
    user_id: strawberry.ID = strawberry.field(description="Who.")


@strawberry.input(description="Who may register.")
class AdminSetSignUpPolicyInput:
    policy: SignUpPolicy = strawberry.field(description="From now on.")


@strawberry.input(description="Leave to sign up.")
class AdminCreateInvitationInput:
    email: str | None = strawberry.field(
        default=None,
        description="The address that it is for: who uses it registers with that. For whoever "
        "has it unless given.",
    )
    uses: int = strawberry.field(default=1, description="How many may sign up with it.")
    expires_at: datetime | None = strawberry.field(
        default=None,
        description=f"When it ends; {invitation_use_cases.LIFETIME.days} days from now unless "
        f"given, {invitation_use_cases.MAX_LIFETIME.days} days at most.",
    )


@strawberry.input(description="An invitation to take back.")
class AdminRevokeInvitationInput:
    invitation_id: strawberry.ID = strawberry.field(description="The invitation.")


@strawberry.input(description="A report to close.")
class AdminResolveReportInput:
    report_id: strawberry.ID = strawberry.field(description="The report.")
    note: str | None = strawberry.field(
        default=None, description="What was done about it, up to 500 characters."
    )
    action: ReportAction = strawberry.field(
        default=ReportAction.NONE, description="What to do about it now."
    )


@strawberry.type(description="The account as it is now.")
class AdminUserPayload:
    user: AdminUser | None = strawberry.field(default=None, description="The account.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="Who may register now.")
class AdminSetSignUpPolicyPayload:
    policy: SignUpPolicy | None = strawberry.field(default=None, description="Who may.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="The invitation, or why there is none.")
class AdminCreateInvitationPayload:
    invitation: Invitation | None = strawberry.field(
        default=None, description="What is kept of it."
    )
    token: str | None = strawberry.field(
        default=None,
        description="For `register(invitation:)`. It is told here and never again.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The invitation is no good any more.")
class AdminRevokeInvitationPayload:
    errors: list[UserError] = errors_field()


@strawberry.type(description="The report as it is now.")
class AdminResolveReportPayload:
    report: Report | None = strawberry.field(default=None, description="The report.")
    errors: list[UserError] = errors_field()


_WHO = strawberry.argument(description="Who.")
_POLICY = strawberry.argument(description="Who may register.")
_INVITATION = strawberry.argument(description="The invitation.")
_REPORT = strawberry.argument(description="The report.")


@refusals_into(AdminUserPayload)
async def suspend_user(
    info: Info, input: Annotated[AdminSuspendUserInput, _WHO]
) -> AdminUserPayload:
    """Resolve `Mutation.adminSuspendUser`."""
    row = await use_cases.suspend(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        reason=input.reason,
        until=moment(input.until, path="until"),
        client=info.context.client,
    )
    return AdminUserPayload(user=AdminUser.of(row))


@refusals_into(AdminUserPayload)
async def reinstate_user(
    info: Info, input: Annotated[AdminReinstateUserInput, _WHO]
) -> AdminUserPayload:
    """Resolve `Mutation.adminReinstateUser`."""
    row = await use_cases.reinstate(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        client=info.context.client,
    )
    return AdminUserPayload(user=AdminUser.of(row))


@refusals_into(AdminUserPayload)
async def end_sessions(
    info: Info, input: Annotated[AdminEndSessionsInput, _WHO]
) -> AdminUserPayload:
    """Resolve `Mutation.adminEndSessions`."""
    row = await use_cases.end_sessions(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        client=info.context.client,
    )
    return AdminUserPayload(user=AdminUser.of(row))


@refusals_into(AdminUserPayload)
async def grant_administrator(
    info: Info, input: Annotated[AdminGrantAdministratorInput, _WHO]
) -> AdminUserPayload:
    """Resolve `Mutation.adminGrantAdministrator`."""
    row = await use_cases.set_administrator(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        is_admin=True,
        client=info.context.client,
    )
    return AdminUserPayload(user=AdminUser.of(row))


@refusals_into(AdminUserPayload)
async def revoke_administrator(
    info: Info, input: Annotated[AdminRevokeAdministratorInput, _WHO]
) -> AdminUserPayload:
    """Resolve `Mutation.adminRevokeAdministrator`."""
    row = await use_cases.set_administrator(
        info.context.services,
        info.context.signed_in,
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        is_admin=False,
        client=info.context.client,
    )
    return AdminUserPayload(user=AdminUser.of(row))


@refusals_into(AdminSetSignUpPolicyPayload)
async def set_sign_up_policy(
    info: Info, input: Annotated[AdminSetSignUpPolicyInput, _POLICY]
) -> AdminSetSignUpPolicyPayload:
    """Resolve `Mutation.adminSetSignUpPolicy`."""
    await sign_up_use_cases.set_policy(
        info.context.services,
        info.context.signed_in,
        StoredPolicy[input.policy.name],
        client=info.context.client,
    )
    return AdminSetSignUpPolicyPayload(policy=input.policy)


@refusals_into(AdminCreateInvitationPayload)
async def create_invitation(
    info: Info, input: Annotated[AdminCreateInvitationInput, _INVITATION]
) -> AdminCreateInvitationPayload:
    """Resolve `Mutation.adminCreateInvitation`."""
    row, token = await invitation_use_cases.create(
        info.context.services,
        info.context.signed_in,
        email=input.email,
        uses=input.uses,
        expires_at=moment(input.expires_at, path="expiresAt"),
        client=info.context.client,
    )
    return AdminCreateInvitationPayload(invitation=Invitation.of(row), token=token)


@refusals_into(AdminRevokeInvitationPayload)
async def revoke_invitation(
    info: Info, input: Annotated[AdminRevokeInvitationInput, _INVITATION]
) -> AdminRevokeInvitationPayload:
    """Resolve `Mutation.adminRevokeInvitation`."""
    await invitation_use_cases.revoke(
        info.context.services,
        info.context.signed_in,
        invitation_id=decode(Kind.INVITATION, input.invitation_id, path="invitationId"),
        client=info.context.client,
    )
    return AdminRevokeInvitationPayload()


@refusals_into(AdminResolveReportPayload)
async def resolve_report(
    info: Info, input: Annotated[AdminResolveReportInput, _REPORT]
) -> AdminResolveReportPayload:
    """Resolve `Mutation.adminResolveReport`."""
    row = await report_use_cases.resolve(
        info.context.services,
        info.context.signed_in,
        report_id=decode(Kind.REPORT, input.report_id, path="reportId"),
        note=input.note,
        action=StoredAction[input.action.name],
        client=info.context.client,
    )
    return AdminResolveReportPayload(report=Report.of(row))
