"""A person's settings, and the mutation that changes them."""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from models import settings as rows
from models.errors import InvalidInput
from models.settings import Audience as StoredAudience
from resolvers import settings as use_cases
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into


@strawberry.enum(description="Who may do something with regard to somebody.")
class Audience(Enum):
    EVERYBODY = strawberry.enum_value("everybody", description="Everybody with an account.")
    CONTACTS = strawberry.enum_value(
        "contacts",
        description="Those who are in a chat with them at the moment; in a direct one, once they "
        "have written there themselves.",
    )
    NOBODY = strawberry.enum_value("nobody", description="Nobody.")


@strawberry.type(description="What a person wants of others. Nobody else sees it.")
class Settings:
    who_may_message: Audience = strawberry.field(
        description="Who may start a direct chat with them. One that is there goes on."
    )
    who_may_call: Audience = strawberry.field(
        description="Who may call them. Kept until there are calls."
    )
    who_may_add: Audience = strawberry.field(description="Who may add them to a group.")
    who_sees_last_seen: Audience = strawberry.field(
        description="Who sees whether they are there, and when they last were. They see it of "
        "these and of nobody else, if these show it to them."
    )
    hides: bool = strawberry.field(
        description="Whether they are found by nobody, neither by `users` nor by their handle, "
        "but by those who are or were in a chat with them."
    )
    hides_receipts: bool = strawberry.field(
        description="Whether nobody sees how far they have received and read, and they see it of "
        "nobody."
    )
    invisible: bool = strawberry.field(
        description="Whether they seem offline to everybody else, last seen when they began to; "
        "then nobody is told either that they type."
    )

    @classmethod
    def of(cls, row: rows.Settings) -> Self:
        """Return settings as their owner sees them."""
        return cls(
            who_may_message=Audience(row.who_may_message),
            who_may_call=Audience(row.who_may_call),
            who_may_add=Audience(row.who_may_add),
            who_sees_last_seen=Audience(row.who_sees_last_seen),
            hides=row.hides,
            hides_receipts=row.hides_receipts,
            invisible=row.invisible,
        )


async def viewer_settings(info: Info) -> Settings:
    """Resolve `Viewer.settings`."""
    return Settings.of(await use_cases.of(info.context.services, info.context.signed_in))


async def settings_of_each(objects: Sequence[Any], info: Info) -> list[Settings]:
    """Return the viewer's settings for each of several things that are the viewer's."""
    return [await viewer_settings(info)] * len(objects)


@strawberry.input(description="Settings to change. What is absent stays; none can be null.")
class UpdateSettingsInput:
    who_may_message: Audience | None = strawberry.field(
        default=strawberry.UNSET, description="Who may start a direct chat with the viewer."
    )
    who_may_call: Audience | None = strawberry.field(
        default=strawberry.UNSET, description="Who may call the viewer."
    )
    who_may_add: Audience | None = strawberry.field(
        default=strawberry.UNSET, description="Who may add the viewer to a group."
    )
    who_sees_last_seen: Audience | None = strawberry.field(
        default=strawberry.UNSET, description="Who sees when the viewer was last there."
    )
    hides: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether strangers find the viewer by no means."
    )
    hides_receipts: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether the viewer shows nobody how far they have received and read, and sees "
        "it of nobody.",
    )
    invisible: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the viewer seems offline to everybody else."
    )


@strawberry.type(description="The settings as they are now.")
class UpdateSettingsPayload:
    settings: Settings | None = strawberry.field(default=None, description="The settings.")
    errors: list[UserError] = errors_field()


_CHANGE = strawberry.argument(description="What changes.")


@refusals_into(UpdateSettingsPayload)
async def update_settings(
    info: Info, input: Annotated[UpdateSettingsInput, _CHANGE]
) -> UpdateSettingsPayload:
    """Resolve `Mutation.updateSettings`."""
    changes: use_cases.Changes = {}
    if input.who_may_message is not strawberry.UNSET:
        changes["who_may_message"] = _audience(input.who_may_message, "whoMayMessage")
    if input.who_may_call is not strawberry.UNSET:
        changes["who_may_call"] = _audience(input.who_may_call, "whoMayCall")
    if input.who_may_add is not strawberry.UNSET:
        changes["who_may_add"] = _audience(input.who_may_add, "whoMayAdd")
    if input.who_sees_last_seen is not strawberry.UNSET:
        changes["who_sees_last_seen"] = _audience(input.who_sees_last_seen, "whoSeesLastSeen")
    if input.hides is not strawberry.UNSET:
        changes["hides"] = _given(input.hides, "hides")
    if input.hides_receipts is not strawberry.UNSET:
        changes["hides_receipts"] = _given(input.hides_receipts, "hidesReceipts")
    if input.invisible is not strawberry.UNSET:
        changes["invisible"] = _given(input.invisible, "invisible")
    row = await use_cases.update(
        info.context.services,
        info.context.signed_in,
        changes=changes,
        client=info.context.client,
    )
    return UpdateSettingsPayload(settings=Settings.of(row))


def _audience(value: Audience | None, path: str) -> StoredAudience:
    return StoredAudience[_given(value, path).name]


def _given(value: Any, path: str) -> Any:
    if value is None:
        raise InvalidInput("A setting cannot be null.", path=[path])
    return value
