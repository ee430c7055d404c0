"""What was said for a time, when that is over."""

from __future__ import annotations

from tests.agreement.doings import TIME_PASSES, Dice, Try, doing
from tests.agreement.model import Person, World


@doing(3)
def expire(world: World, who: Person, dice: Dice) -> Try | None:
    lasting = [m for m in world.messages() if m.expires and not m.deleted]
    if not lasting:
        return None
    first = dice.choice(lasting)
    messages = [m for m in lasting if m.chat is first.chat and m.seq <= first.seq][-3:]

    def effect() -> None:
        chat = first.chat
        for message in messages:
            message.deleted = True
            if message in chat.pins:
                chat.pins.remove(message)
            chat.tell("MessageExpired", None, message)
        lasts = (m.seq - 1 for m in chat.messages if not m.deleted)
        chat.expired = max(chat.expired, next(lasts, len(chat.messages)))

    return Try(who, TIME_PASSES, {"messages": messages}, effect)
