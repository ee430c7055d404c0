"""Coming and going, roles, and keeping order."""

from __future__ import annotations

from tests.agreement.doings import Dice, Try, doing
from tests.agreement.model import (
    FORBIDDEN,
    INVALID,
    NOT_FOUND,
    RANKS,
    Chat,
    Person,
    Refused,
    Stay,
    World,
)


def _keeper(world: World, who: Person, chat: Chat) -> Stay:
    """Return the stay of somebody who keeps order in a chat."""
    stay = world.inside(who, chat)
    if not chat.keeps(stay):
        raise Refused(FORBIDDEN)
    return stay


def _below(stay: Stay, subject: Stay | None) -> Stay:
    """Return the stay of somebody who has to be in the chat, and below another."""
    if subject is None:
        raise Refused(NOT_FOUND)
    if RANKS[stay.role] <= RANKS[subject.role]:
        raise Refused(FORBIDDEN)
    return subject


@doing(5)
def add_members(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    others = [person for person in world.people if not chat.stay(person)]
    some = others if others and dice.often() else world.people
    people = dice.sample(some, min(len(some), dice.choice([1, 1, 2])))

    def effect() -> None:
        _keeper(world, who, chat)
        new = [person for person in people if not chat.stay(person)]
        world.reach(who, new, "whoMayAdd")
        if any(person in chat.banned for person in new):
            raise Refused(FORBIDDEN)
        for person in new:
            world.come(chat, person, who)
        world.comings(chat, who, "MEMBER_ADDED", new)

    return Try(who, "addMembers", {"chatId": chat, "userIds": people}, effect)


@doing(3)
def remove_member(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom = dice.member(world, chat, who)

    def effect() -> None:
        if whom is who:
            raise Refused(INVALID)
        _below(_keeper(world, who, chat), chat.stay(whom))
        world.go(chat, whom, who)
        world.comings(chat, who, "MEMBER_REMOVED", [whom])

    return Try(who, "removeMember", {"chatId": chat, "userId": whom}, effect)


@doing(3)
def leave_chat(world: World, who: Person, dice: Dice) -> Try:
    chat = dice.chat(world, who)

    def effect() -> None:
        stay = world.inside(who, chat)
        if not chat.open:
            raise Refused(FORBIDDEN)
        others = [each for each in chat.present() if each is not stay]
        if stay.role == "OWNER" and others:
            heir = min(others, key=lambda each: each.role != "ADMIN")  # else the first who came
            heir.role = "OWNER"
            chat.tell("MemberRoleChanged", who, heir.person)
        world.go(chat, who, who)
        if others:
            world.comings(chat, who, "MEMBER_LEFT", [who])

    return Try(who, "leaveChat", {"chatId": chat}, effect)


@doing(4)
def change_role(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom, role = dice.member(world, chat, who), dice.choice(["ADMIN", "ADMIN", "MEMBER", "OWNER"])

    def effect() -> None:
        if role == "OWNER":
            raise Refused(INVALID)
        stay = world.inside(who, chat)
        if not chat.open or stay.role != "OWNER":
            raise Refused(FORBIDDEN)
        subject = chat.stay(whom)
        if subject is None:
            raise Refused(NOT_FOUND)
        if subject.role == "OWNER":
            raise Refused(FORBIDDEN)
        if subject.role != role:
            subject.role = role
            chat.tell("MemberRoleChanged", who, whom)

    return Try(who, "changeMemberRole", {"chatId": chat, "userId": whom, "role": role}, effect)


@doing(2)
def transfer_ownership(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom = dice.member(world, chat, who)

    def effect() -> None:
        if whom is who:
            raise Refused(INVALID)
        stay = world.inside(who, chat)
        if not chat.open or stay.role != "OWNER":
            raise Refused(FORBIDDEN)
        subject = chat.stay(whom)
        if subject is None:
            raise Refused(NOT_FOUND)
        subject.role, stay.role = "OWNER", "ADMIN"
        chat.tell("MemberRoleChanged", who, whom)
        chat.tell("MemberRoleChanged", who, who)

    return Try(who, "transferOwnership", {"chatId": chat, "userId": whom}, effect)


@doing(3)
def silence_member(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom, silent = dice.member(world, chat, who), dice.often(0.6)

    def effect() -> None:
        subject = _below(_keeper(world, who, chat), chat.stay(whom))
        if subject.silenced != silent:
            subject.silenced = silent
            chat.tell("MemberSilenced", who, whom)

    mutation = "silenceMember" if silent else "unsilenceMember"
    return Try(who, mutation, {"chatId": chat, "userId": whom}, effect)


@doing(2)
def ban_member(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom = dice.member(world, chat, who)

    def effect() -> None:
        if whom is who:
            raise Refused(INVALID)
        stay = _keeper(world, who, chat)
        if chat.stay(whom):
            _below(stay, chat.stay(whom))
        elif not world.sees(who, whom):
            raise Refused(NOT_FOUND)
        if whom not in chat.banned:
            chat.banned.append(whom)
        if chat.stay(whom):
            world.go(chat, whom, who)
            world.comings(chat, who, "MEMBER_REMOVED", [whom])
        for request in world.requests:
            if request.chat is chat and request.person is whom:
                if request.pending:
                    world.ask_keepers(chat)
                    request.pending = False
                request.declined = False
        for link in world.links:
            if link.chat is chat and link.by is whom:
                link.open = False

    return Try(who, "banMember", {"chatId": chat, "userId": whom}, effect)


@doing(2)
def unban_member(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    whom = dice.choice(chat.banned or world.people)

    def effect() -> None:
        _keeper(world, who, chat)
        if whom in chat.banned:
            chat.banned.remove(whom)
        elif not world.sees(who, whom):
            raise Refused(NOT_FOUND)

    return Try(who, "unbanMember", {"chatId": chat, "userId": whom}, effect)


@doing(3)
def block_user(world: World, who: Person, dice: Dice) -> Try:
    direct = [c for c in world.chats if c.kind == "DIRECT" and c.stay(who)]
    inside = [stay.person for chat in direct for stay in chat.present()]
    whom = dice.choice(inside if inside and dice.often(0.6) else world.people)
    blocks = dice.often(0.6)

    def effect() -> None:
        if whom is who and blocks:
            raise Refused(INVALID)
        if whom not in who.blocks and not world.sees(who, whom):
            raise Refused(NOT_FOUND)
        if blocks == (whom in who.blocks):
            return
        (who.blocks.append if blocks else who.blocks.remove)(whom)
        for chat in direct:
            chat.parted = chat.parted or chat.stay(whom) is not None
        who.told.append("BlocksChanged")

    return Try(who, "blockUser" if blocks else "unblockUser", {"userId": whom}, effect)
