"""What can be done with messages that are there: a part of `Mutation`."""

import strawberry

from schema import forwards as forward_fields
from schema import hiding as hiding_fields
from schema import pins as pin_fields


@strawberry.type
class ContentMutations:
    forward_messages: forward_fields.ForwardMessagesPayload = strawberry.mutation(
        resolver=forward_fields.forward_messages,
        description="Pass messages on to another chat, in the order given. Those that were sent "
        "before something is refused stay sent: retry with the same ids.",
    )
    pin_message: pin_fields.PinMessagePayload = strawberry.mutation(
        resolver=pin_fields.pin_message, description="Pin a message in its chat."
    )
    unpin_message: pin_fields.UnpinMessagePayload = strawberry.mutation(
        resolver=pin_fields.unpin_message, description="Take a pin away."
    )
    hide_message: hiding_fields.HideMessagePayload = strawberry.mutation(
        resolver=hiding_fields.hide_message,
        description="Delete a message for the viewer alone; others go on seeing it.",
    )
    clear_history: hiding_fields.ClearHistoryPayload = strawberry.mutation(
        resolver=hiding_fields.clear_history,
        description="Delete everything said so far in a chat for the viewer alone.",
    )
