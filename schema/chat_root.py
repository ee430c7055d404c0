"""What can be done about chats and who is in them: a part of `Mutation`."""

import strawberry

from schema import chat_details as detail_fields
from schema import guests as guest_fields
from schema import members as member_fields
from schema import roles as role_fields


@strawberry.type
class ChatMutations:
    create_chat: detail_fields.CreateChatPayload = strawberry.mutation(
        resolver=detail_fields.create_chat,
        description="Start a chat, or find the direct chat with somebody, or one's own.",
    )
    update_chat: detail_fields.UpdateChatPayload = strawberry.mutation(
        resolver=detail_fields.update_chat,
        description="Give a chat another title or description, or other settings.",
    )
    add_members: member_fields.AddMembersPayload = strawberry.mutation(
        resolver=member_fields.add_members, description="Add people to a group."
    )
    remove_member: member_fields.RemoveMemberPayload = strawberry.mutation(
        resolver=member_fields.remove_member, description="Take somebody out of a group."
    )
    change_member_role: role_fields.ChangeMemberRolePayload = strawberry.mutation(
        resolver=role_fields.change_member_role,
        description="Make a member an admin, or an admin a member.",
    )
    transfer_ownership: role_fields.TransferOwnershipPayload = strawberry.mutation(
        resolver=role_fields.transfer_ownership,
        description="Make somebody else the owner of one's chat, and be an admin of it.",
    )
    leave_chat: member_fields.LeaveChatPayload = strawberry.mutation(
        resolver=member_fields.leave_chat,
        description="Leave a group or channel. If its owner leaves, the longest-standing admin, "
        "or else member, owns it.",
    )
    create_guest_link: guest_fields.CreateGuestLinkPayload = strawberry.mutation(
        resolver=guest_fields.create_guest_link,
        description="Open a way into a group for people without an account.",
    )
    revoke_guest_link: guest_fields.RevokeGuestLinkPayload = strawberry.mutation(
        resolver=guest_fields.revoke_guest_link,
        description="Close a guest link, and take out who came by it.",
    )
