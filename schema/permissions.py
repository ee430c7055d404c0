"""What a member may do in a chat, for clients to show no button that would be refused."""

from enum import Enum

import strawberry

from models.chats import Chat
from models.members import Member
from resolvers.permissions import Act, acts


@strawberry.enum(description="What a member may do beyond reading and reacting.")
class ChatPermission(Enum):
    WRITE = strawberry.enum_value(Act.WRITE.value, description="Send messages.")
    CHANGE_DETAILS = strawberry.enum_value(
        Act.CHANGE_DETAILS.value, description="Change the title and the description."
    )
    CHANGE_SETTINGS = strawberry.enum_value(
        Act.CHANGE_SETTINGS.value,
        description="Change who reads what was said before, how long messages stay, and which "
        "reactions there are.",
    )
    ADD_MEMBERS = strawberry.enum_value(Act.ADD_MEMBERS.value, description="Add people.")
    REMOVE_MEMBERS = strawberry.enum_value(
        Act.REMOVE_MEMBERS.value, description="Remove who has a lower role."
    )
    BAN_MEMBERS = strawberry.enum_value(
        Act.BAN_MEMBERS.value, description="Keep people out who have a lower role, or none."
    )
    MODERATE = strawberry.enum_value(
        Act.MODERATE.value, description="Silence members, filter words, and set the slow mode."
    )
    CHANGE_ROLES = strawberry.enum_value(
        Act.CHANGE_ROLES.value, description="Make admins of members, and members of admins."
    )
    TRANSFER_OWNERSHIP = strawberry.enum_value(
        Act.TRANSFER_OWNERSHIP.value, description="Make somebody else the owner."
    )
    INVITE = strawberry.enum_value(
        Act.INVITE.value, description="Make links by which people join, and close them."
    )
    INVITE_GUESTS = strawberry.enum_value(
        Act.INVITE_GUESTS.value, description="Make links for people without an account."
    )
    ANSWER_JOIN_REQUESTS = strawberry.enum_value(
        Act.ANSWER_JOIN_REQUESTS.value, description="Let in who asks to join, or not."
    )
    PIN_MESSAGES = strawberry.enum_value(
        Act.PIN_MESSAGES.value, description="Pin messages for everybody, and unpin them."
    )
    MENTION_ALL = strawberry.enum_value(
        Act.MENTION_ALL.value, description="Mention everybody at once."
    )
    DELETE_OTHERS_MESSAGES = strawberry.enum_value(
        Act.DELETE_OTHERS_MESSAGES.value, description="Delete what others wrote."
    )
    MANAGE_WEBHOOKS = strawberry.enum_value(
        Act.MANAGE_WEBHOOKS.value, description="Have the chat's events sent elsewhere, or posts in."
    )
    LEAVE = strawberry.enum_value(Act.LEAVE.value, description="Leave.")


def permissions_of(chat: Chat, member: Member) -> list[ChatPermission]:
    """Return what a member may do, in the order of the enum."""
    allowed = acts(chat, member)
    return [ChatPermission[act.name] for act in Act if act in allowed]
