"""Wanting nothing to do with somebody.

In a direct chat a block silences both, so that who is blocked reads the same refusal that anybody
reads who may not write there. Everything else looks at `models/blocks.py` when its turn comes.
"""

from collections.abc import Sequence
from uuid import UUID

from models import blocks, chats, events, keepers, members, users
from models.database import Connection
from models.errors import Conflict, InvalidInput, NotFound
from models.events import EventKind
from models.members import FOR_EVER
from models.users import User
from models.viewer import Viewer
from resolvers.rates import Rate
from resolvers.services import Services, utc_now

MAX_BLOCKS = 5000  # by one person


async def block(services: Services, viewer: Viewer, *, user_id: UUID) -> User:
    """Block somebody, and return them; whom one blocks already stays so.

    Raises `NotFound`, `InvalidInput`, `RateLimited`, or `Conflict` when they are too many.
    """
    if user_id == viewer.user_id:
        raise InvalidInput("Nobody blocks themselves.", path=["userId"])
    await services.rates.spend(Rate.BLOCK, str(viewer.user_id))
    now = utc_now()
    async with services.db.writing() as connection:
        await blocks.hold(connection, viewer.user_id, user_id)
        user = await _known(connection, viewer, user_id)
        if await blocks.count(connection, viewer.user_id) >= MAX_BLOCKS:
            raise Conflict(f"Nobody blocks more than {MAX_BLOCKS}: unblock one.")
        if await blocks.add(connection, viewer.user_id, user_id, now):
            await _settle(connection, viewer.user_id, user_id)
            await _tell(connection, viewer.user_id, user_id)
    services.node.announce_log()
    return user


async def unblock(services: Services, viewer: Viewer, *, user_id: UUID) -> User:
    """Block somebody no longer, and return them; whom one does not block stays so.

    Raises `NotFound` or `RateLimited`.
    """
    await services.rates.spend(Rate.BLOCK, str(viewer.user_id))
    async with services.db.writing() as connection:
        await blocks.hold(connection, viewer.user_id, user_id)
        user = await _known(connection, viewer, user_id)
        if await blocks.remove(connection, viewer.user_id, user_id):
            await _settle(connection, viewer.user_id, user_id)
            await _tell(connection, viewer.user_id, user_id)
    services.node.announce_log()
    return user


async def page(
    services: Services, viewer: Viewer, *, after: UUID | None, limit: int
) -> Sequence[User]:
    """Return whom the viewer blocks, who registered first first; `limit` at most."""
    async with services.db.reading() as connection:
        ids = await blocks.page(connection, viewer.user_id, after=after, limit=limit)
        people = await users.by_ids(connection, ids)
    return [people[user_id] for user_id in ids]


async def _known(connection: Connection, viewer: Viewer, user_id: UUID) -> User:
    """Return somebody whom the viewer sees, also as who asks them, or blocks; raises `NotFound`.

    Who has been blocked may go out of sight meanwhile, and must be let go of all the same.
    """
    if await blocks.blocked_by(connection, viewer.user_id, [user_id]) or await keepers.is_asked_by(
        connection, viewer.user_id, user_id
    ):
        return (await users.by_ids(connection, [user_id]))[user_id]
    found = await users.visible_to(connection, viewer, [user_id])
    if user_id not in found:
        raise NotFound("The person", path=["userId"])
    return found[user_id]


async def _settle(connection: Connection, one: UUID, other: UUID) -> None:
    """Have the direct chat of two people as their blocks want it.

    Nothing else silences anybody there, so what to undo is known: while one blocks the other,
    neither writes. Whoever writes in this moment is first, or finds it so.
    """
    chat = await chats.direct(connection, chats.direct_key(one, other))
    if chat is None:
        return
    await chats.lock(connection, [chat.id])
    blocked = await blocks.between(connection, one, [other])
    await members.silence_all(connection, chat.id, FOR_EVER if blocked else None)


async def _tell(connection: Connection, user_id: UUID, blocked_id: UUID) -> None:
    """Tell somebody's own devices whom they block now, or no longer; nobody else is told."""
    await events.record(
        connection,
        EventKind.BLOCKS_CHANGED,
        now=utc_now(),
        user_id=user_id,
        subject_id=blocked_id,
    )
