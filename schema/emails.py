"""E-mail addresses: proving, changing and restoring one's own."""

from typing import Annotated

import strawberry

from models import verified_emails
from resolvers import emails as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into

_TOKEN = "The code from the mail. It works once."  # noqa: S105 - a description


async def email_verified(info: Info) -> bool:
    """Resolve `Viewer.emailVerified`."""
    async with info.context.db.reading() as db:
        return await verified_emails.of(db, info.context.signed_in.user_id) is not None


@strawberry.type(description="A code was mailed, or why not.")
class RequestEmailVerificationPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="The code that was mailed to an address.")
class VerifyEmailInput:
    token: str = strawberry.field(description=_TOKEN)


@strawberry.type(description="The address is proven, or why not.")
class VerifyEmailPayload:
    email: str | None = strawberry.field(
        default=None, description="The address that belongs to the account from now on."
    )
    errors: list[UserError] = errors_field()


@strawberry.input(description="Another address.")
class ChangeEmailInput:
    new_email: str = strawberry.field(
        description="It counts when the code that is mailed to it is given to `verifyEmail`."
    )


@strawberry.type(
    description="A code was mailed, or why not. Whether the address belongs to another account is "
    "not told."
)
class ChangeEmailPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="The code that was mailed to the address before.")
class RestoreEmailInput:
    token: str = strawberry.field(description=_TOKEN)


@strawberry.type(description="The address is the former one again, or why not.")
class RestoreEmailPayload:
    email: str | None = strawberry.field(
        default=None, description="The address that belongs to the account again."
    )
    errors: list[UserError] = errors_field()


_VERIFICATION = strawberry.argument(description="The code.")
_CHANGE = strawberry.argument(description="The new address.")
_RESTORATION = strawberry.argument(description="The code.")


@refusals_into(RequestEmailVerificationPayload)
async def request_email_verification(info: Info) -> RequestEmailVerificationPayload:
    """Resolve `Mutation.requestEmailVerification`."""
    context = info.context
    await use_cases.request_verification(context.services, context.signed_in, context.client)
    return RequestEmailVerificationPayload()


@refusals_into(VerifyEmailPayload)
async def verify_email(
    info: Info, input: Annotated[VerifyEmailInput, _VERIFICATION]
) -> VerifyEmailPayload:
    """Resolve `Mutation.verifyEmail`."""
    context = info.context
    email = await use_cases.verify(context.services, token=input.token, client=context.client)
    return VerifyEmailPayload(email=email)


@refusals_into(ChangeEmailPayload)
async def change_email(
    info: Info, input: Annotated[ChangeEmailInput, _CHANGE]
) -> ChangeEmailPayload:
    """Resolve `Mutation.changeEmail`."""
    context = info.context
    await use_cases.request_change(
        context.services, context.signed_in, new_email=input.new_email, client=context.client
    )
    return ChangeEmailPayload()


@refusals_into(RestoreEmailPayload)
async def restore_email(
    info: Info, input: Annotated[RestoreEmailInput, _RESTORATION]
) -> RestoreEmailPayload:
    """Resolve `Mutation.restoreEmail`."""
    context = info.context
    email = await use_cases.restore(context.services, token=input.token, client=context.client)
    return RestoreEmailPayload(email=email)
