"""Which chats somebody's list has, and in which order: by last activity, or as they were pinned.

Said twice, for the database and for an inbox (`resolvers/inboxes.py`), which keeps the order for
who is in very many chats; `tests/resolvers/test_inboxes.py` compares.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.base import UtcDateTime, columns
from models.chats import Chat, ChatKind, chats
from models.database import Connection
from models.inbox import Entry
from models.keeping import archived, muted
from models.members import members

_LISTED = (
    sa.select(*columns(chats, Chat), members.c.pin_position)
    .join(members, members.c.chat_id == chats.c.id)
    .where(
        members.c.user_id == sa.bindparam("viewer_id"),
        members.c.left_seq.is_(None),
        # A direct chat in which nobody has said anything is there for whoever made it.
        (chats.c.kind != ChatKind.DIRECT.value)
        | (chats.c.last_message_seq > 0)
        | (chats.c.created_by == sa.bindparam("viewer_id")),
    )
)
_NOW = sa.bindparam("now", type_=UtcDateTime)
_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "archived": archived(chats.c.last_message_seq, _NOW),
    "muted": muted(_NOW),
    "pinned": members.c.pin_position.is_not(None),
    "unread": (chats.c.last_message_seq > members.c.read_seq)
    & (chats.c.last_message_seq > chats.c.expired_seq),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which chats to list: what is None does not matter."""

    kind: ChatKind | None = None
    archived: bool | None = None
    muted: bool | None = None
    pinned: bool | None = None
    unread: bool | None = None
    among: Collection[UUID] | None = None


def fits(entry: Entry, wanted: Wanted, viewer_id: UUID, now: datetime) -> bool:
    """Whether an entry of somebody's inbox is listed; the conditions are those below."""
    silent = entry.kind == ChatKind.DIRECT and not entry.last_message_seq
    if silent and entry.created_by != viewer_id:
        return False
    muted = entry.muted_until is not None and entry.muted_until > now
    archived = entry.archived_seq is not None and (
        entry.archived_seq >= entry.last_message_seq or muted
    )
    has = {
        "archived": archived,
        "muted": muted,
        "pinned": entry.pin_position is not None,
        "unread": entry.unread > 0,
    }
    return (
        (wanted.kind is None or entry.kind == wanted.kind)
        and (wanted.among is None or entry.chat_id in wanted.among)
        and all(getattr(wanted, name) in (None, value) for name, value in has.items())
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """A chat in the list; its place is for the next page."""

    chat: Chat
    pin_position: int | None


async def page(
    connection: Connection,
    viewer_id: UUID,
    wanted: Wanted,
    *,
    now: datetime,
    after: tuple[datetime | int, UUID] | None,
    limit: int,
) -> Sequence[Listed]:
    """Return the viewer's chats after a keyset position: by last activity, the latest first.

    Only those that are pinned, if that is wanted, come by their places instead: the position then
    is a place.
    """
    query = _LISTED.limit(limit)
    if wanted.kind is not None:
        query = query.where(chats.c.kind == wanted.kind.value)
    if wanted.among is not None:
        query = query.where(chats.c.id.in_(set(wanted.among)))
    for name, condition in _CONDITIONS.items():
        wish = getattr(wanted, name)
        if wish is not None:
            query = query.where(condition if wish else sa.not_(condition))
    first = members.c.pin_position if wanted.pinned else chats.c.last_activity_at
    direction = sa.asc if wanted.pinned else sa.desc
    query = query.order_by(direction(first), direction(chats.c.id))
    if after is not None:
        place, chat_id = after
        further = first > place if wanted.pinned else first < place
        beside = chats.c.id > chat_id if wanted.pinned else chats.c.id < chat_id
        query = query.where(further | ((first == place) & beside))
    rows = await connection.execute(query, {"viewer_id": viewer_id, "now": now})
    return [Listed(Chat(*row[:-1]), row[-1]) for row in rows]
