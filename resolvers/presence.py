"""Who is there, as far as the viewer may know, and what a client says of itself."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from models import members, presence, sights
from models.chats import Chat, ChatKind
from models.sights import Sight
from models.users import User, UserKind
from models.viewer import Viewer
from realtime.presence_state import Known, Presence, PresenceState, read_known
from realtime.registry import RegistryUnavailable
from resolvers.services import Services, utc_now

# Of larger chats the number of members who are there is estimated: see `realtime/online_counts.py`.
COUNTED_UP_TO = 100  # members
AT_ONCE = 20  # chats whose members are asked about together: 2,000 people at most


async def set_presence(services: Services, viewer: Viewer, *, away: bool) -> Presence:
    """Store whether anybody uses the viewer's device, and return how their own devices see them."""
    async with services.db.writing() as connection:
        changed = await presence.say_away(
            connection, viewer.session_id, viewer.user_id, away=away, now=utc_now()
        )
    if changed:
        services.node.presence.announce([viewer.user_id])
    known = await _known(services, [viewer.user_id])
    if known is None:
        return Presence(PresenceState.OFFLINE)
    return known[viewer.user_id].truth(utc_now())


async def of_people(
    services: Services, viewer: Viewer, people: Collection[User]
) -> dict[UUID, Presence]:
    """Return how those of the people are of whom the viewer may know."""
    ids = {user.id: user for user in people}
    if not ids or viewer.kind is UserKind.BOT:
        return {}
    async with services.db.reading() as connection:
        found, _ = await sights.of_many(connection, viewer, ids)
    shown = [user_id for user_id, sight in found.items() if sight is Sight.SHOWN]
    known = await _known(services, shown)
    if known is None:
        return {}
    now = utc_now()
    seen = {}
    for user_id, each in known.items():
        own = user_id == viewer.user_id
        seen[user_id] = each.truth(now) if own else each.shown(now)
        if ids[user_id].kind == UserKind.GUEST:
            seen[user_id] = replace(seen[user_id], last_seen_at=None)
    return seen


async def online_counts(
    services: Services, viewer: Viewer, chats: Sequence[Chat]
) -> dict[UUID, int]:
    """Return how many people are there in each of these chats that the viewer is in.

    Not in those of one person or two; of a large one, about how many.
    """
    counted = {chat.id: chat for chat in chats if chat.kind not in (ChatKind.DIRECT, ChatKind.SELF)}
    if not counted or viewer.kind is UserKind.BOT:
        return {}
    small = [key for key, chat in counted.items() if chat.member_count <= COUNTED_UP_TO]
    counts: dict[UUID, int] = {}
    for start in range(0, len(small), AT_ONCE):
        counts |= await _exact(services, viewer, small[start : start + AT_ONCE])
    if large := counted.keys() - small:
        async with services.db.reading() as connection:
            mine = await members.of_chats(connection, viewer.user_id, large)
        for key in mine:
            try:
                counts[key] = await services.node.online_counts.of(key, counted[key].member_count)
            except RegistryUnavailable:
                continue
    return counts


async def _exact(services: Services, viewer: Viewer, chat_ids: Collection[UUID]) -> dict[UUID, int]:
    async with services.db.reading() as connection:
        groups = await presence.members_of(connection, chat_ids)
        groups = {key: group for key, group in groups.items() if viewer.user_id in group}
        everybody = {user_id for group in groups.values() for user_id in group}
        found, _ = await sights.of_many(connection, viewer, everybody)
    shown = [user_id for user_id, sight in found.items() if sight is Sight.SHOWN]
    known = await _known(services, shown)
    if known is None:
        return {}
    now = utc_now()
    there = {
        user_id
        for user_id, each in known.items()
        if (each.truth(now) if user_id == viewer.user_id else each.shown(now)).state
        is not PresenceState.OFFLINE
    }
    return {chat_id: len(there.intersection(group)) for chat_id, group in groups.items()}


async def _known(services: Services, ids: Collection[UUID]) -> dict[UUID, Known] | None:
    """Return what is known of people, None where it is not to be had now."""
    try:
        return await read_known(services.db, services.node.registry, ids)
    except RegistryUnavailable:
        return None
