"""Who may do what in a chat: one table, asked by every use-case."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from models.chats import Chat, ChatKind
from models.errors import Forbidden
from models.members import Member, Role


class Act(StrEnum):
    """What a member may want to do beyond reading, reacting, and keeping the chat as they like."""

    WRITE = "write"
    CHANGE_DETAILS = "change the title or the description"
    CHANGE_SETTINGS = "change who reads what was before, how long messages stay, or the reactions"
    ADD_MEMBERS = "add members"
    REMOVE_MEMBERS = "remove members"
    BAN_MEMBERS = "ban members"
    MODERATE = "silence members, filter words or slow them down"
    CHANGE_ROLES = "change what others may do"
    TRANSFER_OWNERSHIP = "hand over the ownership"
    INVITE = "make links that let people in"
    INVITE_GUESTS = "invite guests"
    ANSWER_JOIN_REQUESTS = "answer who asks to join"
    PIN_MESSAGES = "pin messages"
    MENTION_ALL = "mention everybody"
    DELETE_OTHERS_MESSAGES = "delete other people's messages"
    MANAGE_WEBHOOKS = "manage webhooks"
    LEAVE = "leave"


_OF_OWNER = frozenset({Act.CHANGE_ROLES, Act.TRANSFER_OWNERSHIP})
_OF_ADMIN = frozenset(Act) - _OF_OWNER
_OF_MEMBER = frozenset({Act.WRITE, Act.LEAVE})
# Where nobody is above anybody.
_OF_EQUALS = frozenset({Act.WRITE, Act.CHANGE_SETTINGS, Act.PIN_MESSAGES})

_ALLOWED: dict[ChatKind, dict[Role, frozenset[Act]]] = {
    # Two people, for good: nobody is added, removed or above the other.
    ChatKind.DIRECT: {Role.MEMBER: _OF_EQUALS},
    ChatKind.SELF: {Role.OWNER: _OF_EQUALS},
    ChatKind.GROUP: {
        Role.OWNER: frozenset(Act),
        Role.ADMIN: _OF_ADMIN,
        Role.MEMBER: _OF_MEMBER,
        # Reads, writes and reacts like everybody.
        Role.GUEST: _OF_MEMBER,
    },
    # Few write, many read.
    ChatKind.CHANNEL: {
        Role.OWNER: frozenset(Act),
        Role.ADMIN: _OF_ADMIN,
        Role.MEMBER: frozenset({Act.LEAVE}),
        Role.GUEST: frozenset({Act.LEAVE}),
    },
}

# Who has a higher rank than somebody may remove, ban or silence them.
_RANKS = {Role.OWNER: 2, Role.ADMIN: 1, Role.MEMBER: 0, Role.GUEST: 0}


def acts(chat: Chat, member: Member) -> frozenset[Act]:
    """Return everything that a member's role covers."""
    return _ALLOWED[ChatKind(chat.kind)].get(Role(member.role), frozenset())


def allows(chat: Chat, member: Member, act: Act) -> bool:
    """Whether a member's role covers an act."""
    return act in acts(chat, member)


def roles_with(kind: ChatKind, act: Act) -> frozenset[Role]:
    """Return the roles that cover an act in chats of a kind: for statements that decide it."""
    return frozenset(role for role, allowed in _ALLOWED[kind].items() if act in allowed)


def require(chat: Chat, member: Member, act: Act) -> None:
    """Raise `Forbidden` unless the member may."""
    if not allows(chat, member, act):
        raise Forbidden(f"You may not {act.value} in this chat.")


def is_silenced(member: Member, now: datetime) -> bool:
    """Whether a member only reads at present: in a direct chat, because one blocks the other."""
    return member.silenced_until is not None and member.silenced_until > now


def require_not_silenced(member: Member, now: datetime, *, path: Sequence[str]) -> None:
    """Raise `Forbidden` for who only reads at present.

    By whom they were silenced is not told: in a direct chat that would be who blocks whom.
    """
    if is_silenced(member, now):
        raise Forbidden("You may not write in this chat at present.", path=path)


def require_above(member: Member, subject: Member, *, path: Sequence[str]) -> None:
    """Raise `Forbidden` unless the member's rank is above the subject's.

    Nobody touches the owner, and admins do not touch each other.
    """
    if _RANKS[Role(member.role)] <= _RANKS[Role(subject.role)]:
        raise Forbidden(f"You may not do that to somebody who is {subject.role}.", path=path)
