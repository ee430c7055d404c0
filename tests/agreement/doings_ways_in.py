"""Coming into chats by oneself: links, and asking to be let in."""

from __future__ import annotations

from typing import Any

from tests.agreement.doings import Dice, Try, doing
from tests.agreement.model import FORBIDDEN, NOT_FOUND, Link, Person, Refused, Request, World


@doing(3)
def create_join_link(world: World, who: Person, dice: Dice) -> Try:
    who, chat = dice.keeper(world, who)
    approval = dice.often(0.5)
    uses = dice.choice([None, None, 1])
    given: dict[str, Any] = {"chatId": chat, "requiresApproval": approval, "maxUses": uses}

    def effect() -> Link:
        stay = world.inside(who, chat)
        if not chat.keeps(stay):
            raise Refused(FORBIDDEN)
        link = Link(chat, who, approval, f"link{len(world.links) + 1}", uses)
        world.links.append(link)
        return link

    return Try(who, "createJoinLink", given, effect)


@doing(1)
def revoke_join_link(world: World, who: Person, dice: Dice) -> Try | None:
    if not world.links:
        return None
    link = dice.choice(world.links)

    def effect() -> None:
        stay = link.chat.stay(who)
        if not link.open or stay is None or not link.chat.keeps(stay):
            raise Refused(NOT_FOUND)
        link.open = False

    return Try(who, "revokeJoinLink", {"linkId": link}, effect)


@doing(6)
def join_chat(world: World, who: Person, dice: Dice) -> Try | None:
    if not world.links:
        return None
    link = dice.choice(world.links[-4:])
    chat = link.chat
    outside = [person for person in world.people if not chat.stay(person)]
    who = dice.choice(outside) if outside and dice.often(0.7) else who

    def use() -> None:
        if link.uses_left == 0:
            raise Refused(NOT_FOUND)
        if link.uses_left:
            link.uses_left -= 1

    def effect() -> Request | None:
        if not link.open:
            raise Refused(NOT_FOUND)
        if chat.stay(who):
            return None
        if who in chat.banned:
            raise Refused(NOT_FOUND)
        if not link.approval:
            use()
            world.come(chat, who, who)
            world.comings(chat, who, "MEMBER_JOINED", [who])
            return None
        asked = [r for r in world.requests if r.chat is chat and r.person is who]
        if any(request.pending for request in asked):
            return None
        if any(request.declined for request in asked):
            raise Refused("RATE_LIMITED")
        use()
        request = Request(chat, who, f"request{len(world.requests) + 1}")
        world.requests.append(request)
        world.ask_keepers(chat)
        return request

    return Try(who, "joinChat", {"token": link}, effect)


@doing(4)
def answer_join_request(world: World, who: Person, dice: Dice) -> Try | None:
    if not world.requests:
        return None
    request, approve = dice.choice(world.requests[-3:]), dice.often(0.7)
    chat = request.chat
    keepers = [stay.person for stay in chat.present() if chat.keeps(stay)]
    who = dice.choice(keepers) if keepers and dice.often() else who

    def effect() -> None:
        stay = chat.stay(who)
        if not request.pending or stay is None or not chat.keeps(stay):
            raise Refused(NOT_FOUND)
        if approve:
            world.come(chat, request.person, who)
            world.comings(chat, who, "MEMBER_ADDED", [request.person])
        else:
            request.declined = True
        request.pending = False
        request.person.told.append("JoinRequestAnswered")
        world.ask_keepers(chat)

    given = {"requestId": request, "answer": "APPROVE" if approve else "DECLINE"}
    return Try(who, "answerJoinRequest", given, effect)


@doing(1)
def withdraw_join_request(world: World, who: Person, dice: Dice) -> Try | None:
    if not world.requests:
        return None
    request = dice.choice(world.requests)

    def effect() -> None:
        if request.person is not who or not request.pending:
            raise Refused(NOT_FOUND)
        request.pending = False
        world.ask_keepers(request.chat)

    return Try(who, "withdrawJoinRequest", {"requestId": request}, effect)
