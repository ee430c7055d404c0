"""The mutations about a person's own profile and handle."""

from datetime import datetime
from typing import Annotated

import strawberry

from resolvers import names
from resolvers import profiles as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.users import User


@strawberry.input(description="What the viewer is up to: a text, an emoji, or both.")
class StatusInput:
    text: str | None = strawberry.field(
        default=None, description=f"In words, up to {use_cases.MAX_STATUS} characters."
    )
    emoji: str | None = strawberry.field(default=None, description="As one emoji.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="Until when, with a time zone; null for until it is changed."
    )


@strawberry.input(
    description="What of the viewer's profile is to be another. What is absent stays; null takes "
    "away."
)
class UpdateProfileInput:
    display_name: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"The name to show, up to {names.MAX_NAME} characters; it cannot be null.",
    )
    bio: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"What they say about themselves, up to {use_cases.MAX_BIO} characters.",
    )
    status: StatusInput | None = strawberry.field(
        default=strawberry.UNSET, description="What they are up to; replaced as a whole."
    )
    locale: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Their language as a BCP 47 tag, such as `pt-BR`.",
    )
    time_zone: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Their time zone in the IANA database, such as `Europe/Berlin`.",
    )


@strawberry.type(description="The viewer as they are now.")
class UpdateProfilePayload:
    user: User | None = strawberry.field(default=None, description="The viewer.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="Another handle for the viewer.")
class ChangeHandleInput:
    handle: str = strawberry.field(
        description="3 to 32 characters a–z, 0–9, _, a letter first; case does not matter."
    )


@strawberry.type(description="The viewer under the new handle.")
class ChangeHandlePayload:
    user: User | None = strawberry.field(default=None, description="The viewer.")
    errors: list[UserError] = errors_field()


_CHANGE = strawberry.argument(description="What changes.")
_HANDLE = strawberry.argument(description="The handle.")


@refusals_into(UpdateProfilePayload)
async def update_profile(
    info: Info, input: Annotated[UpdateProfileInput, _CHANGE]
) -> UpdateProfilePayload:
    """Resolve `Mutation.updateProfile`."""
    changes: use_cases.Changes = {}
    if input.display_name is not strawberry.UNSET:
        changes["display_name"] = input.display_name
    if input.bio is not strawberry.UNSET:
        changes["bio"] = input.bio
    if input.status is not strawberry.UNSET:
        changes["status"] = _status(input.status)
    if input.locale is not strawberry.UNSET:
        changes["locale"] = input.locale
    if input.time_zone is not strawberry.UNSET:
        changes["time_zone"] = input.time_zone
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        changes=changes,
        client=info.context.client,
    )
    return UpdateProfilePayload(user=User.of(row))


def _status(status: StatusInput | None) -> use_cases.Status | None:
    if status is None:
        return None
    return use_cases.Status(status.text, status.emoji, status.expires_at)


@refusals_into(ChangeHandlePayload)
async def change_handle(
    info: Info, input: Annotated[ChangeHandleInput, _HANDLE]
) -> ChangeHandlePayload:
    """Resolve `Mutation.changeHandle`."""
    row = await use_cases.change_handle(
        info.context.services,
        info.context.signed_in,
        handle=input.handle,
        client=info.context.client,
    )
    return ChangeHandlePayload(user=User.of(row))
