"""What a client says of who is there: a part of `Mutation`."""

import strawberry

from schema import presence as presence_fields


@strawberry.type
class PresenceMutations:
    set_presence: presence_fields.SetPresencePayload = strawberry.mutation(
        resolver=presence_fields.set_presence,
        description="Say whether somebody uses this device. It holds for the session until it says "
        "otherwise; while no device is used, the viewer is away.",
    )
