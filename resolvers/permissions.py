"""Who may do what in a chat: one table, asked by every use-case."""

from enum import StrEnum

from models.chats import Chat, ChatKind
from models.errors import Forbidden
from models.members import Member, Role


class Act(StrEnum):
    """What a member may want to do beyond reading and writing."""

    CHANGE_DETAILS = "change the title or the description"
    ADD_MEMBERS = "add members"
    REMOVE_MEMBERS = "remove members"
    INVITE_GUESTS = "invite guests"
    DELETE_OTHERS_MESSAGES = "delete other people's messages"
    LEAVE = "leave"
    MANAGE_WEBHOOKS = "manage webhooks"


_ALLOWED: dict[ChatKind, dict[Role, frozenset[Act]]] = {
    # Two people, for good: nobody is added, removed or above the other.
    ChatKind.DIRECT: {Role.MEMBER: frozenset()},
    ChatKind.SELF: {Role.OWNER: frozenset()},
    ChatKind.GROUP: {
        Role.OWNER: frozenset(Act),
        Role.ADMIN: frozenset(Act),
        Role.MEMBER: frozenset({Act.LEAVE}),
        # Reads, writes and reacts like everybody.
        Role.GUEST: frozenset({Act.LEAVE}),
    },
    ChatKind.CHANNEL: {
        Role.OWNER: frozenset(Act),
        Role.ADMIN: frozenset(Act),
        Role.MEMBER: frozenset({Act.LEAVE}),
        Role.GUEST: frozenset({Act.LEAVE}),
    },
}


def allows(chat: Chat, member: Member, act: Act) -> bool:
    """Whether a member's role covers an act."""
    return act in _ALLOWED[ChatKind(chat.kind)].get(Role(member.role), frozenset())


def require(chat: Chat, member: Member, act: Act) -> None:
    """Raise `Forbidden` unless the member may."""
    if not allows(chat, member, act):
        raise Forbidden(f"You may not {act.value} in this chat.")
