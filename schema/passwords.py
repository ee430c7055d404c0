"""Passwords: changing one's own, and choosing a new one with a mailed code."""

from typing import Annotated

import strawberry

from resolvers import passwords as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into


@strawberry.input(description="Whose password was forgotten.")
class RequestPasswordResetInput:
    handle: str = strawberry.field(
        description="The person's handle, or the e-mail address that they have verified."
    )


@strawberry.type(
    description="If there is such an account and it has a verified address, a code was mailed "
    "there. The answer does not tell."
)
class RequestPasswordResetPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="A mailed code, and the password that it is to set.")
class ResetPasswordInput:
    token: str = strawberry.field(
        description="The code from the mail. It works once; a password that breaks a rule leaves "
        "it good."
    )
    new_password: str = strawberry.field(description="The new password, as for `register`.")


@strawberry.type(
    description="The password is set and all sessions have ended, or why not. Log in with it; "
    "nobody is signed in by this."
)
class ResetPasswordPayload:
    errors: list[UserError] = errors_field()


@strawberry.input(description="The password, and another one.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The password until now.")
    new_password: str = strawberry.field(description="The new password, as for `register`.")


@strawberry.type(
    description="The password is changed and all other sessions have ended, or why not."
)
class ChangePasswordPayload:
    errors: list[UserError] = errors_field()


_FORGOTTEN = strawberry.argument(description="Whose password.")
_RESET = strawberry.argument(description="The code and the password.")
_CHANGE = strawberry.argument(description="The two passwords.")


@refusals_into(RequestPasswordResetPayload)
async def request_password_reset(
    info: Info, input: Annotated[RequestPasswordResetInput, _FORGOTTEN]
) -> RequestPasswordResetPayload:
    """Resolve `Mutation.requestPasswordReset`."""
    context = info.context
    await use_cases.request_reset(context.services, login=input.handle, client=context.client)
    return RequestPasswordResetPayload()


@refusals_into(ResetPasswordPayload)
async def reset_password(
    info: Info, input: Annotated[ResetPasswordInput, _RESET]
) -> ResetPasswordPayload:
    """Resolve `Mutation.resetPassword`."""
    context = info.context
    await use_cases.reset(
        context.services,
        token=input.token,
        new_password=input.new_password,
        client=context.client,
    )
    return ResetPasswordPayload()


@refusals_into(ChangePasswordPayload)
async def change_password(
    info: Info, input: Annotated[ChangePasswordInput, _CHANGE]
) -> ChangePasswordPayload:
    """Resolve `Mutation.changePassword`."""
    context = info.context
    await use_cases.change(
        context.services,
        context.signed_in,
        current_password=input.current_password,
        new_password=input.new_password,
        client=context.client,
    )
    return ChangePasswordPayload()
