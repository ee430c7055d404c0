"""Starting chats, and changing what they are called."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from models import blocks, chats, events, members
from models.base import new_key
from models.chat_acts import ChatAct
from models.chats import Chat, ChatKind
from models.database import Connection
from models.errors import InvalidInput, Raced
from models.events import EventKind
from models.members import FIRST_EVENT_SEQ, Member, Role
from models.viewer import Viewer
from resolvers.chat_acts import note
from resolvers.locked_chat import changing
from resolvers.permissions import Act, require
from resolvers.services import Services, utc_now
from resolvers.settings import Way, require_reachable
from resolvers.text import checked, line

MAX_TITLE = 128
MAX_DESCRIPTION = 1024
MAX_ADDED_AT_ONCE = 200


class Details(TypedDict, total=False):
    """What of a chat is to be another: what is absent stays, None takes away."""

    title: str | None
    description: str | None


async def create(
    services: Services,
    viewer: Viewer,
    *,
    kind: ChatKind,
    title: str | None,
    description: str | None,
    member_ids: Sequence[UUID],
) -> Chat:
    """Start a chat with these people; a direct one that exists already is returned as it is.

    Raises `InvalidInput`, `NotFound` when one of the people is not there for the viewer, or
    `Forbidden` when one does not want it.
    """
    others = list(dict.fromkeys(user_id for user_id in member_ids if user_id != viewer.user_id))
    if len(others) > MAX_ADDED_AT_ONCE:
        raise InvalidInput(
            f"At most {MAX_ADDED_AT_ONCE} people can be added at once.", path=["memberIds"]
        )
    if kind is ChatKind.DIRECT:
        return await _direct(services, viewer, title, description, others)
    title, description = _title(title), _description(description)
    now = utc_now()
    chat = _new_chat(viewer, kind, now, title=title, description=description)
    async with services.db.writing() as connection:
        roles = {viewer.user_id: Role.OWNER, **dict.fromkeys(others, Role.MEMBER)}
        await require_reachable(connection, viewer, others, Way.ADD, path=["memberIds"])
        chat = await _store(connection, chat, roles, pair=None)
    services.node.announce_log()
    return chat


async def update(
    services: Services,
    viewer: Viewer,
    *,
    chat_id: UUID,
    details: Details,
) -> Chat:
    """Give a group another title or description; what is the same already is no news to anybody.

    Raises `NotFound`, `Forbidden` or `InvalidInput`.
    """
    if "title" in details:
        details["title"] = _title(details["title"])
    if "description" in details:
        details["description"] = _description(details["description"])
    async with changing(services, viewer, chat_id) as locked:
        require(locked.chat, locked.me, Act.CHANGE_DETAILS)
        changed = replace(locked.chat, **details)
        if changed != locked.chat:
            await chats.change_details(locked.connection, changed)
            now = utc_now()
            await locked.record(EventKind.CHAT_CHANGED, now=now)
            await note(
                locked, ChatAct.DETAILS_CHANGED, now=now, details={"changed": sorted(details)}
            )
        return await chats.readable_by(locked.connection, viewer.user_id, chat_id)


def _title(title: str | None) -> str:
    if title is None:
        raise InvalidInput("A group needs a title.", path=["title"])
    return line(title, what="The title", maximum=MAX_TITLE, path=["title"])


def _description(description: str | None) -> str | None:
    if description is None:
        return None
    return checked(
        description,
        what="The description",
        maximum=MAX_DESCRIPTION,
        path=["description"],
        empty_ok=True,
    )


async def _direct(
    services: Services,
    viewer: Viewer,
    title: str | None,
    description: str | None,
    others: list[UUID],
) -> Chat:
    if len(others) != 1:
        raise InvalidInput("A direct chat has one other person.", path=["memberIds"])
    if title is not None or description is not None:
        raise InvalidInput("A direct chat has no title and no description.", path=["title"])
    pair = chats.direct_key(viewer.user_id, others[0])
    async with services.db.reading() as connection:
        existing = await chats.direct(connection, pair)
    if existing:
        return existing
    chat = _new_chat(viewer, ChatKind.DIRECT, utc_now())
    try:
        async with services.db.writing() as connection:
            # Of a chat and a block in the same moment, the later one finds the earlier.
            await blocks.hold(connection, viewer.user_id, others[0])
            await require_reachable(connection, viewer, others, Way.MESSAGE, path=["memberIds"])
            roles = dict.fromkeys([viewer.user_id, *others], Role.MEMBER)
            chat = await _store(connection, chat, roles, pair=pair)
    except Raced:
        # The other one started it at the same moment.
        async with services.db.reading() as connection:
            existing = await chats.direct(connection, pair)
        if existing is None:
            raise
        return existing
    services.node.announce_log()
    return chat


def _new_chat(
    viewer: Viewer,
    kind: ChatKind,
    now: datetime,
    *,
    title: str | None = None,
    description: str | None = None,
) -> Chat:
    return Chat(
        id=new_key(),
        kind=kind.value,
        title=title,
        description=description,
        created_by=viewer.user_id,
        created_at=now,
        last_message_seq=0,
        last_event_seq=FIRST_EVENT_SEQ,
        last_activity_at=now,
        member_count=0,
    )


async def _store(
    connection: Connection, chat: Chat, roles: dict[UUID, Role], *, pair: str | None
) -> Chat:
    """Store a chat with its founders and its first event."""
    chat = replace(chat, member_count=len(roles))
    await chats.create(connection, chat, pair=pair)
    await members.add(
        connection,
        [
            Member(
                id=new_key(),
                chat_id=chat.id,
                user_id=user_id,
                role=role.value,
                joined_at=chat.created_at,
                joined_seq=FIRST_EVENT_SEQ,
                first_message_seq=1,
                left_seq=None,
                delivered_seq=0,
                read_seq=0,
            )
            for user_id, role in roles.items()
        ],
    )
    await events.record(
        connection,
        EventKind.CHAT_CREATED,
        now=chat.created_at,
        chat_id=chat.id,
        seq=FIRST_EVENT_SEQ,
        actor_id=chat.created_by,
    )
    return chat
