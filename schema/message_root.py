"""What can be done about messages: a part of `Mutation`."""

import strawberry

from schema import messages as message_fields
from schema import reactions as reaction_fields
from schema import receipts as receipt_fields
from schema import sending as sending_fields
from schema import typing as typing_fields


@strawberry.type
class MessageMutations:
    send_message: sending_fields.SendMessagePayload = strawberry.mutation(
        resolver=sending_fields.send_message,
        description="Send a message. It is stored for good when this answers.",
    )
    edit_message: message_fields.EditMessagePayload = strawberry.mutation(
        resolver=message_fields.edit_message, description="Give one's own message another text."
    )
    delete_message: message_fields.DeleteMessagePayload = strawberry.mutation(
        resolver=message_fields.delete_message, description="Delete a message for everybody."
    )
    add_reaction: reaction_fields.AddReactionPayload = strawberry.mutation(
        resolver=reaction_fields.add_reaction, description="React to a message."
    )
    remove_reaction: reaction_fields.RemoveReactionPayload = strawberry.mutation(
        resolver=reaction_fields.remove_reaction, description="Take a reaction back."
    )
    mark_read: receipt_fields.MarkReadPayload = strawberry.mutation(
        resolver=receipt_fields.mark_read,
        description="Say how far the viewer has read. What is read was delivered.",
    )
    mark_delivered: receipt_fields.MarkDeliveredPayload = strawberry.mutation(
        resolver=receipt_fields.mark_delivered,
        description="Say which messages have reached a device of the viewer.",
    )
    set_typing: typing_fields.SetTypingPayload = strawberry.mutation(
        resolver=typing_fields.set_typing, description="Say that the viewer is typing, or stopped."
    )
