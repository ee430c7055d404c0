"""Starting chats, and changing what they are called and how they are used."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from models import chats
from models.chat_acts import ChatAct
from models.chats import Chat, ChatKind, HistoryVisibility
from models.errors import InvalidInput
from models.events import EventKind
from models.members import Role
from models.messages import SystemKind
from models.viewer import Viewer
from resolvers import direct
from resolvers.chat_acts import note
from resolvers.chat_details import Details, acts_for, checked_details
from resolvers.entering import require_room
from resolvers.founding import found, new_chat
from resolvers.locked_chat import changing
from resolvers.permissions import require, require_not_silenced
from resolvers.services import Services, utc_now
from resolvers.settings import Way, require_reachable

MAX_ADDED_AT_ONCE = 200


async def create(
    services: Services,
    viewer: Viewer,
    *,
    kind: ChatKind,
    title: str | None,
    description: str | None,
    member_ids: Sequence[UUID],
    history: HistoryVisibility | None = None,
) -> Chat:
    """Start a chat with these people; a direct one, or one's own, is returned if it exists already.

    Raises `InvalidInput`, `NotFound` when one of the people is not there for the viewer,
    `Forbidden` when one does not want it, or `ChatFull`.
    """
    others = list(dict.fromkeys(user_id for user_id in member_ids if user_id != viewer.user_id))
    if len(others) > MAX_ADDED_AT_ONCE:
        raise InvalidInput(
            f"At most {MAX_ADDED_AT_ONCE} people can be added at once.", path=["memberIds"]
        )
    if kind in (ChatKind.DIRECT, ChatKind.SELF):
        return await _only_one(services, viewer, kind, (title, description, history), others)
    named = checked_details(kind, {"title": title, "description": description})
    if history is None:
        # A channel is read like a journal: who subscribes finds what was in it.
        reads_on = kind is ChatKind.CHANNEL
        history = HistoryVisibility.FROM_START if reads_on else HistoryVisibility.SINCE_JOINING
    chat = new_chat(
        viewer,
        kind,
        utc_now(),
        title=named["title"],
        description=named["description"],
        history=history,
    )
    require_room(services.chat_rules, kind, present=1, coming=len(others))
    async with services.db.writing() as connection:
        roles = {viewer.user_id: Role.OWNER, **dict.fromkeys(others, Role.MEMBER)}
        await require_reachable(connection, viewer, others, Way.ADD, path=["memberIds"])
        chat = await found(connection, chat, roles)
    services.node.announce_log()
    return chat


async def _only_one(
    services: Services,
    viewer: Viewer,
    kind: ChatKind,
    details: tuple[object, ...],
    others: list[UUID],
) -> Chat:
    if any(each is not None for each in details):
        raise InvalidInput(
            f"A {kind} chat has no title, no description and nobody who joins later.",
            path=["title"],
        )
    if kind is ChatKind.SELF:
        if others:
            raise InvalidInput("Nobody else is in one's own chat.", path=["memberIds"])
        return await direct.with_user(services, viewer, viewer.user_id, path=["memberIds"])
    if len(others) != 1:
        raise InvalidInput("A direct chat has one other person.", path=["memberIds"])
    return await direct.with_user(services, viewer, others[0], path=["memberIds"])


async def update(services: Services, viewer: Viewer, *, chat_id: UUID, details: Details) -> Chat:
    """Change what a chat is called or how it is used; what is the same already is no news.

    Raises `NotFound`, `Forbidden` or `InvalidInput`.
    """
    now = utc_now()
    async with changing(services, viewer, chat_id) as locked:
        for act in acts_for(details):
            require(locked.chat, locked.me, act)
        if locked.chat.kind == ChatKind.DIRECT:  # where what is set is told as a message is
            require_not_silenced(locked.me, now, path=["chatId"])
        checked = checked_details(ChatKind(locked.chat.kind), details)
        changed = replace(locked.chat, **checked)
        if changed != locked.chat:
            await chats.change_details(locked.connection, changed)
            await locked.record(EventKind.CHAT_CHANGED, now=now)
            named = details.keys() & {"title", "description"}
            await note(
                locked,
                ChatAct.DETAILS_CHANGED if named else ChatAct.SETTINGS_CHANGED,
                now=now,
                details={"changed": ", ".join(sorted(details))},
            )
        if changed.title != locked.chat.title:
            await locked.say(SystemKind.TITLE_CHANGED, now=now, details={"text": changed.title})
        if changed.message_ttl != locked.chat.message_ttl:
            seconds = {"seconds": changed.message_ttl}
            await locked.say(SystemKind.MESSAGE_TTL_CHANGED, now=now, details=seconds)
        return await chats.readable_by(locked.connection, viewer.user_id, chat_id)
