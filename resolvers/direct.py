"""The chats that there is one of: of each pair of people, and of each person with themselves."""

from uuid import UUID

from models import blocks, chats
from models.bots import BotScope
from models.chats import Chat, ChatKind
from models.errors import Forbidden, NotFound, Raced, RateLimited
from models.members import Role
from models.messages import MessageKey
from models.users import UserKind
from models.viewer import Viewer
from resolvers.founding import found, new_chat
from resolvers.messages import MAX_TEXT
from resolvers.rates import Pace
from resolvers.services import Services, utc_now
from resolvers.settings import Way, require_reachable
from resolvers.text import checked


async def with_user(services: Services, viewer: Viewer, user_id: UUID, *, path: list[str]) -> Chat:
    """Return the viewer's direct chat with somebody, or with themselves, made if there is none.

    Whoever asks at the same moment, there is one. Raises `NotFound`, or `Forbidden` when the other
    one does not want it; not for a chat that is there already.
    """
    pair = chats.direct_key(viewer.user_id, user_id)
    existing = await _existing(services, pair)
    if existing:
        return existing
    if user_id == viewer.user_id:
        chat, roles = new_chat(viewer, ChatKind.SELF, utc_now()), {user_id: Role.OWNER}
    else:
        chat = new_chat(viewer, ChatKind.DIRECT, utc_now())
        roles = dict.fromkeys([viewer.user_id, user_id], Role.MEMBER)
    try:
        async with services.db.writing() as connection:
            # Of a chat and a block in the same moment, the later one finds the earlier.
            await blocks.hold(connection, viewer.user_id, user_id)
            await require_reachable(connection, viewer, [user_id], Way.MESSAGE, path=path)
            chat = await found(connection, chat, roles, pair=pair)
    except Raced:
        # The other one, or another device, made it at the same moment.
        existing = await _existing(services, pair)
        if existing is None:
            raise
        return existing
    services.node.announce_log()
    return chat


async def to_write(
    services: Services, viewer: Viewer, user_id: UUID, *, text: str, answers: MessageKey | None
) -> Chat:
    """Return the chat for a message to somebody, made if it is the first one.

    Raises as `with_user` does, `InvalidInput` and `NotFound` for what could not be sent, or
    `RateLimited` for who begins more chats than anybody has to.
    """
    _require_may_begin(viewer)
    checked(text, what="The text", maximum=MAX_TEXT, path=["text"])
    existing = await _existing(services, chats.direct_key(viewer.user_id, user_id))
    if existing:
        return existing
    if answers is not None:  # in a chat that is not there yet nothing is
        raise NotFound("The message replied to", path=["replyToId"])
    # As `createChat` is: the field is paced as one that sends.
    if waiting := services.rates.pace(Pace.INVITING, viewer.user_id.int):
        raise RateLimited(retry_after=waiting)
    return await with_user(services, viewer, user_id, path=["toUserId"])


def _require_may_begin(viewer: Viewer) -> None:
    """Raise `Forbidden` for an account that may not begin chats; before any id is looked at."""
    if viewer.kind is UserKind.GUEST:
        raise Forbidden("A guest is in one chat only.", path=["toUserId"])
    if viewer.scopes is not None and BotScope.CHATS_WRITE not in viewer.scopes:
        raise Forbidden(
            f"The bot's token lacks the scope {BotScope.CHATS_WRITE}.", path=["toUserId"]
        )


async def with_oneself(services: Services, viewer: Viewer) -> Chat | None:
    """Return the viewer's chat with themselves, if they have one."""
    return await _existing(services, chats.direct_key(viewer.user_id, viewer.user_id))


async def _existing(services: Services, pair: str) -> Chat | None:
    async with services.db.reading() as connection:
        return await chats.direct(connection, pair)
