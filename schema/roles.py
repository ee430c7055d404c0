"""Who leads a chat: the mutations about roles."""

from typing import Annotated

import strawberry

from models.members import Role as StoredRole
from resolvers import roles as use_cases
from schema.chats import Chat
from schema.context import Info
from schema.errors import UserError, errors_field, refusals_into
from schema.ids import Kind, decode
from schema.members import Membership, Role


@strawberry.input(description="Another role for somebody.")
class ChangeMemberRoleInput:
    chat_id: strawberry.ID = strawberry.field(description="The group or channel.")
    user_id: strawberry.ID = strawberry.field(description="Whose role.")
    role: Role = strawberry.field(
        description="`ADMIN` or `MEMBER`; an owner is made by `transferOwnership`. "
        f"{use_cases.MAX_ADMINS} admins at most."
    )


@strawberry.type(description="Their place in the chat as it is now.")
class ChangeMemberRolePayload:
    membership: Membership | None = strawberry.field(default=None, description="Their place.")
    errors: list[UserError] = errors_field()


@strawberry.input(description="A chat to hand over.")
class TransferOwnershipInput:
    chat_id: strawberry.ID = strawberry.field(description="The group or channel.")
    user_id: strawberry.ID = strawberry.field(description="A person who is in it.")


@strawberry.type(description="The chat under its new owner; the viewer is an admin of it.")
class TransferOwnershipPayload:
    chat: Chat | None = strawberry.field(default=None, description="The chat.")
    memberships: list[Membership] = strawberry.field(
        default_factory=list, description="The places of the new owner and of the viewer."
    )
    errors: list[UserError] = errors_field()


_CHANGE = strawberry.argument(description="Whose role, and which.")
_TRANSFER = strawberry.argument(description="What to hand over, and to whom.")


@refusals_into(ChangeMemberRolePayload)
async def change_member_role(
    info: Info, input: Annotated[ChangeMemberRoleInput, _CHANGE]
) -> ChangeMemberRolePayload:
    """Resolve `Mutation.changeMemberRole`."""
    chat, row = await use_cases.change(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
        role=StoredRole[input.role.name],
    )
    return ChangeMemberRolePayload(membership=Membership.of(row, chat))


@refusals_into(TransferOwnershipPayload)
async def transfer_ownership(
    info: Info, input: Annotated[TransferOwnershipInput, _TRANSFER]
) -> TransferOwnershipPayload:
    """Resolve `Mutation.transferOwnership`."""
    chat, rows = await use_cases.transfer(
        info.context.services,
        info.context.signed_in,
        chat_id=decode(Kind.CHAT, input.chat_id, path="chatId"),
        user_id=decode(Kind.USER, input.user_id, path="userId"),
    )
    return TransferOwnershipPayload(
        chat=Chat.of(chat), memberships=[Membership.of(row, chat) for row in rows]
    )
