"""What somebody may know of whether somebody is there.

    may not see them at all (`users.visible_to`)             UNSEEN
    one blocks the other, or does not show it to the other   HIDDEN
    a program, or nobody's account any more                  HIDDEN
    else, and of oneself                                     SHOWN

Showing it is mutual: who shows it to nobody sees nobody's. So what two people may know is the same
for both, and can be asked for one of them and many others, whoever of them looks.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto
from uuid import UUID

from models import blocks, settings, users
from models.database import Connection
from models.settings import Audience, Settings
from models.users import User, UserKind
from models.viewer import Viewer


class Sight(Enum):
    """What somebody may know of somebody."""

    SHOWN = auto()  # whether they are there
    HIDDEN = auto()  # that there is such a person
    UNSEEN = auto()  # nothing


async def of_many(
    connection: Connection, viewer: Viewer, ids: Collection[UUID]
) -> tuple[dict[UUID, Sight], dict[UUID, User]]:
    """Return what the viewer may know of each of these people, and the rows of those they see."""
    seen = await users.visible_to(connection, viewer, ids)
    shown = await shown_among(connection, viewer, seen)
    sights = dict.fromkeys(ids, Sight.UNSEEN)
    for user_id in seen:
        sights[user_id] = Sight.SHOWN if user_id in shown else Sight.HIDDEN
    return sights, seen


async def shown_among(
    connection: Connection, viewer: Viewer, seen: Mapping[UUID, User]
) -> set[UUID]:
    """Return those of the people whom the viewer sees of whom they may know whether they are there.

    A program may of nobody.
    """
    if viewer.kind is UserKind.BOT:
        return set()
    there = {user_id for user_id, user in seen.items() if _has_presence(user)}
    own = there & {viewer.user_id}
    return own | await exchanged(connection, viewer.user_id, there)


async def by_many(
    connection: Connection, user: User, viewers: Mapping[UUID, UserKind]
) -> dict[UUID, Sight]:
    """Return what each of these viewers, given with their kinds, may know of one person."""
    if user.deleted_at is not None:
        return dict.fromkeys(viewers, Sight.UNSEEN)
    seeing = await users.seen_by(connection, user.id, viewers)
    shown = await exchanged(connection, user.id, seeing) if _has_presence(user) else set()
    return {
        viewer: Sight.SHOWN
        if viewer in shown or viewer == user.id
        else Sight.HIDDEN
        if viewer in seeing
        else Sight.UNSEEN
        for viewer in viewers
    }


def _has_presence(user: User) -> bool:
    return user.kind != UserKind.BOT and user.may_sign_in


async def exchanged(connection: Connection, user_id: UUID, others: Iterable[UUID]) -> set[UUID]:
    """Return those of the others who show this person whether they are there, and are shown it."""
    wanted = set(others) - {user_id}
    if not wanted:
        return set()
    given = await settings.of_many(connection, {user_id, *wanted})
    audiences = {
        each: given.get(each, Settings()).who_sees_last_seen for each in (user_id, *wanted)
    }
    own = audiences.pop(user_id)
    if own == Audience.NOBODY:
        return set()
    willing = {each for each, audience in audiences.items() if audience != Audience.NOBODY}
    # Of two of whom one shows it to their contacts alone, the other has to be one.
    if willing and own == Audience.CONTACTS:
        willing = await users.contacts(connection, user_id, willing)
    strict = {each for each in willing if audiences[each] == Audience.CONTACTS}
    if strict:
        willing -= strict - await users.having_contact(connection, user_id, strict)
    return willing - await blocks.between(connection, user_id, willing)
