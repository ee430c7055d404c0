"""The end of one's account."""

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import deletions as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into


@strawberry.input(description="A safeguard.")
class DeleteAccountInput:
    handle: str = strawberry.field(description="One's own handle, typed by the person.")


@strawberry.type(description="When the account is deleted, or why it is not.")
class DeleteAccountPayload:
    deletion_due_at: datetime | None = strawberry.field(
        default=None,
        description="When it is. Until then whoever logs in again may cancel that.",
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="The account stays.")
class CancelAccountDeletionPayload:
    errors: list[UserError] = errors_field()


_SAFEGUARD = strawberry.argument(description="The safeguard.")


@refusals_into(DeleteAccountPayload)
async def delete_account(
    info: Info, input: Annotated[DeleteAccountInput, _SAFEGUARD]
) -> DeleteAccountPayload:
    """Resolve `Mutation.deleteAccount`."""
    context = info.context
    due_at = await use_cases.request(
        context.services, context.signed_in, handle=input.handle, client=context.client
    )
    return DeleteAccountPayload(deletion_due_at=due_at)


@refusals_into(CancelAccountDeletionPayload)
async def cancel_account_deletion(info: Info) -> CancelAccountDeletionPayload:
    """Resolve `Mutation.cancelAccountDeletion`."""
    context = info.context
    await use_cases.cancel(context.services, context.signed_in, client=context.client)
    return CancelAccountDeletionPayload()


async def deletion_due_at(info: Info) -> datetime | None:
    """Resolve `Viewer.deletionDueAt`."""
    context = info.context
    return await use_cases.due_at(context.services, context.signed_in)
