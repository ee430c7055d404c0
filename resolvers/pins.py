"""Pinning messages in their chats, and taking pins away."""

from models import pins
from models.errors import Forbidden, InvalidInput
from models.events import EventKind
from models.messages import Message, MessageKey, MessageKind, SystemKind
from models.pins import MAX_PINS, Pin
from models.viewer import Viewer
from resolvers.locked_chat import changing
from resolvers.messages import visible
from resolvers.permissions import Act, require, require_not_silenced
from resolvers.services import Services, utc_now


async def pin(services: Services, viewer: Viewer, *, key: MessageKey) -> Message:
    """Pin a message for everybody and return it; pinning it again changes nothing.

    Raises `NotFound`, `Forbidden`, or `InvalidInput` when there are too many.
    """
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message = await visible(locked, key)
        require(locked.chat, locked.me, Act.PIN_MESSAGES)
        require_not_silenced(locked.me, now, path=["messageId"])
        if message.kind == MessageKind.SYSTEM:
            raise Forbidden("What a chat tells of itself is not pinned.", path=["messageId"])
        if await pins.is_pinned(locked.connection, key):
            return message
        if await pins.how_many(locked.connection, key[0]) >= MAX_PINS:
            raise InvalidInput(
                f"At most {MAX_PINS} messages of a chat are pinned.", path=["messageId"]
            )
        await pins.pin(locked.connection, Pin(*key, pinned_by=viewer.user_id, pinned_at=now))
        await locked.record(EventKind.MESSAGE_PINNED, message_seq=key[1], now=now)
        await locked.say(SystemKind.MESSAGE_PINNED, now=now, details={"message_seq": key[1]})
        return message


async def unpin(services: Services, viewer: Viewer, *, key: MessageKey) -> Message:
    """Take a pin away and return the message; without a pin nothing changes.

    Raises `NotFound` or `Forbidden`.
    """
    now = utc_now()
    async with changing(services, viewer, key[0]) as locked:
        message = await visible(locked, key)
        require(locked.chat, locked.me, Act.PIN_MESSAGES)
        require_not_silenced(locked.me, now, path=["messageId"])
        if await pins.unpin(locked.connection, key):
            await locked.record(EventKind.MESSAGE_UNPINNED, message_seq=key[1], now=now)
        return message
