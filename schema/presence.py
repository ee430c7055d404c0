"""Who is there: what is shown of it, the mutation that says so, the subscription that hears it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Self

import strawberry

from models.errors import InvalidInput
from realtime.presence import MAX_IDS, PresenceTold
from realtime.presence_state import Presence as Row
from resolvers import presence as use_cases
from schema import users as user_types
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.sources import source

if TYPE_CHECKING:
    from schema.chats import Chat
    from schema.users import User

COUNTED_UP_TO = use_cases.COUNTED_UP_TO
LazyUser = Annotated["User", strawberry.lazy("schema.users")]


@strawberry.enum(description="Whether somebody is there.")
class PresenceState(Enum):
    ONLINE = strawberry.enum_value("online", description="Connected, by a device that is used.")
    AWAY = strawberry.enum_value(
        "away", description="Connected, by devices alone that nobody uses at the moment."
    )
    OFFLINE = strawberry.enum_value(
        "offline", description="Not connected for some 30 seconds at least."
    )


@strawberry.type(description="Whether somebody is there.")
class Presence:
    state: PresenceState = strawberry.field(description="Whether they are.")
    last_seen_at: datetime | None = strawberry.field(
        description="When they last were; null while they are, for guests, and where nobody knows."
    )

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return a presence that the viewer may know of."""
        return cls(state=PresenceState(row.state.value), last_seen_at=row.last_seen_at)


@strawberry.type(
    description="Whether somebody is there: as it is at first, and then whenever it changes."
)
class PresenceChanged:
    user: LazyUser = strawberry.field(description="Who.")
    state: PresenceState | None = strawberry.field(
        description="Whether they are there; null if the viewer does not get to know, or not any "
        "more."
    )
    last_seen_at: datetime | None = strawberry.field(
        description="When they last were; null while they are, for guests, and where nobody knows."
    )

    @classmethod
    def of(cls, told: PresenceTold) -> Self:
        """Return a change as the schema shows it."""
        presence = Presence.of(told.presence) if told.presence is not None else None
        return cls(
            user=user_types.User.of(told.user),
            state=presence.state if presence else None,
            last_seen_at=presence.last_seen_at if presence else None,
        )


@strawberry.input(description="What the client says of its device.")
class SetPresenceInput:
    state: PresenceState = strawberry.field(
        description="`AWAY` when nobody has used it for a while, `ONLINE` when somebody does again."
    )


@strawberry.type(description="How the viewer is with all their devices, as these see it.")
class SetPresencePayload:
    presence: Presence | None = strawberry.field(default=None, description="How the viewer is.")
    errors: list[UserError] = errors_field()


_STATE = strawberry.argument(description="Whether it is used.")
_USER_IDS = strawberry.argument(
    description=f"The people, {MAX_IDS} at most; of whom the viewer cannot see nothing is told."
)


@refusals_into(SetPresencePayload)
async def set_presence(
    info: Info, input: Annotated[SetPresenceInput, _STATE]
) -> SetPresencePayload:
    """Resolve `Mutation.setPresence`."""
    if input.state is PresenceState.OFFLINE:
        raise InvalidInput("A client that is offline says nothing: disconnect.", path=["state"])
    row = await use_cases.set_presence(
        info.context.services, info.context.signed_in, away=input.state is PresenceState.AWAY
    )
    return SetPresencePayload(presence=Presence.of(row))


def presence(
    info: Info, user_ids: Annotated[list[strawberry.ID], _USER_IDS]
) -> AsyncGenerator[PresenceChanged, None]:
    """Resolve `Subscription.presence`."""
    viewer = info.context.signed_in
    if not 0 < len(user_ids) <= MAX_IDS:
        raise InvalidInput(f"It takes 1 to {MAX_IDS} people.", path=["userIds"])
    ids = [decode(Kind.USER, user_id, path="userIds") for user_id in user_ids]
    looks = info.context.services.node.presence
    subscribed: AsyncGenerator[PresenceChanged, None] = source(
        open=lambda: looks.listen(viewer, ids), show=lambda told, _: PresenceChanged.of(told)
    )
    return subscribed


async def presence_of_each(objects: "Sequence[User]", info: Info) -> list[Presence | None]:
    """Return how each of these people is, None where the viewer does not get to know."""
    viewer = info.context.signed_in
    rows = await use_cases.of_people(info.context.services, viewer, [user.row for user in objects])
    return [Presence.of(rows[user.row.id]) if user.row.id in rows else None for user in objects]


async def online_count_of_each(objects: "Sequence[Chat]", info: Info) -> list[int | None]:
    """Return how many people are there in each of these chats."""
    viewer = info.context.signed_in
    counts: dict[Any, int] = await use_cases.online_counts(
        info.context.services, viewer, [chat.row for chat in objects]
    )
    return [counts.get(chat.row.id) for chat in objects]
